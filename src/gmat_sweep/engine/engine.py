"""Where GMAT is.

`find_engine` answers with one of two kinds of engine, in this order:

1. an installed GMAT: the one ``GMAT_ROOT`` names, else the one gmat-run finds by itself. A
   ``GMAT_ROOT`` that is set but wrong is an error, never a silent fall-back;
2. the R2026a engine inside the PyPI wheel ``gmatpy``, presented to gmat-run as an install: a folder
   of links and startup files in a per-user cache. Nothing is written into site-packages.

A presented install appears whole or not at all, so many processes may make it at once; its name is
derived from what it presents, so a changed wheel or data folder gets one of its own.
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
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import platformdirs

from gmat_sweep.engine.kernels import TEXT_KERNELS, condensed
from gmat_sweep.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = [
    "CONDENSED_VARIABLE",
    "DATA_VARIABLE",
    "NOTABLE_TYPES",
    "SCRATCH_VARIABLE",
    "Engine",
    "activate",
    "find_engine",
    "offer_wheel",
]

ROOT_VARIABLE = "GMAT_ROOT"
DATA_VARIABLE = "GMAT_SWEEP_DATA"
"""Environment variable that names a data folder of the user's own."""
SCRATCH_VARIABLE = "GMAT_SWEEP_SCRATCH"
"""Environment variable that names the folder for one process's engine log and stray output."""
CONDENSED_VARIABLE = "GMAT_SWEEP_CONDENSED_KERNELS"
"""Environment variable that, set to 1, has the presented engine read condensed text kernels."""

NOTABLE_TYPES = (
    "Antenna",
    "BatchEstimator",
    "ContactLocator",
    "EclipseLocator",
    "ErrorModel",
    "ExtendedKalmanFilter",
    "FileInterface",
    "Formation",
    "GmatFunction",
    "GroundStation",
    "IntrusionLocator",
    "MatlabFunction",
    "OpenFramesInterface",
    "OpenFramesView",
    "Plate",
    "ProcessNoiseModel",
    "Receiver",
    "SNOPT",
    "Simulator",
    "Smoother",
    "ThrustHistoryFile",
    "TrackingFileSet",
    "Transmitter",
    "Transponder",
    "VF13ad",
    "Yukon",
)
"""Resource types of a full GMAT install that an engine may have been built without."""

_PRESENTATION_VERSION = 3
_PRESENTED_MARK = "presented.json"
_CONDENSED_LINES = "bin/condensed_kernels.txt"

# GMAT validates the folder behind each of these keys at start-up, used or not.
_FOLDER_KEYS: Mapping[str, str] = {
    "ROOT_PATH": "",
    "DATA_PATH": "data",
    "TIME_PATH": "data/time",
    "PLANETARY_COEFF_PATH": "data/planetary_coeff",
    "PLANETARY_EPHEM_DE_PATH": "data/planetary_ephem/de",
    "PLANETARY_EPHEM_SPK_PATH": "data/planetary_ephem/spk",
    "EARTH_POT_PATH": "data/gravity/earth",
    "LUNA_POT_PATH": "data/gravity/luna",
    "VENUS_POT_PATH": "data/gravity/venus",
    "MARS_POT_PATH": "data/gravity/mars",
    "OTHER_POT_PATH": "data/gravity/other",
    "ATMOSPHERE_PATH": "data/atmosphere/earth",
    "MARS_ATMOSPHERE_PATH": "data/atmosphere/mars",
    "IONOSPHERE_PATH": "data/IonosphereData",
    "VEHICLE_EPHEM_PATH": "data/vehicle/ephem",
    "VEHICLE_EPHEM_SPK_PATH": "data/vehicle/ephem/spk",
    "VEHICLE_EPHEM_CCSDS_PATH": "data/vehicle/ephem/ccsds",
    "VEHICLE_MODEL_PATH": "data/vehicle/models",
    "SPAD_PATH": "data/vehicle/spad",
    "MEASUREMENT_PATH": "data/measurement",
    "TEXTURE_PATH": "data/graphics/texture",
    "BODY_3D_MODEL_PATH": "data/graphics/bodymodels",
    "STAR_PATH": "data/graphics/stars",
    "GUI_CONFIG_PATH": "data/gui_config",
    "SPLASH_PATH": "data/graphics/splash",
    "ICON_PATH": "data/graphics/icons",
    "FILE_UPDATE_PATH": "data/updates",
    "HELP_PATH": "data/help",
}

# The names GMAT's own startup file uses, so that a data folder copied from an install just works.
_FILE_KEYS: Mapping[str, tuple[str, ...]] = {
    "DE405_FILE": (
        "planetary_ephem/de/leDE1941.405",
        "planetary_ephem/de/gmatpy_de405_1941_2201.405",
    ),
    "DE421_FILE": ("planetary_ephem/de/unxp1900.421", "planetary_ephem/de/leDE1900.421"),
    "DE424_FILE": ("planetary_ephem/de/leDE1940.424",),
    "DE430_FILE": ("planetary_ephem/de/leDE-1900.430",),
    "PLANETARY_SPK_FILE": (
        "planetary_ephem/spk/DE405AllPlanets.bsp",
        "planetary_ephem/spk/gmatpy_de405_all_planets.bsp",
    ),
    "EOP_FILE": ("planetary_coeff/eopc04_08.62-now",),
    "NUTATION_COEFF_FILE": ("planetary_coeff/NUTATION.DAT",),
    "PLANETARY_COEFF_FILE": ("planetary_coeff/NUT85.DAT",),
    "PLANETARY_PCK_FILE": ("planetary_coeff/SPICEPlanetaryConstantsKernel.tpc",),
    "EARTH_LATEST_PCK_FILE": ("planetary_coeff/earth_latest_high_prec.bpc",),
    "EARTH_PCK_PREDICTED_FILE": ("planetary_coeff/SPICEEarthPredictedKernel.bpc",),
    "EARTH_PCK_CURRENT_FILE": ("planetary_coeff/SPICEEarthCurrentKernel.bpc",),
    "LUNA_PCK_CURRENT_FILE": ("planetary_coeff/SPICELunaCurrentKernel.bpc",),
    "LUNA_FRAME_KERNEL_FILE": ("planetary_coeff/SPICELunaFrameKernel.tf",),
    "LEAP_SECS_FILE": ("time/tai-utc.dat",),
    "LSK_FILE": ("time/SPICELeapSecondKernel.tls",),
    "EGM96_FILE": ("gravity/earth/EGM96.cof",),
    "JGM2_FILE": ("gravity/earth/JGM2.cof",),
    "JGM3_FILE": ("gravity/earth/JGM3.cof",),
    "LP165P_FILE": ("gravity/luna/lp165p.cof", "gravity/luna/LP165P.cof"),
    "GRGM900C_FILE": ("gravity/luna/grgm900c.cof",),
    "MARS50C_FILE": ("gravity/mars/Mars50c.cof",),
    "MGNP180U_FILE": ("gravity/venus/MGNP180U.cof",),
    "EARTH_EXPONENTIAL_FILE": ("atmosphere/earth/EarthExponentialAtmosphereData.txt",),
    "CSSI_FLUX_FILE": (
        "atmosphere/earth/SpaceWeather-All-v1.2.txt",
        "atmosphere/earth/SpaceWeather-v1.2.txt",
    ),
    "SCHATTEN_FILE": ("atmosphere/earth/SchattenPredict.txt",),
    "ICRF_FILE": ("icrf/ICRF_Table.txt",),
}

# GMAT wants a name for these even where the file is absent and never read.
_NAMED_THOUGH_ABSENT = ("CSSI_FLUX_FILE", "SCHATTEN_FILE")

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


@dataclass(frozen=True, slots=True)
class Engine:
    """A GMAT engine that gmat-run can load.

    Attributes
    ----------
    root : Path
        The install, or the folder presented as one.
    version : str
        GMAT release, such as ``"R2026a"``; ``"unknown"`` where the install does not say.
    source : {"GMAT_ROOT", "installed", "wheel"}
        How it was found.
    data_folder : Path or None
        The user's own data folder, where one is added to the wheel's data.
    """

    root: Path
    version: str
    source: Literal["GMAT_ROOT", "installed", "wheel"]
    data_folder: Path | None = None

    def describe(self) -> str:
        """Return one line naming the engine, its version and where it comes from."""
        origin = {
            "GMAT_ROOT": "the install named by GMAT_ROOT",
            "installed": "an installed GMAT",
            "wheel": "the engine in the gmatpy wheel",
        }[self.source]
        return f"GMAT {self.version}, {origin}, at {self.root}"


def find_engine(environment: Mapping[str, str] | None = None) -> Engine:
    """Return the engine that runs will use.

    Parameters
    ----------
    environment : mapping, optional
        Environment variables to obey; the process's own by default.

    Raises
    ------
    EngineError
        ``GMAT_ROOT`` is set and is no GMAT install, ``GMAT_SWEEP_DATA`` is set and is no folder,
        or neither an installed GMAT nor the ``gmatpy`` wheel is there.
    """
    environment = os.environ if environment is None else environment
    named_root = environment.get(ROOT_VARIABLE)
    data_folder = _user_data_folder(environment)
    if named_root:
        root = Path(named_root).expanduser()
        presented = _read_presentation(root)
        if presented is None or not presented.get("complete"):
            return _installed(root, "GMAT_ROOT", data_folder)
        # A parent process of ours chose the wheel and handed it down: present it afresh, because
        # the wheel or the data folder may have changed since.
    elif (found := _discover_install()) is not None:
        return _installed(found, "installed", data_folder)
    return _present_wheel(data_folder)


def activate() -> Engine:
    """Find the engine and make gmat-run use it, in this process and in those it starts."""
    engine = find_engine()
    os.environ[ROOT_VARIABLE] = str(engine.root)
    return engine


def offer_wheel() -> None:
    """Let ``gmat_run.locate_gmat()`` find the wheel's engine where there is no other.

    Sets ``GMAT_ROOT`` in this process when it is unset and nothing looks like an installed GMAT.
    Cheap, and silent when the wheel cannot be presented: what needs an engine says so itself.
    """
    if os.environ.get(ROOT_VARIABLE) or any(_install_candidates()):
        return
    with contextlib.suppress(EngineError):
        os.environ[ROOT_VARIABLE] = str(_present_wheel(_user_data_folder(os.environ)).root)


def _install_candidates() -> Iterator[str]:
    """Yield what gmat-run would examine, without the half second that importing it costs."""
    for folder, pattern in (
        ("~", "gmat-*"),
        ("/opt", "gmat-*"),
        ("/Applications", "GMAT*"),
        ("~/Applications", "GMAT*"),
    ):
        yield from map(str, Path(folder).expanduser().glob(pattern))
    for program in ("GmatConsole", "GMAT", "gmat"):
        found = shutil.which(program)
        if found:
            yield found


def _user_data_folder(environment: Mapping[str, str]) -> Path | None:
    named = environment.get(DATA_VARIABLE)
    if not named:
        return None
    folder = Path(named).expanduser().resolve()
    if not folder.is_dir():
        raise EngineError(
            f"{DATA_VARIABLE} names {folder}, which is not a folder. Point it at a folder laid out "
            "like GMAT's own data folder (gravity/earth, atmosphere/earth, planetary_ephem/spk, "
            "...), or unset it."
        )
    return folder


def _discover_install() -> Path | None:
    """Return an installed GMAT that gmat-run finds without being told, if there is one."""
    from gmat_run import GmatNotFoundError
    from gmat_run.install import locate_gmat

    named_root = os.environ.pop(ROOT_VARIABLE, None)
    try:
        return locate_gmat().root
    except GmatNotFoundError:
        return None
    finally:
        if named_root is not None:
            os.environ[ROOT_VARIABLE] = named_root


def _installed(
    root: Path, source: Literal["GMAT_ROOT", "installed"], data_folder: Path | None
) -> Engine:
    from gmat_run import GmatNotFoundError
    from gmat_run.install import locate_gmat

    try:
        install = locate_gmat(root)
    except GmatNotFoundError as error:
        reason = error.attempts[0][2] if error.attempts else "it is not an install"
        raise EngineError(
            f"GMAT_ROOT is set to {root}, which is not a GMAT install: {reason}. "
            "Set it to the folder that holds GMAT's bin and api folders, or unset it to use the "
            "engine that comes with this package."
        ) from error
    if data_folder is not None:
        raise EngineError(
            f"{DATA_VARIABLE} adds data to the engine of the gmatpy wheel, but the engine in use "
            f"is the install at {install.root}. Name the files in that install's "
            "bin/gmat_startup_file.txt, or unset the variable."
        )
    return Engine(install.root, install.version or "unknown", source)


# --- the wheel as an install ---------------------------------------------------------------------


def _wheel_package() -> tuple[Path, str]:
    """Return the folder and the identity of the installed ``gmatpy`` wheel.

    The package is found without importing it: its name is that of an installed GMAT's own package.
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


def _present_wheel(data_folder: Path | None) -> Engine:
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


def _read_presentation(root: Path) -> dict[str, object] | None:
    try:
        marks = json.loads((root / _PRESENTED_MARK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return marks if isinstance(marks, dict) else None


def _is_intact(root: Path, files: Mapping[str, Path]) -> bool:
    """Whether nothing of a presentation is missing, as after a cleaner has been at the cache."""
    marks = _read_presentation(root)
    if marks is None or not marks.get("complete"):
        return False
    needed = (
        "bin/gmatpy/__init__.py",
        "bin/api_startup_file.txt",
        "api/load_gmat.py",
        _CONDENSED_LINES,
        *(
            f"condensed/{Path(name).name}"
            for key in TEXT_KERNELS
            if (name := _first_present(key, files))
        ),
    )
    data = (f"data/{name}" for name in files)
    return all((root / name).exists() for name in (*needed, *_FOLDER_KEYS.values(), *data))


def _present(root: Path, package: Path, release: str, files: Mapping[str, Path]) -> None:
    """Build the folder beside `root` and move it there in one step; the first to arrive wins."""
    root.parent.mkdir(parents=True, exist_ok=True)
    building = Path(tempfile.mkdtemp(prefix=f".{root.name}-", dir=root.parent))
    try:
        _write_tree(building, root, package, release, files)
        if root.exists() and not _is_intact(root, files):
            # Damaged: out of the way first, since a folder cannot be renamed over another. Another
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
    for folder in _FOLDER_KEYS.values():
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
    lines += [f"{key} = {root / folder}/" for key, folder in _FOLDER_KEYS.items()]
    for key, candidates in _FILE_KEYS.items():
        present = _first_present(key, files)
        if present is not None or key in _NAMED_THOUGH_ABSENT:
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
    return next((name for name in _FILE_KEYS[key] if name in files), None)


def _write_condensed_kernels(building: Path, root: Path, files: Mapping[str, Path]) -> None:
    """Write copies of the text kernels for the workers, and the startup lines that name them."""
    lines = []
    for key in TEXT_KERNELS:
        name = _first_present(key, files)
        if name is not None:
            place = Path("condensed") / Path(name).name
            (building / place).parent.mkdir(exist_ok=True)
            (building / place).write_bytes(condensed(files[name].read_bytes()))
            lines.append(f"{key} = {root / place}\n")
    (building / _CONDENSED_LINES).write_text("".join(lines), encoding="utf-8")
