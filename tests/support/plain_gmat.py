"""Plain runs of edited scripts on GMAT itself: what a sweep's runs are compared with.

The module knows nothing of how the product reads scripts, applies overrides, keeps missions or
names files. It writes each override into the script's text, as a user with an editor does, and has
the engine's bare API load and run that text.

Run as a program it is the server that `PlainGmat` talks to: one JSON object a line, each a script
that is loaded afresh.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

__all__ = ["PlainGmat", "PlainGmatDiedError", "PlainRun", "edited"]

type Value = bool | int | float | str | list[str]

_BEGIN = "BeginMissionSequence"
_LATE = " % overridden"
_WORD = re.compile(r"[A-Za-z_][\w.-]*", re.ASCII)
_LIST = re.compile(r"[\[{].*[\]}]")


def edited(script: str, overrides: Mapping[str, Value]) -> str:
    """Write overrides into a script, one after the other.

    The last assignment of a field before ``BeginMissionSequence`` gets a new right side. A field
    that the script does not assign gets a line of its own directly before that command; a Cartesian
    component of a spacecraft that the script gives in Keplerian elements, directly after it.

    Parameters
    ----------
    script : str
        A script with one statement a line, without continuation lines and includes.
    overrides : mapping
        Dotted path to value. ``v.Value`` of a Variable or String is written ``v = ...``.
    """
    lines = script.split("\n")
    for path, value in overrides.items():
        field = path.removesuffix(".Value")
        begin = next(n for n, line in enumerate(lines) if line.startswith(_BEGIN))
        standing = [n for n in range(begin) if _sides(lines[n])[0] == field.replace(" ", "")]
        before = _sides(lines[standing[-1]])[1] if standing else ""
        is_string = re.search(rf"^Create String .*\b{re.escape(field)}\b", script, re.MULTILINE)
        line = f"GMAT {field} = {_written(value, before, quoted=is_string is not None)};"
        if standing:
            lines[standing[-1]] = line
        elif _is_cartesian(field) and _is_keplerian(script, field.partition(".")[0]):
            # GMAT refuses it before the command; several keep their order.
            commands = begin + 1
            while lines[commands].endswith(_LATE):
                commands += 1
            lines.insert(commands, line + _LATE)
        else:
            lines.insert(begin, line)
    return "\n".join(lines)


def _is_cartesian(field: str) -> bool:
    return field.partition(".")[2] in {"X", "Y", "Z", "VX", "VY", "VZ"}


def _is_keplerian(script: str, craft: str) -> bool:
    return re.search(rf"^(GMAT )?{craft}\.SMA\b", script, re.MULTILINE) is not None


def _sides(line: str) -> tuple[str, str]:
    left, equals, right = line.partition("=")
    if not equals:
        return "", ""
    return left.strip().removeprefix("GMAT ").replace(" ", ""), right.strip().rstrip(";")


def _written(value: Value, before: str, *, quoted: bool) -> str:
    if isinstance(value, bool):
        # GMAT takes these two for every field that can be switched.
        return "On" if value else "Off"
    if isinstance(value, list):
        return "{" + ", ".join(value) + "}"
    if not isinstance(value, str):
        return repr(value)
    if _LIST.fullmatch(value):
        return value
    bare = _WORD.fullmatch(value) is not None and not before.startswith("'") and not quoted
    return value if bare else f"'{value}'"


@dataclass(frozen=True, slots=True)
class PlainRun:
    """What GMAT made of one script.

    Attributes
    ----------
    loaded, ran : bool
        Whether GMAT accepted the script, and whether it ran it to its end.
    files : dict of str to bytes
        What each output wrote, by the name of its resource. An output that wrote no file is absent.
    log : str
        GMAT's log.
    """

    loaded: bool
    ran: bool
    files: Mapping[str, bytes]
    log: str


class PlainGmatDiedError(Exception):
    """The script ended GMAT's process."""


class PlainGmat:
    """A process with GMAT in it that loads and runs scripts, each from nothing.

    Parameters
    ----------
    folder : Path
        Where the process writes; it is made.
    """

    def __init__(self, folder: Path) -> None:
        import gmat_sweep

        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._count = 0
        sources = str(Path(gmat_sweep.__file__).parents[1])
        self._errors = (folder / "stderr.txt").open("ab")
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env={**os.environ, "PYTHONPATH": sources},
        )

    def run(self, script: str, overrides: Mapping[str, Value] | None = None) -> PlainRun:
        """Load and run a script with overrides written into it.

        Raises
        ------
        PlainGmatDiedError
            The process ended.
        """
        self._count += 1
        folder = self._folder / f"plain-{self._count}"
        folder.mkdir()
        path = folder / "edited.script"
        path.write_text(edited(script, overrides or {}), encoding="utf-8")
        return self._run(path, folder)

    def run_file(self, script: Path) -> PlainRun:
        """Load and run a script as it is and where it is."""
        self._count += 1
        folder = self._folder / f"plain-{self._count}"
        folder.mkdir()
        return self._run(script, folder)

    def _run(self, path: Path, folder: Path) -> PlainRun:
        answer = ""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps({"script": str(path), "out": str(folder)}) + "\n")
            self._process.stdin.flush()
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            pass
        if not answer:
            raise PlainGmatDiedError(f"{path} ended GMAT with {self._process.wait()}")
        told = json.loads(answer)
        files = {name: Path(file) for name, file in told["files"].items()}
        return PlainRun(
            loaded=told["loaded"],
            ran=told["ran"],
            files={name: file.read_bytes() for name, file in files.items() if file.exists()},
            log=told["log"],
        )

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=60)
        self._process.stdout.close()
        self._errors.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _serve() -> None:
    # GMAT prints on the standard output: the answers get a descriptor of their own.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    from gmat_run import bootstrap, locate_gmat

    from gmat_sweep import engine

    engine.activate()
    gmat = bootstrap(locate_gmat())
    for line in sys.stdin:
        asked = json.loads(line)
        answer = _answer(gmat, Path(asked["script"]), Path(asked["out"]))
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def _answer(gmat: Any, script: Path, out: Path) -> dict[str, Any]:
    log = out / "GmatLog.txt"
    gmat.UseLogFile(str(log))
    files: dict[str, str] = {}
    said = ""
    loaded = ran = False
    try:
        loaded = bool(gmat.LoadScript(str(script)))
        if loaded:
            files = _placed(gmat, out)
            ran = bool(gmat.RunScript())
    except gmat.APIException as error:
        said = str(error)
    finally:
        gmat.UseLogFile(os.devnull)
    told = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    return {"loaded": loaded, "ran": ran, "files": files, "log": f"{told}\n{said}"}


def _placed(gmat: Any, folder: Path) -> dict[str, str]:
    """Give each output a file in `folder`; return these by the names of the outputs."""
    files = {}
    moderator = gmat.Moderator.Instance()
    for kind, field in (("SUBSCRIBER", "Filename"), ("SOLVER", "ReportFile")):
        for name in moderator.GetListOfObjects(getattr(gmat, kind)):
            output = gmat.GetObject(name)
            if output.GetTypeName() not in ("ReportFile", "EphemerisFile", "DifferentialCorrector"):
                continue
            file = str(folder / f"{name}.out")
            output.SetField(field, file)
            if kind == "SUBSCRIBER":
                files[str(name)] = file
    return files


if __name__ == "__main__":
    _serve()
