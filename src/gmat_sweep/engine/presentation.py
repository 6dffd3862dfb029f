"""The engine of the ``gmatpy`` wheel, presented to gmat-run as an installed GMAT.

`present_wheel` makes a folder of links and startup files in a per-user cache, and writes nothing
into site-packages. The folder appears whole or not at all, so many processes may make it at once.
Its name is derived from the wheel and the data folder: when one of them changes, so does the name.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import json
import os
import re
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from gmat_sweep.engine.engine import CONDENSED_VARIABLE, SCRATCH_VARIABLE, Engine
from gmat_sweep.engine.kernels import TEXT_KERNELS, condensed
from gmat_sweep.engine.startup_keys import FILE_KEYS, FOLDER_KEYS, NAMED_THOUGH_ABSENT
from gmat_sweep.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = [
    "present_wheel",
    "read_presentation",
]

_PRESENTATION_VERSION = 4
_PRESENTED_MARK = "presented.json"
_CONDENSED_LINES = "bin/condensed_kernels.txt"
_KERNEL_FOLDER = "planetary_coeff/"

_PACKAGE_SOURCE = '''\
"""The GMAT engine of the ``gmatpy`` wheel in the place where an installed GMAT keeps its own.

Written by gmat-sweep; made again when the wheel or the data folder changes.
"""

import os
import shutil
import tempfile
from multiprocessing import util

WHEEL_PACKAGE = {wheel!r}
ROOT = {root!r}
__path__.append(WHEEL_PACKAGE)

from gmatpy._native.gmat_py import *  # noqa: E402,F403
from gmatpy._native import gmat_py as _native  # noqa: E402

_native.FileManager.Instance().SetBinDirectory("api_startup_file.txt", ROOT + "/bin/")
_native.EchoLogFile(False)


def Setup(startup_file):
    """Start the engine with a log and an output folder that belong to this process alone."""
    scratch = os.environ.get({scratch_variable!r})
    if not scratch:
        scratch = tempfile.mkdtemp(prefix="gmat-engine-")
        # Unlike atexit, this is also called in the worker processes of multiprocessing.
        util.Finalize(None, _discard, args=(scratch,), exitpriority=0)
    with open(startup_file, encoding="utf-8") as shared:
        lines = shared.read()
    if os.environ.get({condensed_variable!r}) == "1":
        with open(os.path.join(ROOT, {condensed_lines!r}), encoding="utf-8") as condensed:
            lines += condensed.read()
    private = os.path.join(scratch, "api_startup_file.txt")
    with open(private, "w", encoding="utf-8") as own:
        own.write(lines)
        own.write("LOG_FILE = " + os.path.join(scratch, "GmatLog.txt") + "\\n")
        own.write("OUTPUT_PATH = " + os.path.join(scratch, "") + "\\n")
    return _native.Setup(private)


def _discard(scratch):
    _native.UseLogFile(os.devnull)
    shutil.rmtree(scratch, ignore_errors=True)
'''


def _wheel_package() -> tuple[Path, str]:
    """Return the folder and the identity of the installed ``gmatpy`` wheel.

    The package is not imported: an installed GMAT has a package of the same name.
    """
    try:
        distribution = importlib.metadata.distribution("gmatpy")
    except importlib.metadata.PackageNotFoundError:
        raise EngineError(
            "No GMAT engine was found: GMAT_ROOT is not set, gmat-run finds no installed GMAT, and "
            "the gmatpy wheel is not installed. Install GMAT and set GMAT_ROOT to its folder, or "
            "run `pip install gmatpy` (CPython 3.12 or newer on Linux or macOS)."
        ) from None
    package = Path(str(distribution.locate_file("gmatpy"))).resolve()
    record = distribution.read_text("RECORD") or ""
    return package, f"{distribution.version}\n{record}"


def _wheel_release(package: Path) -> str:
    """Read the GMAT release off the wheel's engine library, such as ``libGmatBase.so.R2026a``."""
    for library in sorted((package / "_native").glob("*")):
        release = re.search(r"R20\d\d[a-z]", library.name)
        if release:
            return release.group(0)
    return "unknown"


def _data_files(folder: Path) -> Iterator[tuple[str, Path]]:
    for parent, folders, names in os.walk(folder, followlinks=True):
        folders.sort()
        for name in sorted(names):
            path = Path(parent, name)
            if path.is_file():
                yield path.relative_to(folder).as_posix(), path


def present_wheel(data_folder: Path | None) -> Engine:
    """Return the wheel's engine; present it afresh if its folder is missing or damaged."""
    package, identity = _wheel_package()
    release = _wheel_release(package)
    if release == "unknown":
        raise EngineError(
            f"The gmatpy package at {package} holds no GMAT engine. Reinstall it with "
            "`pip install --force-reinstall gmatpy`."
        )
    files = dict(_data_files(package / "data"))
    fingerprint = [str(_PRESENTATION_VERSION), str(package), identity]
    if data_folder is not None:
        for name, path in _data_files(data_folder):
            files[name] = path
            status = path.stat()
            fingerprint.append(f"{path} {status.st_size} {status.st_mtime_ns}")
    digest = hashlib.sha256("\n".join(fingerprint).encode()).hexdigest()[:16]
    cache = Path(platformdirs.user_cache_dir("gmat-sweep")) / "engine"
    root = cache / f"{release}-{digest}"
    engine = Engine(root, release, "wheel", data_folder)
    if not _is_intact(root, files):
        try:
            _present(root, package, release, files)
        except OSError as error:
            raise EngineError(
                f"The GMAT engine could not be presented under {cache}: {error}. Make that folder "
                "writable, or set XDG_CACHE_HOME to one that is."
            ) from error
    return engine


def read_presentation(root: Path) -> dict[str, object] | None:
    """Return the record in a presentation's folder, or None if `root` is no presentation."""
    try:
        marks = json.loads((root / _PRESENTED_MARK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return marks if isinstance(marks, dict) else None


def _is_intact(root: Path, files: Mapping[str, Path]) -> bool:
    """Whether no file of a presentation is missing, as after a program has cleaned the cache."""
    marks = read_presentation(root)
    if marks is None or not marks.get("complete"):
        return False
    needed = (
        "bin/gmatpy/__init__.py",
        "bin/api_startup_file.txt",
        "api/load_gmat.py",
        _CONDENSED_LINES,
        *_condensed_places(files),
    )
    data = (f"data/{name}" for name in files)
    return all((root / name).exists() for name in (*needed, *FOLDER_KEYS.values(), *data))


def _present(root: Path, package: Path, release: str, files: Mapping[str, Path]) -> None:
    """Build the folder beside `root` and move it there in one step; the first to arrive wins."""
    root.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{root.name}-", dir=root.parent))
    try:
        _write_tree(building, root, package, release, files)
        if root.exists() and not _is_intact(root, files):
            # A folder cannot be renamed over another: move the damaged one away first. Another
            # process that mends it may have done so by now.
            with contextlib.suppress(FileNotFoundError):
                root.rename(building.with_name(f"{building.name}-damaged-{time.time_ns()}"))
        try:
            building.rename(root)
        except OSError:
            if not _is_intact(root, files):
                raise
    finally:
        for leftover in root.parent.glob(f"{building.name}*"):
            shutil.rmtree(leftover, ignore_errors=True)


def _write_tree(
    building: Path, root: Path, package: Path, release: str, files: Mapping[str, Path]
) -> None:
    for folder in FOLDER_KEYS.values():
        (building / folder).mkdir(parents=True, exist_ok=True)
    for name, path in files.items():
        link = building / "data" / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(path)
    (building / "output").mkdir()
    (building / "api").mkdir()
    (building / "bin" / "gmatpy").mkdir(parents=True)

    lines = [
        f"# GMAT {release}, presented by gmat-sweep",
        "MATLAB_MODE = NO_MATLAB",
        "RUN_MODE = TESTING_NO_PLOTS",
        "WRITE_PERSONALIZATION_FILE = OFF",
    ]
    lines += [f"{key} = {root / folder}/" for key, folder in FOLDER_KEYS.items()]
    for key, candidates in FILE_KEYS.items():
        present = _first_present(key, files)
        if present is not None or key in NAMED_THOUGH_ABSENT:
            lines.append(f"{key} = {root / 'data' / (present or candidates[0])}")
    startup = "\n".join(lines) + "\n"
    (building / "bin" / "api_startup_file.txt").write_text(startup, encoding="utf-8")
    (building / "bin" / "gmat_startup_file.txt").write_text(startup, encoding="utf-8")
    (building / "bin" / "gmatpy" / "__init__.py").write_text(
        _PACKAGE_SOURCE.format(
            wheel=str(package),
            root=str(root),
            scratch_variable=SCRATCH_VARIABLE,
            condensed_variable=CONDENSED_VARIABLE,
            condensed_lines=_CONDENSED_LINES,
        ),
        encoding="utf-8",
    )
    _write_condensed_kernels(building, root, files)
    (building / "api" / "load_gmat.py").write_text(
        '"""gmat-run looks for this file to recognise an install; it is never executed."""\n',
        encoding="utf-8",
    )
    marks = {"complete": True, "release": release, "wheel": str(package), "python": sys.version}
    (building / _PRESENTED_MARK).write_text(json.dumps(marks, indent=1), encoding="utf-8")


def _first_present(key: str, files: Mapping[str, Path]) -> str | None:
    return next((name for name in FILE_KEYS[key] if name in files), None)


def _condensed_places(files: Mapping[str, Path]) -> dict[str, Path]:
    """Return what the folder of the condensed kernels holds: each place, and its original."""
    kernels = [name for key in TEXT_KERNELS if (name := _first_present(key, files))]
    beside = [name for name in files if name.startswith(_KERNEL_FOLDER)]
    return {f"condensed/{Path(name).name}": files[name] for name in (*beside, *kernels)}


def _write_condensed_kernels(building: Path, root: Path, files: Mapping[str, Path]) -> None:
    """Write copies of the text kernels for the workers, and the startup lines that name them.

    GMAT looks for the frames of the Moon beside the planetary constants, whatever its own key says,
    so the copies stand in for that whole folder.
    """
    kernels = {key: name for key in TEXT_KERNELS if (name := _first_present(key, files))}
    originals = {files[name] for name in kernels.values()}
    for place, original in _condensed_places(files).items():
        copy = building / place
        copy.parent.mkdir(exist_ok=True)
        if original in originals:
            copy.write_bytes(condensed(original.read_bytes()))
        else:
            copy.symlink_to(original)
    lines = [f"PLANETARY_COEFF_PATH = {root / 'condensed'}/\n"]
    lines += [f"{key} = {root / 'condensed' / Path(name).name}\n" for key, name in kernels.items()]
    (building / _CONDENSED_LINES).write_text("".join(lines), encoding="utf-8")
