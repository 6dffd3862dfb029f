"""`Engine`: a GMAT engine that gmat-run can load, and the environment variables about it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

__all__ = [
    "CONDENSED_VARIABLE",
    "DATA_VARIABLE",
    "ROOT_VARIABLE",
    "SCRATCH_VARIABLE",
    "Engine",
]

ROOT_VARIABLE = "GMAT_ROOT"
DATA_VARIABLE = "GMAT_SWEEP_DATA"
"""Environment variable that names the user's own data folder."""
SCRATCH_VARIABLE = "GMAT_SWEEP_SCRATCH"
"""Environment variable that names the folder for one process's engine log and stray output."""
CONDENSED_VARIABLE = "GMAT_SWEEP_CONDENSED_KERNELS"
"""Environment variable that, set to 1, has the presented engine read condensed text kernels."""


@dataclass(frozen=True, slots=True)
class Engine:
    """A GMAT engine that gmat-run can load.

    Attributes
    ----------
    root : Path
        The install, or the folder presented as one.
    version : str
        GMAT release, such as ``"R2026a"``; ``"unknown"`` if the install does not say.
    source : {"GMAT_ROOT", "installed", "wheel"}
        How `find_engine` found it.
    data_folder : Path or None
        The user's own data folder, if one is added to the wheel's data.
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
