"""Which of the engine's data files a mission uses: only these decide whether evidence goes on.

A file counts unless it is known that no number can depend on it: a gravity field, an ephemeris or
a space-weather file that the mission neither names nor gets by default. Whatever is not one of
these kinds counts: GMAT opens time, Earth orientation and kernels for every mission.

How GMAT's defaults work was found by flying R2026a with an empty ``JGM2.cof``: a mission with point
masses only, and one whose primary body has a ``PotentialFile``, flew to the same bits. A force
model without bodies, and a propagator without a force model, did not fly.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from gmat_sweep.engine.startup_keys import FILE_KEYS
from gmat_sweep.mission.script import resources_in
from gmat_sweep.mission.statements import bare_value, masked

if TYPE_CHECKING:
    from gmat_sweep.mission.statements import Statement

__all__ = ["data_used", "names_file"]

_PROPAGATORS = frozenset({"Propagator", "PropSetup"})
_FORCE_MODELS = frozenset({"ForceModel", "ODEModel"})
# The fields of GMAT's bodies that begin a gravity field when the mission names none.
_DEFAULT_FIELDS: Mapping[str, tuple[str, ...]] = {
    "earth": ("JGM2_FILE",),
    "luna": ("LP165P_FILE",),
    "venus": ("MGNP180U_FILE",),
    "mars": ("MARS50C_FILE",),
}
# A word in the mission without which a file of this name is not read.
_WEATHER_WORDS = {"spaceweather": "cssi", "schatten": "schatten", "exponential": "exponential"}
# Folders whose files are read only if the mission, or the plan, names them.
_ONLY_NAMED = ("vehicle/", "measurement/")


def data_used(
    statements: Sequence[Statement], names: Iterable[str], startup: Mapping[str, str] | None = None
) -> tuple[str, ...]:
    """Return which of the engine's data files the numbers of a mission can depend on.

    Parameters
    ----------
    statements : sequence of Statement
        The mission, with what it includes.
    names : iterable of str
        The data files, by their paths below the engine's data folder.
    startup : mapping of str to str, optional
        For each key of the startup file the name of its file among `names`; GMAT's own by default.
    """
    text = "\n".join(_without_comment(each) for each in statements).lower()
    keys = {key: {files} for key, files in (startup or {}).items()}
    for key, files in FILE_KEYS.items():
        keys.setdefault(key, set(files))
    fields = _bodies_by_default(statements)
    defaults = {
        name for body in fields for key in _DEFAULT_FIELDS.get(body, ()) for name in keys[key]
    }
    others = {"planetary_ephem/de/": "DE405_FILE", "planetary_ephem/spk/": "PLANETARY_SPK_FILE"}

    def counts(name: str) -> bool:
        low = name.lower()
        if names_file(text, name):
            return True
        if low.startswith("gravity/"):
            return name in defaults
        if low.startswith("atmosphere/"):
            return _air_counts(low, text)
        if low.startswith("ionospheredata/"):
            return "ionosphere" in text
        for folder, key in others.items():
            if low.startswith(folder):
                word = next((each for each in keys if name in keys[each]), "").removesuffix("_FILE")
                return name in keys[key] or bool(word and word.lower() in text)
        return not low.startswith(_ONLY_NAMED)

    return tuple(name for name in names if counts(name))


def names_file(text: str, name: str) -> bool:
    """Return whether a text in small letters has the name of a file, or its stem, as a word."""
    path = PurePosixPath(name.lower())
    return any(
        re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text) is not None
        for word in {path.name, path.stem}
    )


def _without_comment(statement: Statement) -> str:
    return statement.text[: len(masked(statement.text).rstrip(" \t"))]


def _air_counts(name: str, text: str) -> bool:
    """Return whether a file of an atmosphere counts that the mission does not name."""
    if "atmospheremodel" not in text and ".drag" not in text:
        return False
    for part, word in _WEATHER_WORDS.items():
        if part in name:
            return word in text
    return True


def _bodies_by_default(statements: Sequence[Statement]) -> set[str]:
    """Return the bodies, in small letters, that may get the gravity field of GMAT's default."""
    resources = resources_in(statements)
    models = {each.name for each in resources if each.type in _FORCE_MODELS}
    values: dict[str, dict[str, str]] = defaultdict(dict)
    for statement in statements:
        owner, _, field = statement.target.partition(".")
        if field:
            values[owner][field.lower()] = bare_value(statement)
    bodies: set[str] = set()
    for each in resources:
        if each.type in _PROPAGATORS and not values[each.name].get("fm"):
            bodies.add("earth")
    for model in models:
        own = values[model]
        primary = re.findall(r"\w+", own.get("primarybodies", "").lower())
        if not primary and not re.findall(r"\w+", own.get("pointmasses", "")):
            primary = ["earth"]
        named = {
            part
            for field in own
            if field.startswith("gravityfield.") and field.endswith(("potentialfile", "model"))
            for part in field.split(".")
        }
        bodies |= set(primary) - named
    return bodies
