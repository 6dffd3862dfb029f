"""Disperse an injection burn: how far off is the transfer orbit if the burn is not as planned.

A Monte Carlo over ``injection.script``. It draws the burn's velocity-normal-binormal components
from normal distributions, flies each run on the GMAT engine, and summarises the state two hours
after the burn in a table and a picture.

``python examples/injection_dispersion.py [--n 200] [--seed 42] [--out FOLDER]``
"""

from __future__ import annotations

import argparse
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gmat_sweep import monte_carlo
from gmat_sweep.analysis import final_values, sweep_report

if TYPE_CHECKING:
    import pandas as pd

MISSION = Path(__file__).resolve().parent / "injection.script"

# One sigma of the burn's execution error, km/s: along the velocity, the orbit normal, and across.
PERTURB = {
    "Injection.Element1": ("normal", 2.4257, 0.006),
    "Injection.Element2": ("normal", 0.0, 0.004),
    "Injection.Element3": ("normal", 0.0, 0.004),
}

POSITION = ["Sat.EarthMJ2000Eq.X", "Sat.EarthMJ2000Eq.Y", "Sat.EarthMJ2000Eq.Z"]
VELOCITY = ["Sat.EarthMJ2000Eq.VX", "Sat.EarthMJ2000Eq.VY", "Sat.EarthMJ2000Eq.VZ"]


def radial_in_track_cross_track(states: pd.DataFrame) -> np.ndarray:
    """Return final positions relative to their mean, km, in the mean state's RIC frame.

    Radial points outwards, cross-track along the orbit normal, in-track completes the frame.
    """
    position, velocity = states[POSITION].to_numpy(), states[VELOCITY].to_numpy()
    mean = position.mean(axis=0)
    radial = mean / np.linalg.norm(mean)
    normal = np.cross(mean, velocity.mean(axis=0))
    cross = normal / np.linalg.norm(normal)
    axes = np.stack([radial, np.cross(cross, radial), cross])
    return np.asarray((position - mean) @ axes.T)


def picture(states: pd.DataFrame, path: Path) -> None:
    """Draw the dispersion of the orbit and of the final position."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 4.2), layout="constrained")
    left, middle, right = figure.subplots(1, 3)

    apogee = states["Sat.Earth.RadApo"]
    left.hist(apogee, bins=25, color="steelblue")
    # Fewer runs do not reach 5 and 95 %.
    levels = {0.05: ":", 0.5: "-", 0.95: ":"} if len(apogee) >= 19 else {0.5: "-"}
    for quantile, style in levels.items():
        left.axvline(apogee.quantile(quantile), color="black", linestyle=style, linewidth=1)
    lines = "lines at 5, 50 and 95 %" if len(levels) > 1 else "line at 50 %"
    left.set(xlabel="apogee radius (km)", ylabel="runs", title=f"Apogee; {lines}")

    middle.scatter(apogee, states["Sat.EarthMJ2000Eq.INC"], s=14, color="steelblue")
    middle.set(xlabel="apogee radius (km)", ylabel="inclination (deg)", title="Transfer orbit")

    offset = radial_in_track_cross_track(states)
    points = right.scatter(offset[:, 1], offset[:, 0], c=offset[:, 2], s=14, cmap="coolwarm")
    right.set(xlabel="in-track (km)", ylabel="radial (km)", title="Final position about its mean")
    figure.colorbar(points, ax=right, label="cross-track (km)")

    figure.suptitle(f"{MISSION.stem}: {len(states)} draws of the injection burn")
    figure.savefig(path, dpi=120)


def main() -> None:
    """Run the dispersion and print its results."""
    parser = argparse.ArgumentParser(description="Monte Carlo dispersion of an injection burn.")
    parser.add_argument("--n", type=int, default=200, help="runs (default 200)")
    parser.add_argument("--seed", type=int, default=42, help="seed of the draws (default 42)")
    parser.add_argument(
        "--out", type=Path, help="sweep folder; a new one in demo-output by default"
    )
    arguments = parser.parse_args()
    folder = arguments.out or Path("demo-output") / f"{datetime.now(UTC):%Y%m%d-%H%M%S}"

    started = time.monotonic()
    monte_carlo(MISSION, n=arguments.n, perturb=PERTURB, seed=arguments.seed, out=folder)
    states = final_values(folder).droplevel("report", axis="columns")
    image = folder / "dispersion.png"
    picture(states, image)

    print()
    print(sweep_report(folder).to_markdown())
    print(f"picture: {image}")
    print(f"time:    {time.monotonic() - started:.1f} s")


if __name__ == "__main__":
    main()
