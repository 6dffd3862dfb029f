"""Sweeps with trajectories, without GMAT: orbits by Kepler's equation, as runs leave them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from gmat_sweep.export.systems import System
from gmat_sweep.export.trajectory import Trajectory
from gmat_sweep.mission.script import canonical_script_sha256
from gmat_sweep.sweep.recorded_script import script_paths
from sweep_on_disk import SweepOnDisk

MU = 398600.4415
EARTH = System("EarthMJ2000Eq", "Earth", "MJ2000Eq")
START = np.datetime64("2026-01-01T12:00:37", "ns")  # TAI
SCRIPT = """\
Create Spacecraft Sat;
Sat.Id = '2026-001A';
Create CoordinateSystem Moon;
Moon.Origin = Luna;
Moon.Axes = MJ2000Eq;
Create CoordinateSystem Odd;
Odd.Axes = MJ2000Ec;
Create ReportFile R;
R.Filename = 'r.txt';
R.Add = {Sat.TAIModJulian, Sat.X, Sat.Y, Sat.Z, Sat.VX, Sat.VY, Sat.VZ};
Create EphemerisFile E;
E.Spacecraft = Sat;
E.CoordinateSystem = Moon;
BeginMissionSequence;
"""


def states(
    seconds: Any, position: Any = (7000.0, 0.0, 100.0), velocity: Any = (0.0, 6.0, 4.5)
) -> tuple[Any, Any]:
    """Return positions and velocities of a two-body orbit at times from its start.

    By Lagrange's coefficients, with Kepler's equation in the change of the eccentric anomaly
    (Battin, An Introduction to the Mathematics and Methods of Astrodynamics, 4.3).
    """
    r0, v0 = np.array(position), np.array(velocity)
    times = np.asarray(seconds, dtype=float)
    radius = np.linalg.norm(r0)
    a = 1.0 / (2.0 / radius - v0 @ v0 / MU)
    n = np.sqrt(MU / a**3)
    sigma = r0 @ v0 / np.sqrt(MU)
    x = n * times
    for _ in range(50):
        f = x - (1 - radius / a) * np.sin(x) + sigma / np.sqrt(a) * (1 - np.cos(x)) - n * times
        slope = 1 - (1 - radius / a) * np.cos(x) + sigma / np.sqrt(a) * np.sin(x)
        x = x - f / slope
    r = a + (radius - a) * np.cos(x) + np.sqrt(a) * sigma * np.sin(x)
    f = 1 - a / radius * (1 - np.cos(x))
    g = times - np.sqrt(a**3 / MU) * (x - np.sin(x))
    fd = -np.sqrt(MU * a) / (r * radius) * np.sin(x)
    gd = 1 - a / r * (1 - np.cos(x))
    return (
        f[:, None] * r0 + g[:, None] * v0,
        fd[:, None] * r0 + gd[:, None] * v0,
    )


def orbit(seconds: Any, *, with_velocity: bool = True, **start: Any) -> Trajectory:
    """Return an orbit as a trajectory."""
    times = np.asarray(seconds, dtype=float)
    positions, velocities = states(times, **start)
    epochs = START + np.rint(times * 1e9).astype("timedelta64[ns]")
    return Trajectory("Sat", EARTH, "TAI", epochs, positions, velocities if with_velocity else None)


def burned(step: float, burn: float, *, with_velocity: bool = True) -> tuple[Trajectory, Any, Any]:
    """Return rows as GMAT reports an impulsive burn (km/s, along VY), after 40 steps.

    The row at the burn has the state before it. With them come the times, from the burn, and the
    positions between the rows after it, by the orbit itself.
    """
    before, after = np.arange(41) * step, np.arange(1, 41) * step
    p1, v1 = states(before)
    flown = {"position": p1[-1], "velocity": v1[-1] + np.array([0.0, burn, 0.0])}
    p2, v2 = states(after, **flown)
    times = np.concatenate([before, before[-1] + after])
    rows = Trajectory(
        "Sat",
        EARTH,
        "TAI",
        START + np.rint(times * 1e9).astype("timedelta64[ns]"),
        np.concatenate([p1, p2]),
        np.concatenate([v1, v2]) if with_velocity else None,
    )
    between = np.linspace(0.0, 5 * step, 57)
    return rows, before[-1] + between, states(between, **flown)[0]


def report_of(rows: Trajectory, **columns: Any) -> pd.DataFrame:
    """Return a trajectory as a worker writes the report of `SCRIPT`."""
    data: dict[str, Any] = {"Sat.TAIModJulian": rows.epochs}
    data |= {f"Sat.{axis}": rows.positions[:, at] for at, axis in enumerate("XYZ")}
    if rows.velocities is not None:
        data |= {f"Sat.V{axis}": rows.velocities[:, at] for at, axis in enumerate("XYZ")}
    return pd.DataFrame(data | columns | {"time": rows.epochs})


def in_system(report: pd.DataFrame, system: str) -> dict[str, str]:
    """Return the names of a report's columns in another coordinate system."""
    return {name: f"Sat.{system}.{name[4:]}" for name in map(str, report) if name[-1] in "XYZ"}


def text_of(rows: Trajectory) -> str:
    """Return a trajectory as GMAT writes the report of `SCRIPT`, with a torn last line."""
    frame = report_of(rows).drop(columns="time")
    days = (frame["Sat.TAIModJulian"] - pd.Timestamp("1941-01-05 12:00")) / pd.Timedelta("1D")
    frame["Sat.TAIModJulian"] = days
    lines = ["".join(f"{name:<23}" for name in frame.columns)]
    lines += ["".join(f"{value:<23.15g}" for value in row) for row in frame.to_numpy()]
    return "\n".join([*lines, "31041.00012"])


class FlownSweep:
    """A sweep of the mission `SCRIPT`: run -1 nominal, others dispersed, the last one failed."""

    def __init__(self, folder: Path, script: str = SCRIPT) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.script = folder / "m.script"
        self.script.write_text(script)
        self.sweep = SweepOnDisk(folder / "sweep")
        self.sweep.folder.mkdir()

    def save(self) -> Path:
        """Write the manifest and return the sweep folder."""
        manifest = self.sweep.manifest
        manifest.script_sha256 = canonical_script_sha256(self.script)
        manifest.extra.update(script_paths(self.script, self.sweep.folder))
        manifest.save(self.sweep.folder / "manifest.jsonl")
        return self.sweep.folder


def flown_sweep(folder: Path, runs: int = 3, *, rows: Trajectory | None = None) -> Path:
    """Return the folder of a sweep: a nominal run, dispersed ones, and a failed one at the end."""
    made = FlownSweep(folder)
    flown = orbit(np.arange(121) * 60.0) if rows is None else rows
    made.sweep.ok(-1, {"report__R": report_of(flown)})
    for run_id in range(runs):
        speed = 6.0 + 0.001 * (run_id + 1)
        own = report_of(orbit(flown.seconds, velocity=(0.0, speed, 4.5)))
        made.sweep.ok(run_id, {"report__R": own}, overrides={"Sat.VY": speed})
    made.sweep.failed(runs, overrides={"Sat.VY": "<b>5</b>"})
    partial = made.sweep.folder / f"run-{runs}"
    partial.mkdir(exist_ok=True)
    (partial / "r.txt").write_text(text_of(flown.rows(slice(0, 40))))
    return made.save()
