"""The pages of the documentation: find their code blocks, and run them as a program."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path

from repository import PROJECT, SUPPORT

DEPLOYED = "prefect deployment run gmat-sweep/monte-carlo --param n=20 --watch"

NOT_RUN = {
    "make demo": "installs a virtual environment; continuous integration runs it by itself",
    "pip install .": "would change the environment that the tests run in",
    "pip install '.[plot]'": "would change the environment that the tests run in",
    "pip install '.[export]'": "would change the environment that the tests run in",
    "pip install '.[report]'": "would change the environment that the tests run in",
    "pip install '.[plot,report,export]'": "would change the environment that the tests run in",
    "pip install 'gmat-sweep[dask]'": "would change the environment that the tests run in",
    "pip install 'gmat-sweep[ray]'": "would change the environment that the tests run in",
    "gmat-sweep ui": "opens a browser; cli/test_ui.py runs it",
    "gmat-sweep ui --no-browser": "stays where servers are not to; cli/test_ui.py runs it",
    "gmat-sweep ui --stop": "refused while the tests use the server; cli/test_ui.py runs it",
    "make up": "deployments/test_running.py calls what it calls, on a port of its own",
    "make deploy": "deployments/test_running.py calls what it calls, on a port of its own",
    "make down": "deployments/test_running.py calls what it calls, on a port of its own",
    ". .venv/bin/activate": "the tests have an environment of their own",
    "export PREFECT_API_URL=http://127.0.0.1:4200/api": "the tests' server has another port",
    DEPLOYED: "needs a worker; deployments/test_running.py runs it as it stands on that page",
    "python flows/sweep.py": "does not end; deployments/test_running.py runs what it serves",
}
"""Shell commands that the tests do not run, and why. Comments after them do not count."""

BESIDE_A_WORKER = "docs/deployments.md"
"""The page whose programs deployments/test_running.py runs."""


@dataclasses.dataclass(frozen=True)
class Block:
    """A fenced block of a page; `shown` is the output that the page prints after it, if any."""

    page: str
    line: int
    language: str
    code: str
    shown: str | None = None

    @property
    def is_program(self) -> bool:
        """Whether a reader would run it."""
        if self.language == "python":
            return True
        if self.language not in {"sh", "console"}:
            return False
        commands = {line.partition("#")[0].strip() for line in self.code.splitlines()} - {""}
        return not commands <= NOT_RUN.keys() or (
            self.page == BESIDE_A_WORKER and commands == {DEPLOYED}
        )


def blocks_of(page: str) -> list[Block]:
    """Return the fenced blocks of a page, each with the ``text`` block that follows it."""
    found: list[Block] = []
    end_of_last = 0
    lines = (PROJECT / page).read_text(encoding="utf-8").splitlines()
    opened: tuple[int, str] | None = None
    for number, line in enumerate(lines, start=1):
        if not line.startswith("```"):
            continue
        if opened is None:
            opened = (number, line.removeprefix("```").strip())
            continue
        start, language = opened
        opened = None
        code = "".join(f"{text}\n" for text in lines[start : number - 1])
        follows = found and not any(text.strip() for text in lines[end_of_last : start - 1])
        if language == "text" and follows:
            found[-1] = dataclasses.replace(found[-1], shown=code)
        else:
            found.append(Block(page, start + 1, language, code))
        end_of_last = number
    assert opened is None, f"{page}: the block of line {opened} does not end"
    return found


def programs_of(page: str) -> list[Block]:
    """Return the blocks of a page that a reader would run."""
    return [block for block in blocks_of(page) if block.is_program]


def environment(server: str) -> dict[str, str]:
    """Return the environment of a shell in which this package's venv is active."""
    programs = str(Path(sys.executable).parent)
    return {
        **os.environ,
        "PATH": os.pathsep.join([programs, os.environ.get("PATH", os.defpath)]),
        "PREFECT_API_URL": server,
        "MPLBACKEND": "Agg",
        "PYTHONWARNINGS": "default",
    }


def page_program(
    page: str, folder: Path, server: str, core: int | None
) -> subprocess.CompletedProcess[str]:
    """Run the program of a page on one core, so that a pool of one worker per core starts one."""
    program = [sys.executable, str(SUPPORT / "page_program.py")]
    return subprocess.run(
        program if core is None else [*program, str(core)],
        input=json.dumps([dataclasses.asdict(block) for block in programs_of(page)]),
        cwd=folder,
        env=environment(server),
        capture_output=True,
        text=True,
        timeout=240,
    )
