"""Gravity fields cut to the degree that a mission flies.

GMAT reads the file of a gravity field for every run and every ``Propagate``, all 360 degrees of
EGM96 for a mission that flies ten. `CutFields` gives GMAT a copy of the engine's own files without
the coefficients of higher degree. GMAT reads each coefficient into its place by degree and order
and uses none above the degree that it flies, so the numbers are equal bit for bit.

The degree is told by the script, where each ``Degree`` and ``Order`` is a plain number. Anything
else gets the whole files, and so do files that are not the engine's own.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmat_sweep.mission.statements import bare_value, masked

if TYPE_CHECKING:
    import gmat_run

    from gmat_sweep.mission.editing import EditedScript

__all__ = ["CutFields", "FieldsFlown", "cut_file", "fields_flown", "is_within", "names_a_field"]

_PATH_KEY = "EARTH_POT_PATH"
_DEFAULT_DEGREE = 4
# Recursions go a degree or two beyond the one that is flown.
_MARGIN = 5
_ASSIGNED = re.compile(r"\w+\.GravityField\.\w+\.(?:Degree|Order)", re.ASCII)
_DOUBTFUL = re.compile(r"degree|order|tide|function", re.IGNORECASE)
_NUMBER = re.compile(r"\d{1,3}", re.ASCII)


def names_a_field(path: str) -> bool:
    """Whether an overridden field may be one of a gravity field."""
    field = path.partition(".")[2]
    return "gravity" in field.lower() or _DOUBTFUL.search(field) is not None


@dataclass(frozen=True, slots=True)
class FieldsFlown:
    """What a script says of its gravity fields.

    Attributes
    ----------
    degree : int
        The highest degree or order.
    files : frozenset of str
        The names of the ``.cof`` files.
    """

    degree: int
    files: frozenset[str]


def fields_flown(edited: EditedScript) -> FieldsFlown | None:
    """Return what a script flies of gravity fields, None if that cannot be told, or is nothing.

    Parameters
    ----------
    edited : EditedScript
        The script, as GMAT loads it.
    """
    highest = _DEFAULT_DEGREE
    files: set[str] = set()
    for statement in edited.statements:
        included = statement.included
        if included is not None and included not in edited.files:
            return None
        code = masked(statement.text)
        if statement.target.endswith(".PotentialFile"):
            files.add(bare_value(statement))
        if _DOUBTFUL.search(code) is None:
            continue
        value = bare_value(statement).strip() if statement.assigned else ""
        if not (_ASSIGNED.fullmatch(statement.target) and _NUMBER.fullmatch(value)):
            return None
        highest = max(highest, int(value))
    return FieldsFlown(highest, frozenset(files)) if files else None


def cut_file(content: bytes, degree: int) -> bytes:
    """Return a ``.cof`` file without the coefficients above a degree.

    Parameters
    ----------
    content : bytes
        The file: ``RECOEF`` in the first eight columns, and the degree in the next three.
    degree : int
        The highest degree to keep.

    Raises
    ------
    ValueError
        A line of coefficients has no degree.
    """
    kept = [
        line
        for line in content.splitlines()
        if line[:8].strip() != b"RECOEF" or int(line[8:11]) <= degree
    ]
    return b"\n".join(kept) + b"\n"


class CutFields:
    """Gives GMAT the engine's gravity files of the Earth, cut to a degree.

    Parameters
    ----------
    data : Path or None
        The folder of the engine; files elsewhere are never cut. None cuts none at all.
    scratch : str or None
        Where this process writes its copies; None is the system's temporary folder.

    Attributes
    ----------
    reach : int or None
        The highest degree in the files that GMAT was given last; None if they are whole.
    """

    def __init__(self, data: Path | None, scratch: str | None) -> None:
        self.reach: int | None = None
        self._data = data
        self._scratch = scratch
        self._whole: Path | None = None
        self._cut: dict[FieldsFlown, tempfile.TemporaryDirectory[str]] = {}

    def give(self, gmat: Any, fields: FieldsFlown | None) -> None:
        """Have the next load take its gravity files from copies cut to a degree.

        Parameters
        ----------
        gmat : module
            The engine.
        fields : FieldsFlown or None
            What the mission flies; None has it take the whole files.
        """
        if self._data is None:
            return
        manager = gmat.FileManager.Instance()
        if self._whole is None:
            self._whole = Path(str(manager.GetPathname(_PATH_KEY)))
        wanted, self.reach = self._whole, None
        if fields is not None and self._whole.is_relative_to(self._data):
            # Where a copy cannot be made, the file itself does.
            with contextlib.suppress(OSError, ValueError):
                wanted, self.reach = self._folder(fields), fields.degree + _MARGIN
        manager.SetAbsPathname(_PATH_KEY, f"{wanted}/")

    def _folder(self, fields: FieldsFlown) -> Path:
        """Return a folder with copies of the files that are named, and links to all others."""
        if fields not in self._cut:
            assert self._whole is not None
            held = tempfile.TemporaryDirectory(prefix="gravity-", dir=self._scratch)
            for source in self._whole.iterdir():
                copy = Path(held.name, source.name)
                if source.suffix == ".cof" and source.name in fields.files:
                    copy.write_bytes(cut_file(source.read_bytes(), fields.degree + _MARGIN))
                else:
                    copy.symlink_to(source)
            self._cut[fields] = held
        return Path(self._cut[fields].name)


def is_within(mission: gmat_run.Mission, reach: int) -> bool:
    """Whether no force model of a loaded mission flies a higher degree or order than `reach`.

    Where a force model does not say, it may.
    """
    from gmat_run import GmatFieldError

    models = mission.gmat.Moderator.Instance().GetListOfObjects(mission.gmat.ODE_MODEL)
    try:
        return all(
            int(mission[f"{model}.GravityField.{body}.{field}"]) <= reach
            for model in models
            for body in mission[f"{model}.PrimaryBodies"]
            for field in ("Degree", "Order")
        )
    except (GmatFieldError, ValueError):
        return False
