"""Trajectories of a sweep's runs, for other programs.

* `export_czml`: one file for Cesium, a globe in a browser: the nominal run above the dispersed
  ones. Needs ``gmat-sweep[export]``.
* `export_oem`: a CCSDS Orbit Ephemeris Message per run and Spacecraft.
"""

from gmat_sweep.export.czml import export_czml
from gmat_sweep.export.oem import export_oem
from gmat_sweep.export.places import Exported

__all__ = ["Exported", "export_czml", "export_oem"]
