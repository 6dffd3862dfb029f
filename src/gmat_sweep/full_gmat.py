"""Names of a full GMAT R2026a that an engine may have been built, or packed, without.

An engine can say what it has, and not what it lacks. These lists are what a full install has
besides the engine of the ``gmatpy`` wheel: its plugins and its data folder. Whoever asks takes away
what the engine at hand has. A name that is here is no typing error in a script.
"""

from __future__ import annotations

__all__ = [
    "ATMOSPHERES",
    "COMMANDS",
    "DATA_FILES",
    "PARAMETERS",
    "PROPAGATORS",
    "RESOURCE_TYPES",
]

RESOURCE_TYPES = (
    "AcceptFilter",
    "Antenna",
    "BatchEstimator",
    "ContactLocator",
    "CustomLinkageConstraint",
    "DynamicsConfiguration",
    "EMTGSpacecraft",
    "EclipseLocator",
    "ErrorModel",
    "EstimatedParameter",
    "ExtendedKalmanFilter",
    "FileInterface",
    "FminconOptimizer",
    "Formation",
    "GmatFunction",
    "GroundStation",
    "IntrusionLocator",
    "MatlabFunction",
    "OpenFramesInterface",
    "OpenFramesSensorMask",
    "OpenFramesVector",
    "OpenFramesView",
    "OptimalControlFunction",
    "OptimalControlGuess",
    "Phase",
    "Plate",
    "ProcessNoiseModel",
    "Receiver",
    "RejectFilter",
    "SNOPT",
    "Simulator",
    "Smoother",
    "ThrustHistoryFile",
    "ThrustSegment",
    "TrackingFileSet",
    "Trajectory",
    "Transmitter",
    "Transponder",
    "VF13ad",
    "Yukon",
)
"""Types of resource."""

COMMANDS = (
    "BeginFileThrust",
    "CallMatlabFunction",
    "CallPythonFunction",
    "Collocate",
    "CommandEcho",
    "EndFileThrust",
    "Global",
    "RunEstimator",
    "RunSimulator",
    "RunSmoother",
    "Set",
)
"""Commands of the mission sequence; ``CallPythonFunction`` stands for ``Python.module.name()``."""

PROPAGATORS = (
    "BulirschStoer",
    "CCSDS-OEM",
    "Code500",
    "PrinceDormand853",
    "RungeKutta4",
    "SPICESGP4",
    "SPK",
    "STK",
    "TLE",
)
"""Values of a Propagator's ``Type``. ``TLE`` is the older word for ``SPICESGP4``."""

ATMOSPHERES = ("MarsGRAM2005", "NRLMSISE00")
"""Values of a ForceModel's ``Drag.AtmosphereModel``."""

PARAMETERS = (
    "Acceleration",
    "AccelerationX",
    "AccelerationY",
    "AccelerationZ",
    "AtmosDensity",
    "SolverState",
    "SolverStatus",
)
"""Quantities that reports, plots and the mission sequence can use."""

DATA_FILES = (
    "atmosphere/earth/SchattenPredict.txt",
    "atmosphere/earth/SpaceWeather-All-v1.2.txt",
    "gravity/luna/LP165P.cof",
    "gravity/luna/grgm900c.cof",
    "gravity/mars/Mars50c.cof",
    "gravity/venus/MGNP180U.cof",
    "planetary_ephem/de/leDE1940.424",
    "planetary_ephem/de/unxp1900.421",
    "planetary_ephem/spk/DE421AllPlanets.bsp",
    "planetary_ephem/spk/DE424AllPlanets.bsp",
)
"""Files, by their place in GMAT's data folder."""
