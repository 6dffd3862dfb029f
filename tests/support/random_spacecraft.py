"""Spacecraft with random epochs and states of all kinds, often where elements are singular."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from mission_draft import FIRST_DAY, SCALES, Choice, Draft
from plain_gmat import Value

__all__ = ["Epoch", "add_spacecraft", "random_epoch"]

_MU = 398600.4415
_FIRST = datetime(2026, 1, 1)  # noqa: DTZ001 - GMAT's epochs have a time scale of their own


def add_spacecraft(
    draft: Draft, name: str, frames: list[str], tank: str | None, shared: Epoch | None
) -> None:
    """Create a spacecraft, in one of `frames`, with `tank`'s thruster and at a shared epoch."""
    rng, number = draft.rng, draft.number
    kind = rng.choice(list(_ELEMENTS))
    # Most missions are written in the frame that GMAT flies in.
    frame = "EarthMJ2000Eq" if draft.maybe(0.6) else rng.choice(frames)
    epochs = shared or random_epoch(draft)
    fields: dict[str, object] = {
        "DateFormat": epochs.form,
        "Epoch": f"'{epochs.first}'",
        "CoordinateSystem": frame,
        "DisplayStateType": kind,
    }
    elements = _ELEMENTS[kind](draft)
    fields |= {key: repr(choice()) for key, choice in elements.items()}
    for key, low, high in (
        ("DryMass", 300, 900),
        ("Cd", 1.8, 2.6),
        ("Cr", 1.1, 1.9),
        ("DragArea", 5, 40),
        ("SRPArea", 5, 40),
    ):
        # GMAT's default holds where the script is silent.
        if draft.maybe(0.6):
            fields[key] = number(low, high)
        draft.overridable[f"{name}.{key}"] = draft.between(low, high)
    if tank:
        fields |= {"Tanks": "{Tank}", "Thrusters": "{Thruster}"}
    draft.create("Spacecraft", name, **fields)
    draft.overridable |= {f"{name}.{key}": choice for key, choice in elements.items()}
    draft.overridable |= {
        f"{name}.CoordinateSystem": lambda: rng.choice(frames),
        f"{name}.DisplayStateType": lambda: rng.choice(list(_ELEMENTS)),
    }
    if shared is None:
        draft.overridable[f"{name}.Epoch"] = epochs.draw
    draft.quantities += [
        f"{name}.{quantity}"
        for quantity in (
            *("X", "VY", "EarthMJ2000Eq.X", "EarthMJ2000Eq.Y", "EarthMJ2000Eq.VZ"),
            *("EarthMJ2000Ec.Z", "EarthFixed.Y", "Earth.SMA", "Earth.ECC", "EarthMJ2000Eq.INC"),
            *("Earth.RMAG", "TotalMass", "DryMass", "Earth.TA", "Earth.Altitude", "ElapsedSecs"),
        )
    ]
    draft.refused += [(f"{name}.CoordinateSystem", "NoSuchFrame"), (f"{name}.DryMass", -1.5)]
    if epochs.form.endswith("Gregorian"):
        draft.refused.append((f"{name}.Epoch", FIRST_DAY + 0.25))
    if kind in ("Keplerian", "Equinoctial"):
        draft.refused.append((f"{name}.SMA", -7000.0))


@dataclass(frozen=True, slots=True)
class Epoch:
    """The format of a spacecraft's epochs, its first epoch, and how to draw others."""

    form: str
    first: str
    draw: Choice


def random_epoch(draft: Draft) -> Epoch:
    scale = draft.rng.choice(SCALES)

    def days() -> float:
        return draft.rng.choice([0.0, draft.rng.uniform(0, 150), float(draft.rng.randrange(150))])

    def gregorian() -> str:
        moment = _FIRST + timedelta(days=days())
        return f"{moment:%d %b %Y %H:%M:%S}.{moment.microsecond // 1000:03d}"

    def modified_julian() -> Value:
        date = FIRST_DAY + days()
        return date if draft.maybe(0.5) else repr(date)

    if draft.maybe(0.6):
        return Epoch(f"{scale}Gregorian", gregorian(), gregorian)
    return Epoch(f"{scale}ModJulian", str(modified_julian()), modified_julian)


def _keplerian(draft: Draft) -> dict[str, Choice]:
    def ecc() -> float:
        if draft.maybe(0.5):
            return draft.rng.choice([0.0, 1e-9, 1e-12, 1e-7, 1e-5])
        return draft.number(0.0001, 0.02)

    return {
        "SMA": lambda: draft.number(6900, 7600),
        "ECC": ecc,
        "INC": lambda: draft.angle(180.0),
        "RAAN": draft.angle,
        "AOP": draft.angle,
        "TA": draft.angle,
    }


def _modified_keplerian(draft: Draft) -> dict[str, Choice]:
    elements = _keplerian(draft)
    del elements["SMA"], elements["ECC"]
    return {
        "RadPer": lambda: draft.number(6850, 7000),
        "RadApo": lambda: draft.number(7000, 7600),
        **elements,
    }


def _cartesian(draft: Draft) -> dict[str, Choice]:
    """Six components near a circular orbit, some of them nothing."""
    radius = draft.number(6900, 7600)
    speed = math.sqrt(_MU / radius)
    place = [radius, 0.0, 0.0]
    motion = [0.0, speed, 0.0]
    for first, second in ((1, 2), (0, 1)):
        turn = math.radians(draft.angle())
        for vector in (place, motion):
            one, other = vector[first], vector[second]
            vector[first] = one * math.cos(turn) - other * math.sin(turn)
            vector[second] = one * math.sin(turn) + other * math.cos(turn)
    return {
        **{key: draft.near(value, 20) for key, value in zip("XYZ", place, strict=True)},
        **{f"V{key}": draft.near(value, 0.02) for key, value in zip("XYZ", motion, strict=True)},
    }


def _spherical(draft: Draft) -> dict[str, Choice]:
    return {
        "RMagnitude": lambda: draft.number(6900, 7600),
        "RA": lambda: draft.number(-170, 170),
        "DEC": lambda: draft.rng.choice([0.0, draft.number(-80, 80)]),
        "VMagnitude": lambda: draft.number(7.4, 7.6),
    }


def _azimuth_spherical(draft: Draft) -> dict[str, Choice]:
    return {
        **_spherical(draft),
        "AZI": lambda: draft.rng.choice([90.0, draft.number(10, 170)]),
        "FPA": lambda: draft.rng.choice([90.0, draft.number(88, 92)]),
    }


def _equinoctial(draft: Draft) -> dict[str, Choice]:
    def small() -> float:
        return draft.rng.choice([0.0, 1e-9, draft.rng.uniform(-0.01, 0.01)])

    return {
        "SMA": lambda: draft.number(6950, 7600),
        "EquinoctialH": small,
        "EquinoctialK": small,
        "EquinoctialP": lambda: draft.rng.choice([0.0, draft.rng.uniform(-1, 1)]),
        "EquinoctialQ": lambda: draft.rng.choice([0.0, draft.rng.uniform(-1, 1)]),
        "MLONG": lambda: draft.number(0, 359),
    }


_ELEMENTS: dict[str, Callable[[Draft], dict[str, Choice]]] = {
    "Keplerian": _keplerian,
    "Cartesian": _cartesian,
    "ModifiedKeplerian": _modified_keplerian,
    "SphericalAZFPA": _azimuth_spherical,
    "Equinoctial": _equinoctial,
}
