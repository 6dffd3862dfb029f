"""Units of the columns of GMAT's reports, by the column's name."""

from __future__ import annotations

__all__ = ["unit_of"]

# GMAT R2026a User Guide, "Calculation Parameters" and the field tables of the resources. The
# engine's own table is wrong for mean motion, thrust, acceleration and mass flow, and has none for
# masses and tanks.
_PARAMETERS = {
    "km": (
        "X Y Z SMA RadApo RadPer RMAG Altitude SemilatusRectum IncomingRadPer OutgoingRadPer "
        "BrouwerShortSMA BrouwerLongSMA PlanetodeticRMAG BdotT BdotR BVectorMag"
    ),
    "km/s": (
        "VX VY VZ VMAG VelApoapsis VelPeriapsis PlanetodeticVMAG Element1 Element2 Element3 V N B "
        "SMADot"
    ),
    "km/s^2": "TotalAcceleration1 TotalAcceleration2 TotalAcceleration3",
    "km^2/s": "HMAG HX HY HZ DelaunayL DelaunayG DelaunayH",
    "km^2/s^2": "IncomingC3Energy OutgoingC3Energy C3Energy Energy",
    "deg": (
        "INC RAAN RADN AOP TA MA EA HA RA DEC RAV DECV AZI FPA IncomingRHA IncomingDHA "
        "IncomingBVAZI OutgoingRHA OutgoingDHA OutgoingBVAZI BrouwerShortINC BrouwerShortRAAN "
        "BrouwerShortAOP BrouwerShortMA BrouwerLongINC BrouwerLongRAAN BrouwerLongAOP "
        "BrouwerLongMA TLONG MLONG Delaunayl Delaunayg Delaunayh PlanetodeticLON PlanetodeticLAT "
        "PlanetodeticAZI PlanetodeticHFPA DLA RLA MHA Longitude Latitude LST BetaAngle "
        "BVectorAngle EulerAngle1 EulerAngle2 EulerAngle3"
    ),
    "deg/s": (
        "AngularVelocityX AngularVelocityY AngularVelocityZ EulerAngleRate1 EulerAngleRate2 "
        "EulerAngleRate3"
    ),
    "rad/s": "MM",
    "s": "ElapsedSecs OrbitPeriod Isp",
    "d": ("ElapsedDays CurrA1MJD A1ModJulian TAIModJulian TTModJulian TDBModJulian UTCModJulian"),
    "kg": "DryMass TotalMass FuelMass",
    "kg/s": "MassFlowRate TotalMassFlowRate",
    "kg/m^3": "FuelDensity",
    "m^2": "DragArea SRPArea",
    "m^3": "Volume",
    "kPa": "Pressure",
    "degC": "Temperature RefTemperature",
    "N": "ThrustMagnitude TotalThrust1 TotalThrust2 TotalThrust3",
    "kW": "TotalPowerAvailable RequiredBusPower ThrustPowerAvailable",
}
_UNITS = {name: unit for unit, names in _PARAMETERS.items() for name in names.split()}


def unit_of(column: str) -> str:
    """Return the unit of a report's column; empty if it has none, or it is not known.

    Parameters
    ----------
    column : str
        The column as GMAT names it. A name without a dot is a variable of the mission, whose unit
        only its author knows.

    Examples
    --------
    >>> unit_of("Sat.EarthMJ2000Eq.VX")
    'km/s'
    >>> unit_of("Sat.Earth.ECC")
    ''
    """
    owner, dot, name = column.rpartition(".")
    return _UNITS.get(name, "") if dot and owner else ""
