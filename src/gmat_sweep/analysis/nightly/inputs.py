"""The inputs of a sweep by hash: files, engine, packages, plan.

`input_hashes` takes the hashes of the present inputs. `InputHashes.write` puts them beside the
manifest, on disk before it returns. `input_changes` says which inputs differ between two sweeps.
Files are named relative to the mission or to the engine, so that their places on two machines do
not matter.
"""

from __future__ import annotations

import ast
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

from gmat_sweep.analysis.nightly.data_used import data_used, names_file
from gmat_sweep.analysis.recorded import RecordedSweep
from gmat_sweep.disk.files import write_file
from gmat_sweep.disk.held import read_plain
from gmat_sweep.engine import Engine, find_engine
from gmat_sweep.engine.startup_files import startup_files
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.folder.layout import INPUT_HASHES_NAME
from gmat_sweep.import_places import hooks_found
from gmat_sweep.manifest.drift import HOOK_KEY, MISSION_FILES_KEY
from gmat_sweep.mission.files import MissionFiles, file_sha256
from gmat_sweep.mission.script import canonical_script_sha256, statements_of
from gmat_sweep.plans import CONTEXTS_KEY, EXPLICIT_RUNS_KEY
from gmat_sweep.plans.header import ENGINE_DATA_KEY

if TYPE_CHECKING:
    from gmat_sweep.manifest import Manifest

__all__ = [
    "INPUT_HASHES_NAME",
    "InputChange",
    "InputHashes",
    "changes_between",
    "decisive_inputs",
    "input_changes",
    "input_hashes",
    "used_data",
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
        that the script or the plan names), ``engine`` (version, kind and libraries), ``data`` (the
        engine's data files and the user's own; one that only the startup file names, by its key
        there), ``hook`` (its module, and the modules beside it that this one imports),
        ``packages``.
    used : tuple of str or None
        Which of ``data`` the mission uses. None if nobody noted it, as in a file of an earlier
        version: then any of them may be.
    """

    groups: _Groups
    used: tuple[str, ...] | None = None

    def write(self, folder: str | Path) -> Path:
        """Write the hashes as ``inputs.json`` in a sweep folder; on disk before this returns.

        Raises
        ------
        DurabilityError
            The file could not be written; a file that was there before still is.
        """
        path = Path(folder) / INPUT_HASHES_NAME
        record: dict[str, Any] = {"schema_version": _SCHEMA_VERSION, "groups": self.groups}
        if self.used is not None:
            record["used"] = list(self.used)
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
            used = record.get("used")
            if used is not None:
                used = tuple(str(name) for name in used)
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
        return cls(groups, used)


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


def input_hashes(
    script: str | Path,
    *,
    postprocess: str | None = None,
    varied: Mapping[str, Any] | None = None,
) -> InputHashes:
    """Return the hashes of the present inputs of a mission.

    Parameters
    ----------
    script : str or Path
        The mission. ``#Include`` is followed, in included files as well.
    postprocess : str, optional
        The hook, as ``"package.module:function"``; the file of its module is hashed.
    varied : mapping, optional
        What each field is varied by, such as the `perturb` of `monte_carlo` or the `grid` of
        `sweep`: files that only these values name are hashed, too.

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
    statements = list(statements_of(script))
    files, startup = _data_files(engine)
    data = {name: file_sha256(str(path)) for name, path in files.items()}
    groups = {
        "script": {script.name: canonical_script_sha256(script)},
        **_mission_inputs(script, varied, engine),
        "engine": _engine_inputs(engine),
        "data": data,
        "hook": _hook_inputs(postprocess),
        "packages": {
            **{name: _version_of(name) for name in _PACKAGES},
            "python": platform.python_version(),
        },
    }
    return InputHashes(
        {group: inputs for group, inputs in groups.items() if inputs},
        data_used(statements, data, startup),
    )


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


def decisive_inputs(manifest: Manifest, *folders: Path) -> dict[tuple[str, str], str]:
    """Return the inputs that decide whether the runs of two sweeps are evidence of one mission.

    These are the script and its files, the hook, the engine, the data that the mission or the plan
    uses, and the distributions that are drawn from. Not among them are the number of runs, the seed
    and the versions of packages. Without ``inputs.json`` only what the manifest's header has counts
    and that there is none.

    Parameters
    ----------
    manifest : Manifest
        The sweep; its entries do not matter.
    *folders : Path
        Where its ``inputs.json`` may be; the first that is there counts.

    Returns
    -------
    dict of (str, str) to str
        Hash, version or value by group and name, as `InputChange` names them.

    Raises
    ------
    SweepConfigError
        The ``inputs.json`` is damaged.
    """
    read = (InputHashes.read(folder) for folder in folders)
    hashes = next((each for each in read if each is not None), None)
    groups = _merged(hashes, _header_inputs(manifest))
    plan = json.dumps(manifest.parameter_spec).lower()
    found = {
        (group, name): value
        for group in ("script", "includes", "files", "plan", "hook", "engine", "data")
        for name, value in groups.get(group, {}).items()
        if not (group == "plan" and name in _NOT_OF_THE_MISSION)
    }
    if hashes is None:
        found["files", INPUT_HASHES_NAME] = "there is none"
        for key in (HOOK_KEY, MISSION_FILES_KEY, ENGINE_DATA_KEY):
            if key in manifest.extra:
                found["files", key] = _shown(manifest.extra[key])
    elif hashes.used is not None:
        used = set(hashes.used)
        for group, name in list(found):
            if group == "data" and name not in used and not names_file(plan, name):
                del found[group, name]
    return found


def changes_between(
    before: Mapping[tuple[str, str], str], after: Mapping[tuple[str, str], str]
) -> tuple[InputChange, ...]:
    """Return every input that differs between two results of `decisive_inputs`."""
    return tuple(
        InputChange(group, name, before.get((group, name)), after.get((group, name)))
        for group, name in sorted(
            before.keys() | after.keys(), key=lambda key: (_rank(key[0]), key)
        )
        if before.get((group, name)) != after.get((group, name))
    )


_NOT_OF_THE_MISSION = frozenset({"runs", "n", "seed", "rows", EXPLICIT_RUNS_KEY, CONTEXTS_KEY})
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


def _mission_inputs(
    script: Path, varied: Mapping[str, Any] | None, engine: Engine
) -> dict[str, dict[str, str]]:
    """Return the hashes of the files that the mission includes and names, and the plan names.

    GMAT looks for them beside the script and from the engine's ``bin`` folder. Those in the
    engine's data folder are among the data. A file that the mission writes is no input, even if an
    earlier run has left it.
    """
    mission = MissionFiles.of(script, varied, also_in=[engine.root / "bin"])
    data = (engine.root / "data").resolve()
    found: dict[str, dict[str, str]] = {"includes": {}, "files": {}}
    for path, digest in mission.digests.items():
        if path == mission.script:
            continue
        name = _relative(Path(path), script)
        if path in mission.texts:
            found["includes"][name] = canonical_script_sha256(path)
        elif not Path(path).resolve().is_relative_to(data):
            found["files"][name] = digest
    return found


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
    hashes = {
        name: file_sha256(str(path)) for name, path in sorted(files.items()) if path.is_file()
    }
    return {**inputs, **hashes}


def used_data(script: str | Path) -> dict[str, str]:
    """Return the hashes of the present engine's data files that a mission uses, by their names.

    Raises
    ------
    OSError
        A file cannot be read.
    EngineError
        There is no engine.
    """
    files, startup = _data_files(find_engine())
    used = data_used(list(statements_of(script)), files, startup)
    return {name: file_sha256(str(files[name])) for name in used}


def _data_files(engine: Engine) -> tuple[dict[str, Path], dict[str, str]]:
    """Return the engine's data by name, and the names by key of the startup file."""
    folder = engine.root / "data"
    files, startup = dict(_files_below(folder)), {}
    for key, path in startup_files(engine.root).items():
        below = os.path.relpath(os.path.normpath(path), os.path.normpath(folder))
        name = Path(below).as_posix()
        if name not in files:
            if name.split("/")[0] in _FOR_DISPLAY:
                continue
            # It lies elsewhere, at a place that differs between machines.
            name = f"{key} {path.name}"
            files[name] = path
        startup[key] = name
    return files, startup


def _files_below(folder: Path) -> Iterator[tuple[str, Path]]:
    for parent, folders, names in os.walk(folder, followlinks=True):
        folders[:] = sorted(set(folders) - _FOR_DISPLAY)
        for name in sorted(names):
            path = Path(parent, name)
            if path.is_file():
                yield path.relative_to(folder).as_posix(), path


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
    modules = {module: Path(found.origin), **_modules_beside(module, Path(found.origin))}
    hashes = {f"module {name}": file_sha256(str(path)) for name, path in sorted(modules.items())}
    return {"function": postprocess, **hashes}


def _modules_beside(module: str, origin: Path) -> dict[str, Path]:
    """Return the modules beside a hook's own that it imports, by name, and those that they import.

    Beside it means below the folder that holds the hook's package or module. Of installed packages
    only the hook's own counts, whose others have versions. Nothing is imported.
    """
    top, up = module.partition(".")[0], module.count(".") + (origin.name == "__init__.py")
    base = origin.parents[up]
    installed = "site-packages" in base.parts
    found: dict[str, Path] = {}
    waiting = [(module, origin)]
    while waiting:
        name, path = waiting.pop()
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        for imported in _imported_modules(path, package):
            there = next(
                (
                    each
                    for each in (
                        base.joinpath(*imported.split(".")).with_suffix(".py"),
                        base.joinpath(*imported.split("."), "__init__.py"),
                    )
                    if each.is_file()
                ),
                None,
            )
            if there is None or there == origin or imported in found:
                continue
            if not installed or imported.partition(".")[0] == top:
                found[imported] = there
                waiting.append((imported, there))
    return found


def _imported_modules(path: Path, package: str) -> Iterator[str]:
    """Yield the full names that a source file imports, and the packages that they are in."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        # The hash tells of the file; what a hook that is no Python imports, nobody can say.
        return
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: 1 - node.level or None] if node.level else []
            module = ".".join([*above, *([node.module] if node.module else [])])
            names += [module, *(f"{module}.{alias.name}" for alias in node.names)]
    for name in names:
        parts = [part for part in name.split(".") if part != "*"]
        yield from (".".join(parts[:end]) for end in range(1, len(parts) + 1) if all(parts[:end]))


def _version_of(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
