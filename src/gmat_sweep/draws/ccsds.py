"""Covariances from CCSDS orbit messages: OPM and OEM, in key-value notation or XML.

The standard is CCSDS 502.0-B. A message gives the lower triangle of the covariance of position and
velocity, in km and km/s, for an epoch, and says in which frame.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from gmat_sweep.disk.held import plain_reader
from gmat_sweep.draws.ccsds_xml import ROW_KEYS, lines_of_xml
from gmat_sweep.draws.covariance import Covariance
from gmat_sweep.draws.epochs import START, seconds_between
from gmat_sweep.draws.shorthands import refuse
from gmat_sweep.errors import SweepConfigError

__all__ = ["check_axes", "check_message", "covariance_of_message"]

_LOCAL = {"RSW": "RIC", "RTN": "RIC", "RIC": "RIC", "TNW": "TNW"}
_AXES = {
    "EME2000": "MJ2000Eq",
    "J2000": "MJ2000Eq",
    "ICRF": "ICRF",
    "GCRF": "ICRF",
    "TOD": "TODEq",
    "MOD": "MODEq",
    "TEME": "TEME",
}
_CENTERS = {"MOON": "LUNA", "SOLAR SYSTEM BARYCENTER": "SOLARSYSTEMBARYCENTER"}
_SCALES = {"UTC": "UTC", "TAI": "TAI", "TT": "TT", "TDB": "TDB"}
# Axes in which a spacecraft's velocity is one relative to the stars, as nearly as matters here.
_AT_REST = frozenset(
    {"MJ2000Eq", "MJ2000Ec", "ICRF", "TOEEq", "TOEEc", "MOEEq", "MOEEc", "MODEq", "MODEc"}
    | {"TODEq", "TODEc", "BodyInertial"}
)
_ELEMENTS = frozenset(key for row in ROW_KEYS for key in row)
_FIRST_OF_ROW = frozenset(row[0] for row in ROW_KEYS)
_KEYED = re.compile(r"(?P<key>[A-Z][A-Z0-9_]*)\s*=\s*(?P<value>.*)")
_UNIT = re.compile(r"\s*\[[^\]]*\]\s*$")
# TDB is taken for TT, and is at most 2 ms from it.
_SAME_EPOCH_S = 0.0025
_MOST_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class _Line:
    number_of_line: int
    text: str

    @property
    def keyed(self) -> tuple[str, str] | None:
        found = _KEYED.fullmatch(self.text)
        return None if found is None else (found["key"], _UNIT.sub("", found["value"]).strip())

    def number(self, source: Path) -> float:
        """Return the number of a keyed line, whose unit, if given, is km or of km."""
        _, _, value = self.text.partition("=")
        unit = _UNIT.search(value)
        if unit and not unit[0].strip(" []").lower().startswith("km"):
            raise SweepConfigError(
                f"{source}, line {self.number_of_line}: the unit is {unit[0].strip()}, and the "
                "standard has km and km/s. Convert the message."
            )
        return _number(_UNIT.sub("", value).strip(), source, self.number_of_line)


def covariance_of_message(path: str | Path, *, at: str | None = None) -> Covariance:
    """Read the covariance of a state from an OPM or an OEM.

    Parameters
    ----------
    path : str or Path
        The message, in key-value notation or XML.
    at : str, optional
        Of an OEM with several covariances, the epoch of the wanted one, as the message writes it.

    Returns
    -------
    Covariance
        Of position and velocity. It has the message's frame, center and epoch, which must be those
        of the Spacecraft.

    Raises
    ------
    SweepConfigError
        The file is not there, is no such message, or has no covariance; the message has the line.
    """
    source = Path(path)
    lines = list(_lines(source))
    keyed = [pair for line in lines[:1] if (pair := line.keyed)]
    kind = keyed[0][0] if keyed else ""
    if kind == "CCSDS_OPM_VERS":
        return _of_opm(lines, source)
    if kind == "CCSDS_OEM_VERS":
        return _of_oem(lines, source, at)
    raise SweepConfigError(
        f"{source} is no OPM or OEM: it is no XML, and its first line is not CCSDS_OPM_VERS or "
        "CCSDS_OEM_VERS. Give one, or the matrix as CSV."
    )


def _lines(source: Path) -> Iterator[_Line]:
    try:
        if source.stat().st_size > _MOST_BYTES:
            raise SweepConfigError(
                f"{source} is too large for a message. Give one with fewer states."
            )
        with plain_reader(source) as file:
            content = file.read()
        # XML says itself how it is encoded.
        is_xml = content.lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n\0").startswith(b"<")
        text = "" if is_xml else content.decode("utf-8-sig")
    except (OSError, UnicodeError) as error:
        raise SweepConfigError(f"{source} cannot be read: {error}. Check the path.") from error
    numbered = lines_of_xml(content, source) if is_xml else enumerate(text.splitlines(), 1)
    for number, line in numbered:
        stripped = line.strip()
        if stripped and not stripped.startswith("COMMENT"):
            yield _Line(number, stripped)


def _of_opm(lines: list[_Line], source: Path) -> Covariance:
    values = {pair[0]: pair[1] for line in lines if (pair := line.keyed)}
    line_of = {pair[0]: line for line in lines if (pair := line.keyed)}
    if "CX_X" not in values:
        raise SweepConfigError(
            f"{source} has no covariance: CX_X is missing. Give a message with one."
        )
    rows = []
    for row in ROW_KEYS:
        for key in row:
            if key not in values:
                raise SweepConfigError(f"{source} lacks {key}. Complete its covariance.")
        rows.append([line_of[key].number(source) for key in row])
    return _made(rows, values, values.get("EPOCH"), values.get("COV_REF_FRAME"), source)


def _of_oem(lines: list[_Line], source: Path, at: str | None) -> Covariance:
    header: dict[str, str] = {}
    found: list[tuple[dict[str, str], dict[str, str], list[list[float]]]] = []
    inside = ""
    for line in lines:
        if line.text in ("META_START", "COVARIANCE_START"):
            inside = line.text.removesuffix("_START")
            if inside == "META":
                header = {}
        elif line.text in ("META_STOP", "COVARIANCE_STOP"):
            inside = ""
        elif inside == "META" and (pair := line.keyed):
            header[pair[0]] = pair[1]
        elif inside == "COVARIANCE":
            if pair := line.keyed:
                if pair[0] == "EPOCH":
                    found.append((header, {"EPOCH": pair[1]}, []))
                elif found and pair[0] in _ELEMENTS:
                    # Of XML, where they come in order and none is missing.
                    if pair[0] in _FIRST_OF_ROW:
                        found[-1][2].append([])
                    found[-1][2][-1].append(line.number(source))
                elif found:
                    found[-1][1][pair[0]] = pair[1]
            elif found:
                at_line = line.number_of_line
                numbers = [_number(each, source, at_line) for each in line.text.split()]
                if len(found[-1][2]) == 6 or len(numbers) != len(found[-1][2]) + 1:
                    raise SweepConfigError(
                        f"{source}, line {at_line}: {len(numbers)} numbers are no row of a "
                        "lower triangle here. Mend the message."
                    )
                found[-1][2].append(numbers)
    if not found:
        raise SweepConfigError(f"{source} has no covariance. Give a message with one.")
    epochs = [block["EPOCH"] for _, block, _ in found]
    if at is None and len(found) > 1:
        raise SweepConfigError(
            f"{source} has {len(found)} covariances, at {epochs[0]} to {epochs[-1]}. Say which one "
            "by its epoch, with at=."
        )
    chosen = [each for each in found if at is None or each[1]["EPOCH"] == at]
    if not chosen:
        raise SweepConfigError(
            f"{source} has no covariance at {at}; it has some at {', '.join(epochs[:5])}."
        )
    header, block, rows = chosen[0]
    first = found.index(chosen[0])
    if "COV_REF_FRAME" not in block and any(
        "COV_REF_FRAME" in each and each["COV_REF_FRAME"].upper() != header.get("REF_FRAME")
        for head, each, _ in found[:first]
        if head is header
    ):
        # Some readers take that of the covariance before, others that of the states.
        raise SweepConfigError(
            f"{source}: the covariance at {block['EPOCH']} does not say its frame, and one before "
            "it has another than the states. Add COV_REF_FRAME to it."
        )
    if len(rows) != 6:
        raise SweepConfigError(
            f"{source}: the covariance at {block['EPOCH']} has {len(rows)} rows. It needs 6."
        )
    return _made(rows, header, block["EPOCH"], block.get("COV_REF_FRAME"), source)


def _made(
    rows: list[list[float]],
    header: Mapping[str, str],
    epoch: str | None,
    frame: str | None,
    source: Path,
) -> Covariance:
    own = header.get("REF_FRAME", "").upper()
    given = (frame or own).upper()
    local = _LOCAL.get(given)
    if local is None and given != own:
        raise SweepConfigError(
            f"{source} gives its covariance in {given} and its state in {own}. Give it in the same "
            f"frame, or in one of {', '.join(_LOCAL)}."
        )
    if own not in _AXES:
        raise SweepConfigError(
            f"{source} is in REF_FRAME {own or '(none)'}, which GMAT has no axes for. Use one of "
            f"{', '.join(_AXES)}."
        )
    scale = header.get("TIME_SYSTEM", "").upper()
    if epoch is None or scale not in _SCALES:
        raise SweepConfigError(
            f"{source} has the TIME_SYSTEM {scale or '(none)'} and the epoch {epoch or '(none)'}. "
            f"Use one of {', '.join(_SCALES)}."
        )
    whole = tuple(tuple(rows[max(i, j)][min(i, j)] for j in range(6)) for i in range(6))
    return Covariance(
        whole,
        frame=local,  # type: ignore[arg-type]
        source=str(source),
        epoch=f"{_gregorian(epoch, source)} {scale}",
        reference_frame=own,
        center=header.get("CENTER_NAME", "").upper() or None,
    )


def _number(text: str, source: Path, line: int) -> float:
    try:
        return float(text)
    except ValueError:
        raise SweepConfigError(
            f"{source}, line {line}: {text!r} is no number. Mend the message."
        ) from None


def _gregorian(epoch: str, source: Path) -> str:
    """Return an epoch of CCSDS (2026-01-01T00:00:00 or 2026-001T00:00:00) as ISO text."""
    text = epoch.removesuffix("Z")
    day_of_year = re.fullmatch(r"(\d{4})-(\d{3})T(.+)", text)
    try:
        if day_of_year:
            day = datetime(int(day_of_year[1]), 1, 1, tzinfo=UTC) + timedelta(
                days=int(day_of_year[2]) - 1
            )
            text = f"{day:%Y-%m-%d}T{day_of_year[3]}"
        return datetime.fromisoformat(text).replace(tzinfo=None).isoformat(timespec="microseconds")
    except ValueError:
        raise SweepConfigError(
            f"{source}: {epoch!r} is no epoch. Write it like 2026-01-01T00:00:00.000."
        ) from None


def check_axes(name: str, frame: str, axes: str) -> None:
    """Refuse a local frame where the spacecraft is given in axes that turn.

    Raises
    ------
    SweepConfigError
        The axes of the spacecraft's coordinate system are no inertial ones.
    """
    if axes not in _AT_REST:
        refuse(
            name,
            f"a covariance in {frame} axes needs a state in axes that do not turn, and those of "
            f"{name}.CoordinateSystem are {axes}",
            f"Give {name} in a system with axes such as MJ2000Eq",
        )


def check_message(name: str, spec: Covariance, nominal: Mapping[str, Any]) -> None:
    """Refuse a CCSDS message whose frame, center or epoch is not the spacecraft's.

    Raises
    ------
    SweepConfigError
        The error names both.
    """
    where = spec.source or "The message"
    if spec.reference_frame is not None:
        axes = str(nominal[f"{name}.CoordinateSystem.Axes"])
        if _AXES.get(spec.reference_frame) != axes:
            refuse(
                name,
                f"{where} is in {spec.reference_frame}, and {name} is given in {axes} axes",
                "Give both in the same frame",
            )
    if spec.center is not None:
        origin = str(nominal[f"{name}.CoordinateSystem.Origin"])
        if _CENTERS.get(spec.center, spec.center) != origin.upper():
            refuse(
                name,
                f"{where} is about {spec.center}, and {name} is given about {origin}",
                "Give both about the same body",
            )
    if spec.epoch is not None:
        iso, _, scale = spec.epoch.rpartition(" ")
        then = _days(datetime.fromisoformat(iso).replace(tzinfo=UTC))
        own, date_format = nominal[f"{name}.Epoch"], str(nominal[f"{name}.DateFormat"])
        apart = seconds_between(own, date_format, then, f"{scale}ModJulian")
        if abs(apart) > _SAME_EPOCH_S:
            refuse(
                name,
                f"{where} is of {iso} {scale}, {apart:+.3f} s from the epoch of {name}, {own} "
                f"({date_format})",
                "Give both at the same epoch",
            )


def _days(moment: datetime) -> float:
    return (moment - START) / timedelta(days=1)
