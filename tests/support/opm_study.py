"""A study of three kinds of draws: a covariance in RIC from an OPM, an epoch, a truncnorm."""

from __future__ import annotations

from typing import TYPE_CHECKING

from repository import DATA

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["STUDY", "write_opm_study"]

_OPM = """\
CCSDS_OPM_VERS = 2.0
CENTER_NAME = EARTH
REF_FRAME = EME2000
TIME_SYSTEM = UTC
EPOCH = 2026-01-01T00:00:00.000
COV_REF_FRAME = RTN
"""
STUDY = """\
mission = "leo_basic.script"
n = 3
seed = 11
nominal = true

[vary]
"Sat.Epoch" = { distribution = "normal", about = "nominal", sigma = 30, unit = "s" }
"Sat.DryMass" = { distribution = "truncnorm", mean = 850, sigma = 20, low = 800, high = 860 }

[vary.Sat]
covariance = "state.opm"

[run]
workers = 1

[[requirement]]
name = "sma"
column = "Sat.Earth.SMA"
within = [6990.0, 7010.0]
probability = 0.99
"""


def write_opm_study(folder: Path) -> Path:
    """Write the study into a folder, with its mission and its OPM, and return its file."""
    (folder / "leo_basic.script").write_bytes((DATA / "leo_basic.script").read_bytes())
    names = ["X", "Y", "Z", "X_DOT", "Y_DOT", "Z_DOT"]
    sigmas = [0.1, 0.4, 0.05, 4e-4, 1e-4, 5e-5]
    rows = [
        f"C{a}_{b} = {sigmas[i] ** 2 if i == j else 0.0!r}"
        for i, a in enumerate(names)
        for j, b in enumerate(names[: i + 1])
    ]
    (folder / "state.opm").write_text(_OPM + "\n".join(rows) + "\n")
    (folder / "study.toml").write_text(STUDY)
    return folder / "study.toml"
