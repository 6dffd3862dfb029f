"""The inputs of a sweep by hash: files, engine, packages, plan.

`input_hashes` takes the hashes of the present inputs. `InputHashes.write` puts them beside the
manifest, on disk before it returns. `input_changes` says which inputs differ between two sweeps.
Files are named relative to the mission or to the engine, so that their places on two machines do
not matter.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import os
import platform
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmat_sweep.analysis.recorded import RecordedSweep
from gmat_sweep.disk.files import write_file
from gmat_sweep.disk.held import read_plain
from gmat_sweep.engine import Engine, find_engine
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.folder.layout import INPUT_HASHES_NAME
from gmat_sweep.import_places import hooks_found
from gmat_sweep.mission.script import (
    OUTPUT_TYPES,
    SOLVER_TYPES,
    canonical_script_sha256,
    included_file,
    is_file,
    output_names,
    statements_of,
)
from gmat_sweep.mission.statements import string_spans
from gmat_sweep.plans import CONTEXTS_KEY, EXPLICIT_RUNS_KEY

if TYPE_CHECKING:
    from gmat_sweep.manifest import Manifest

__all__ = [
    "INPUT_HASHES_NAME",
    "InputChange",
    "InputHashes",
    "input_changes",
    "input_hashes",
]

"""Name of the file in a sweep folder that holds its input hashes."""

_SCHEMA_VERSION = 1
_PACKAGES = ("gmat-sweep", "gmat-run", "gmatpy", "numpy", "pandas", "prefect", "pyarrow", "scipy")
_LIBRARY = re.compile(r"\.(?:so|dylib|dll)(?:\.|$)")
# Folders of a full install's data that are for the screen; no number depends on them.
_FOR_DISPLAY = frozenset({"graphics", "gui_config", "help"})
_LONGEST_VALUE = 60

type _Groups = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class InputHashes:
    """The inputs of a sweep.

    Attributes
    ----------
    groups : mapping of str to mapping of str to str
        For each group the name of an input and its SHA-256, or its version: ``script`` and
        ``includes`` (the canonical hash, in which line ends do not matter), ``files`` (other files
        that the script names), ``engine`` (version, kind and libraries), ``data`` (the engine's
        data files and the user's own), ``hook``, ``packages``.
    """

    groups: _Groups

    def write(self, folder: str | Path) -> Path:
        """Write the hashes as ``inputs.json`` in a sweep folder; on disk before this returns.

        Raises
        ------
        DurabilityError
            The file could not be written; a file that was there before still is.
        """
        path = Path(folder) / INPUT_HASHES_NAME
        record = {"schema_version": _SCHEMA_VERSION, "groups": self.groups}
        write_file(path, json.dumps(record, indent=1, sort_keys=True).encode() + b"\n")
        return path

    @classmethod
    def read(cls, folder: str | Path) -> InputHashes | None:
        """Return the hashes in a sweep folder; None if it has none.

        Raises
        ------
        SweepConfigError
            The file is damaged, or of a newer version.
        """
        path = Path(folder) / INPUT_HASHES_NAME
        try:
            record = json.loads(read_plain(path))
            version = record["schema_version"]
            groups = {
                group: {str(name): str(value) for name, value in inputs.items()}
                for group, inputs in record["groups"].items()
            }
        except FileNotFoundError:
            return None
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise SweepConfigError(
                f"{path} cannot be understood: {error}. Delete it; only hashes are lost."
            ) from error
        if version != _SCHEMA_VERSION:
            raise SweepConfigError(
                f"{path} has schema_version {version!r}, this version of gmat-sweep reads "
                f"{_SCHEMA_VERSION}. Use the version that wrote it."
            )
        return cls(groups)


@dataclass(frozen=True, slots=True)
class InputChange:
    """An input that differs between two sweeps.

    Attributes
    ----------
    group, name : str
        Which input, as in `InputHashes`; group ``plan`` has the fields that vary and how.
    before, after : str or None
        The input's hash, version or value; None if it was not there.
    """

    group: str
    name: str
    before: str | None
    after: str | None


def input_hashes(script: str | Path, *, postprocess: str | None = None) -> InputHashes:
    """Return the hashes of the present inputs of a mission.

    Parameters
    ----------
    script : str or Path
        The mission. ``#Include`` is followed, in included files as well.
    postprocess : str, optional
        The hook, as ``"package.module:function"``; the file of its module is hashed.

    Raises
    ------
    OSError
        A file cannot be read.
    EngineError
        There is no engine.

    Notes
    -----
    Every file is read, those of the engine as well: some 130 MB and half a second with the engine
    of the ``gmatpy`` wheel. Data for display only, such as textures, are left out. The plan is not
    here, because the manifest's header has it.
    """
    script = Path(script)
    engine = find_engine()
    groups = {
        "script": {script.name: canonical_script_sha256(script)},
        "includes": {
            _relative(path, script): canonical_script_sha256(path) for path in _includes(script)
        },
        "files": {_relative(path, script): _sha256(path) for path in _named_files(script)},
        "engine": _engine_inputs(engine),
        "data": dict(_data_hashes(engine.root / "data")),
        "hook": _hook_inputs(postprocess),
        "packages": {
            **{name: _version_of(name) for name in _PACKAGES},
            "python": platform.python_version(),
        },
    }
    return InputHashes({group: inputs for group, inputs in groups.items() if inputs})


def input_changes(tonight: RecordedSweep, last_night: RecordedSweep) -> tuple[InputChange, ...]:
    """Return every input that only one of two sweeps had, or that differs.

    The manifests' headers tell of the script, the plan and the main versions. The other inputs are
    compared if both sweep folders have ``inputs.json``.

    Raises
    ------
    SweepConfigError
        An ``inputs.json`` is damaged.
    """
    hashes = [InputHashes.read(sweep.folder) for sweep in (last_night, tonight)]
    before, after = (
        _merged(InputHashes({}) if None in hashes else found, _header_inputs(sweep.manifest))
        for found, sweep in zip(hashes, (last_night, tonight), strict=True)
    )
    return tuple(
        InputChange(group, name, old.get(name), new.get(name))
        for group in sorted(before.keys() | after.keys(), key=_rank)
        for old, new in [(before.get(group, {}), after.get(group, {}))]
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    )


def _merged(hashes: InputHashes | None, header: _Groups) -> dict[str, dict[str, str]]:
    # If both tell of an input, the header counts: the sweep itself wrote it.
    groups = {} if hashes is None else hashes.groups
    return {
        group: {**groups.get(group, {}), **header.get(group, {})}
        for group in groups.keys() | header.keys()
    }


_ORDER = ("script", "includes", "files", "plan", "hook", "engine", "data", "packages", "platform")


def _rank(group: str) -> tuple[int, str]:
    return (_ORDER.index(group) if group in _ORDER else len(_ORDER), group)


def _header_inputs(manifest: Manifest) -> dict[str, dict[str, str]]:
    spec = manifest.parameter_spec
    plan: dict[str, str] = {"runs": str(manifest.run_count)}
    for key, value in spec.items():
        if key == "perturb" and isinstance(value, Mapping):
            plan |= {f"{name} drawn from": _shown(drawn) for name, drawn in value.items()}
        else:
            plan["kind" if key == "_kind" else key] = _shown(value)
    if manifest.sweep_seed is not None:
        plan["seed"] = str(manifest.sweep_seed)
    for key in (EXPLICIT_RUNS_KEY, CONTEXTS_KEY):
        if key in manifest.extra:
            plan[key] = _shown(manifest.extra[key])
    hook = {} if manifest.postprocess is None else {"function": manifest.postprocess}
    return {
        "script": {str(manifest.extra.get("mission", "script")): manifest.script_sha256},
        "plan": plan,
        "engine": {"version": manifest.gmat_install_version},
        "hook": hook,
        "packages": {
            "gmat-sweep": manifest.gmat_sweep_version,
            "gmat-run": manifest.gmat_run_version,
            "python": manifest.python_version,
        },
        "platform": {"system": manifest.os_platform},
    }


def _shown(value: Any) -> str:
    """Return a short value as JSON, or the hash of a long one."""
    text = json.dumps(value, sort_keys=True)
    return text if len(text) <= _LONGEST_VALUE else hashlib.sha256(text.encode()).hexdigest()


def _includes(script: Path) -> list[Path]:
    found = (included_file(statement, script) for statement in statements_of(script))
    return sorted({path.resolve() for path in found if path is not None} - {script.resolve()})


def _named_files(script: Path) -> list[Path]:
    """Return the files that the mission's fields name and that lie where GMAT may look for them.

    A file that the mission writes is no input, even if an earlier run has left it.
    """
    declared = output_names(script)
    writers = {name for kind in (*OUTPUT_TYPES, *SOLVER_TYPES) for name in declared.get(kind, ())}
    found: set[Path] = set()
    for statement in statements_of(script):
        if statement.assigned is None or statement.assigned[0] in writers:
            continue
        for start, end in string_spans(statement.text):
            name = statement.text[start + 1 : end - 1].strip().replace("\\", "/")
            path = script.resolve().parent / name
            if name and is_file(path):
                found.add(path.resolve())
    return sorted(found)


def _relative(path: Path, script: Path) -> str:
    return Path(os.path.relpath(path, script.resolve().parent)).as_posix()


def _engine_inputs(engine: Engine) -> dict[str, str]:
    inputs = {"version": engine.version, "source": engine.source}
    if engine.source == "wheel":
        files: dict[str, Path] = {
            str(file): Path(str(file.locate()))
            for file in importlib.metadata.files("gmatpy") or ()
            if _LIBRARY.search(file.name)
        }
    else:
        files = {
            path.relative_to(engine.root).as_posix(): path
            for folder in ("bin", "lib", "plugins")
            for path in (engine.root / folder).rglob("*")
            if _LIBRARY.search(path.name) or path.name.endswith("startup_file.txt")
        }
    hashes = {name: _sha256(path) for name, path in sorted(files.items()) if path.is_file()}
    return {**inputs, **hashes}


def _data_hashes(folder: Path) -> Iterator[tuple[str, str]]:
    for parent, folders, names in os.walk(folder, followlinks=True):
        folders[:] = sorted(set(folders) - _FOR_DISPLAY)
        for name in sorted(names):
            path = Path(parent, name)
            if path.is_file():
                yield path.relative_to(folder).as_posix(), _sha256(path)


def _hook_inputs(postprocess: str | None) -> dict[str, str]:
    if postprocess is None:
        return {}
    module = postprocess.partition(":")[0]
    try:
        with hooks_found():
            found = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        found = None
    if found is None or found.origin is None or not Path(found.origin).is_file():
        return {"function": postprocess}
    return {"function": postprocess, f"module {module}": _sha256(Path(found.origin))}


def _version_of(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
