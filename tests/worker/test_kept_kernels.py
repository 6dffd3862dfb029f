# ruff: noqa: N802 - the engine's names
"""Kernels stay loaded between the runs of a mission only where nothing can differ by it.

Numbers are proven by another engine: each series is also flown by a worker whose kernels and
gravity files are the wheel's own and are read again for each run, and GMAT's reports are compared
byte for byte.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gmat_sweep.backends.process.worker_process import WorkerProcess
from gmat_sweep.engine import CONDENSED_VARIABLE, activate
from gmat_sweep.spec import RunSpec
from gmat_sweep.worker.kept_kernels import KernelKeeper
from repository import DATA

_HEAD = """
Create Spacecraft Sat;
GMAT Sat.DateFormat = UTCGregorian;
GMAT Sat.Epoch = '01 Jan 2026 00:00:00.000';
GMAT Sat.CoordinateSystem = EarthMJ2000Eq;
GMAT Sat.DisplayStateType = Keplerian;
GMAT Sat.SMA = 42000;
GMAT Sat.ECC = 0.3;
GMAT Sat.INC = 28.5;
Create ForceModel FM;
GMAT FM.CentralBody = Earth;
GMAT FM.PointMasses = {Earth, Sun, Luna, Mars};
Create Propagator Prop;
GMAT Prop.FM = FM;
Create ReportFile RF;
GMAT RF.Filename = 'RF.txt';
GMAT RF.Precision = 16;
"""
_FLY = "BeginMissionSequence;\nPropagate Prop(Sat) {Sat.ElapsedDays = 0.05};\n"
_FIXED = """
Create CoordinateSystem MoonFixed;
GMAT MoonFixed.Origin = Luna;
GMAT MoonFixed.Axes = BodyFixed;
Create CoordinateSystem MarsFixed;
GMAT MarsFixed.Origin = Mars;
GMAT MarsFixed.Axes = BodyFixed;
Create CoordinateSystem JupiterInertial;
GMAT JupiterInertial.Origin = Jupiter;
GMAT JupiterInertial.Axes = BodyInertial;
Create LibrationPoint L2;
GMAT L2.Primary = Sun;
GMAT L2.Secondary = EMB;
GMAT L2.Point = 'L2';
Create Barycenter EMB;
GMAT EMB.BodyNames = {Earth, Luna};
Create CoordinateSystem AtL2;
GMAT AtL2.Origin = L2;
GMAT AtL2.Axes = MJ2000Eq;
GMAT RF.Add = {Sat.UTCGregorian, Sat.TDBModJulian, Sat.EarthFixed.X, Sat.EarthFixed.VY, \
Sat.MoonFixed.X, Sat.MoonFixed.VY, Sat.MarsFixed.X, Sat.MarsFixed.VZ, Sat.JupiterInertial.Y, \
Sat.AtL2.X};
"""
# A body with an ephemeris of its own: that of Mars, under another name.
_ASTEROID = """
Create Asteroid Rock;
GMAT Rock.NAIFId = 4;
GMAT Rock.CentralBody = 'Sun';
GMAT Rock.PosVelSource = 'SPICE';
GMAT Rock.OrbitSpiceKernelName = {'rock.bsp'};
Create CoordinateSystem AtRock;
GMAT AtRock.Origin = Rock;
GMAT AtRock.Axes = MJ2000Eq;
"""
_AT_ROCK = "GMAT RF.Add = {Sat.UTCGregorian, Sat.AtRock.X, Sat.AtRock.VZ};\n"
_GRAVITY = """
GMAT FM.PrimaryBodies = {Earth};
GMAT FM.PointMasses = {Luna};
GMAT FM.GravityField.Earth.PotentialFile = 'JGM3.cof';
GMAT FM.GravityField.Earth.Degree = 8;
GMAT FM.GravityField.Earth.Order = 8;
GMAT Sat.SMA = 6900;
GMAT Sat.ECC = 0.001;
GMAT RF.Add = {Sat.UTCGregorian, Sat.X, Sat.Y, Sat.Z, Sat.VX, Sat.VY, Sat.VZ};
"""
_MISSIONS = {
    "planets, Moon and a libration point": (_FIXED, True),
    "SPICE for all planets": ("GMAT SolarSystem.EphemerisSource = 'SPICE';\n" + _FIXED, True),
    "a body of the user's": (_ASTEROID + _AT_ROCK, False),
    "a body in an include": ("#Include 'rock.inc'\n" + _AT_ROCK, False),
}


@pytest.fixture(scope="module")
def workers() -> Iterator[dict[str, WorkerProcess]]:
    """A worker that keeps kernels, and one that reads those of the wheel for each run."""
    with pytest.MonkeyPatch.context() as patch:
        started = {}
        for choice in ("1", "0"):
            patch.setenv(CONDENSED_VARIABLE, choice)
            started[choice] = WorkerProcess()
    yield started
    for worker in started.values():
        worker.close()


def _flown(
    worker: WorkerProcess,
    script: Path,
    folder: Path,
    runs: Sequence[Mapping[str, Any]],
    **fields: Any,
) -> tuple[list[bytes], list[bool]]:
    """Return GMAT's report of each run, and whether the run found its kernels loaded."""
    reports, kept = [], []
    for number, overrides in enumerate(runs):
        out = folder / f"run-{number}"
        spec = RunSpec(script, dict(overrides), out, number, None, {}, **fields)
        outcome = worker.run(spec, timeout_s=60)
        assert outcome.status == "ok", outcome.stderr
        reports.append((out / "RF.txt").read_bytes())
        kept.append("has been loaded" not in (out / "GmatLog.txt").read_text())
    return reports, kept


_RUNS = [{"Sat.INC": inclination} for inclination in (28.5, 30.0, 31.25, 32.5, 33.75)]
# The third run is checked, too, and loads its script with a cut file; the next needs more of it.
_DEGREES: list[Mapping[str, Any]] = [
    _RUNS[0],
    {"FM.GravityField.Earth.Degree": 9, "FM.GravityField.Earth.Order": 9},
    _RUNS[1],
    {"FM.GravityField.Earth.Degree": 20, "FM.GravityField.Earth.Order": 20},
    _RUNS[2],
]


def test_kept_kernels_change_no_bit(workers: dict[str, WorkerProcess], tmp_path: Path) -> None:
    """One after the other in the same processes, so that no mission inherits the kernels of one."""
    spk = next((activate().root / "data" / "planetary_ephem" / "spk").glob("*.bsp"))
    (tmp_path / "rock.bsp").symlink_to(spk)
    (tmp_path / "rock.inc").write_text(_ASTEROID)
    for number, (name, (body, is_kept)) in enumerate(_MISSIONS.items()):
        script = tmp_path / f"{number}.script"
        script.write_text(_HEAD + body + _FLY)
        kept = _flown(workers["1"], script, tmp_path / f"kept-{number}", _RUNS[:4])
        loaded = _flown(workers["0"], script, tmp_path / f"loaded-{number}", _RUNS[:4])

        assert kept[0] == loaded[0], name
        assert len(set(kept[0])) == 4, name
        # The first load and two checks read their kernels.
        assert kept[1] == [False] * 3 + [is_kept], name
        assert not any(loaded[1]), name


@pytest.mark.parametrize("mission", ["low_orbit", "targeting", "leo_basic", "gravity"])
def test_real_missions_fly_to_the_same_last_bit(
    mission: str, workers: dict[str, WorkerProcess], tmp_path: Path
) -> None:
    """Drag, a finite burn, a targeter, and gravity fields whose degree is varied."""
    script = DATA / f"{mission}.script"
    if mission == "gravity":
        script = tmp_path / "gravity.script"
        head = "".join(line for line in _HEAD.splitlines(True) if "PointMasses" not in line)
        fly = _FLY.replace("ElapsedDays = 0.05", "ElapsedSecs = 3000")
        script.write_text(head + _GRAVITY + fly)
    runs = _DEGREES if mission == "gravity" else _RUNS[:4]
    kept, loaded = (
        _flown(worker, script, tmp_path / choice, runs)[0] for choice, worker in workers.items()
    )

    assert kept == loaded
    assert len(set(kept)) == len(runs)


def test_after_a_run_that_failed_before_gmat_ran_kernels_are_read_again(
    workers: dict[str, WorkerProcess], tmp_path: Path
) -> None:
    """GMAT has not cleared the sandbox then, whose names are taken away."""
    script = tmp_path / "m.script"
    add = "GMAT RF.Add = {Sat.X, Sat.VZ};\n"
    script.write_text(_HEAD + add + _FLY.replace("ElapsedDays", "ElapsedSecs"))
    before = _flown(workers["1"], script, tmp_path / "before", _RUNS)
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "RF.txt").write_text("of somebody else")
    failed = workers["1"].run(RunSpec(script, dict(_RUNS[0]), taken, 9, None, {}))
    after = _flown(workers["1"], script, tmp_path / "after", _RUNS)

    assert before[1][-1]
    assert failed.status == "failed"
    assert after == (before[0], [False, True, True, True, True])


def test_a_hook_that_uses_the_engine_ends_it_and_no_other_does(
    workers: dict[str, WorkerProcess], tmp_path: Path
) -> None:
    """It may load kernels of its own.

    The last test here that flies: no later run of the worker keeps its kernels.
    """
    script = tmp_path / "m.script"
    add = "GMAT RF.Add = {Sat.X, Sat.VZ};\n"
    script.write_text(_HEAD + add + _FLY.replace("ElapsedDays", "ElapsedSecs"))
    before = _flown(workers["1"], script, tmp_path / "before", _RUNS)
    plain = {"postprocess": "run_hooks:empty"}
    with_hook = _flown(workers["1"], script, tmp_path / "with", _RUNS[:2], **plain)
    kernel = {
        "postprocess": "engine_hooks:use",
        "context": {"use": "kernel", "other": ""},
    }
    with_kernel = _flown(workers["1"], script, tmp_path / "kernel", _RUNS[:2], **kernel)
    after = _flown(workers["1"], script, tmp_path / "after", _RUNS)

    assert before[1][-1]
    assert with_hook == (before[0][:2], [True, True])
    assert with_kernel == (before[0][:2], [True, False])
    assert not any(after[1])
    assert before[0] == after[0]


# --- without an engine: what goes wrong half-way cannot be had of one -----------------------------


class _Body:
    def __init__(self, kernels: list[str]) -> None:
        self.kernels = kernels

    def GetParameterID(self, name: str) -> str:
        return name

    def GetStringArrayParameter(self, name: str) -> tuple[str, ...]:
        return tuple(self.kernels) if name == "FrameSpiceKernelName" else ()

    def RemoveSpiceKernelName(self, kind: str, path: str) -> None:
        if kind == "Frame":
            self.kernels.remove(path)


class _System(_Body):
    def __init__(self, this: int, kernels: list[str]) -> None:
        super().__init__(kernels)
        self.this = this
        self.names = {"SPKFilename": "/e/s", "LSKFilename": "/e/l", "PCKFilename": "/e/p"}
        self.body = _Body(kernels)

    def GetStringParameter(self, name: str) -> str:
        return self.names[name]

    def GetBodiesInUse(self) -> list[str]:
        return ["Luna"]

    def GetBody(self, _: str) -> _Body:
        return self.body

    def SetSPKFile(self, path: str) -> None:
        self.names["SPKFilename"] = path

    def SetLSKFile(self, path: str) -> None:
        self.names["LSKFilename"] = path

    def SetPCKFile(self, path: str) -> None:
        self.names["PCKFilename"] = path


def _mission(system: _System, unloaded: list[bool], *, formats: Sequence[str] = ()) -> Any:
    files = {
        f"E{at}": SimpleNamespace(GetTypeName=lambda: "EphemerisFile", GetField=lambda _, it=it: it)
        for at, it in enumerate(formats)
    }
    interface = SimpleNamespace(
        IsLoaded=lambda _: True, UnloadAllKernels=lambda: unloaded.append(True)
    )
    moderator = SimpleNamespace(GetListOfObjects=lambda _: list(files))
    gmat = SimpleNamespace(
        GetRuntimeObject=lambda _: None,
        CoordinateSystem=SimpleNamespace(
            SetClass=lambda _: SimpleNamespace(GetSolarSystem=lambda: system)
        ),
        GetSolarSystem=lambda: SimpleNamespace(this=1),
        SpiceInterface=lambda: interface,
        Moderator=SimpleNamespace(Instance=lambda: moderator),
        SUBSCRIBER=0,
        GetObject=files.__getitem__,
    )
    return SimpleNamespace(gmat=gmat)


_LOG = "".join(f"Kernel /e/{name} has been loaded.\n" for name in "splf")


def _kept(mission: Any, *, log: str = _LOG, data: Path | None = Path("/e")) -> bool:
    keeper = KernelKeeper(data)
    keeper.flown(mission, log)
    return keeper.keep(mission)


def test_it_is_done_only_for_the_mission_that_flew_last() -> None:
    system, unloaded = _System(2, ["/e/f"]), list[bool]()
    mission = _mission(system, unloaded)
    keeper = KernelKeeper(Path("/e"))
    keeper.flown(mission, _LOG)

    assert not keeper.keep(_mission(system, unloaded))
    assert not keeper.keep(mission)
    keeper.flown(mission, _LOG)
    assert keeper.keep(mission)
    assert system.names["PCKFilename"] == "/e/./p"
    assert system.body.kernels == []


@pytest.mark.parametrize(
    ("kernels", "log", "formats"),
    [
        (["/e/f"], _LOG + "Kernel /e/x has been loaded.\n", ()),
        (["/e/f", "/e/x"], _LOG, ()),
        (["/home/f"], _LOG.replace("/e/f", "/home/f"), ()),
        (["/e/f", "/e/f"], _LOG + "Kernel /e/f has been loaded.\n", ()),
        (["/e/f"], "", ()),
        (["/e/f"], _LOG, ("CCSDS-OEM", "SPK")),
    ],
    ids=["loaded besides", "not loaded", "the user's", "named twice", "untold", "SPK is written"],
)
def test_any_doubt_leaves_kernels_to_gmat(
    kernels: list[str], log: str, formats: Sequence[str]
) -> None:
    system, unloaded = _System(2, list(kernels)), list[bool]()

    assert not _kept(_mission(system, unloaded, formats=formats), log=log)
    assert (system.body.kernels, unloaded) == (kernels, [])


def test_the_configured_solar_system_is_never_touched() -> None:
    system, unloaded = _System(1, ["/e/f"]), list[bool]()

    assert not _kept(_mission(system, unloaded))
    assert system.body.kernels == ["/e/f"]


def test_an_engine_that_is_not_presented_keeps_none() -> None:
    assert not _kept(_mission(_System(2, ["/e/f"]), []), data=None)


@pytest.mark.parametrize("fault", ["raises", "does nothing"])
def test_what_fails_half_way_has_gmat_load_all_kernels_anew(
    fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some kernels kept and others loaded again would be in another order."""
    system, unloaded = _System(2, ["/e/f"]), list[bool]()

    def remove(*_: object) -> None:
        if fault == "raises":
            raise RuntimeError("refused")

    monkeypatch.setattr(system.body, "RemoveSpiceKernelName", remove)

    assert not _kept(_mission(system, unloaded))
    assert unloaded == [True]


@pytest.mark.parametrize("is_kept", [True, False])
def test_a_run_that_fails_leaves_no_kernel_to_another_mission(is_kept: bool) -> None:
    unloaded = list[bool]()
    mission = _mission(_System(2, ["/e/f"]), unloaded)
    keeper = KernelKeeper(Path("/e"))
    keeper.flown(mission, _LOG if is_kept else "")

    with pytest.raises(RuntimeError, match="refused"), keeper.kept(mission):
        raise RuntimeError("refused")
    assert unloaded == [True] * is_kept
    assert not keeper.keep(mission)
