"""What GMAT lacked when it refused something, read from its own words, and what helps.

GMAT says "the file name does not exist" or "is not a valid Parameter Type", and means that a data
file or a plugin is not installed. `lack_in` tells such words from a mistake in the script, and
`explained` turns them into a sentence that ends with the remedy. Nothing here needs an engine.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from gmat_sweep.full_gmat import (
    ATMOSPHERES,
    COMMANDS,
    DATA_FILES,
    PARAMETERS,
    PROPAGATORS,
    RESOURCE_TYPES,
)

__all__ = ["Lack", "explained", "lack_in", "quoted_line", "remedy_of"]

type LackKind = Literal["plugin", "data", "file"]

_PLUGIN = "Set GMAT_ROOT to the folder of a full GMAT installation."
_DATA = (
    "Put the data {files} into a folder, under {these}, and name that folder with GMAT_SWEEP_DATA."
)
_INSTALLED_DATA = "Put the data {files} into the data folder of that GMAT, under {these}."
_FILE = "Mend the path (GMAT finds a file by its full path), or put the file there."

# GMAT ends its words on a script with the line, which it pads with blanks.
_IN_LINE = re.compile(
    r' in line: "(?P<number>\d+): (?P<code>.*)"$| \(line (?P<occurred>\d+)\)$', re.DOTALL
)
# The first word of a statement, after ``GMAT`` and a label.
_WORD = re.compile(r"\s*(?:GMAT\s+)?(?:'[^']*'\s*)?(?P<word>[A-Za-z_]\w*)")
# The resource that an assignment sets a field of.
_ROOT = re.compile(r"\s*(?:GMAT\s+)?(?P<root>[A-Za-z_]\w*)\.[\w.]+\s*=")
_PYTHON = re.compile(r'"Python\.[\w.]+')

_RESOURCE = re.compile(
    r'Cannot create an object "(?P<owner>[^"]*)"\. The "(?P<name>\w+)" is an unknown object type'
)

_PROPAGATOR = re.compile(
    r'"(?P<name>[^"]*)" is an invalid value for field "Type" on Propagator "(?P<owner>[^"]*)"'
)
_ATMOSPHERE = re.compile(r'Unable to create AtmosphereModel "(?P<name>[^"]*)"')
_COMMAND = re.compile(r'cannot create a Command type "(?P<name>\w+)"')
_FORCE = re.compile(r'External Force Model "[^"]*" cannot be created')
# Words on a statement that GMAT takes for something else, because it does not know its command.
_NO_COMMAND = re.compile(
    r"is not available; if it is a GmatFunction|is not a valid Command"
    r"|is not a valid LHS of assignment|^Undefined function, object"
)
_PARAMETER = re.compile(
    r'^"(?P<type>\w+)" is not a valid Parameter Type'
    r'|found for Parameter type "(?P<dependent>\w+)"'
    r'|(?:disallowed object field|disallowed Report Variable:) "(?P<path>[\w.]+)"'
)

# GMAT passes over a name of such a file that is not there, and has none when it flies.
_SPAD = re.compile(r"^SPAD \w+ data requested for Spacecraft (?P<craft>\w+) but no SPAD file")

_FILE_NAMES = (
    re.compile(r'The file name "(?P<name>[^"]*)" does not exist'),
    re.compile(r'The value of "(?P<name>[^"]*)" for field .*\[File must exist\]'),
    re.compile(r'Error opening the DE file "(?P<name>[^"]*)"'),
    re.compile(r"Cannot open the .* file (?P<name>.+), nor the file at the location (?P<tried>.+)"),
    re.compile(r"Error opening EopFile (?P<name>.+)$"),
    re.compile(r"[Ff]ailed to open .*file:? ['\"](?P<name>[^'\"]*)['\"]"),
    re.compile(r"Cannot open input '(?P<name>[^']*)' (?P<picture>texture map|3d model) file"),
    re.compile(r'file "(?P<name>[^"]*)" does not exist'),
)
_PICTURES = {"texture map": "graphics/texture", "3d model": "graphics/bodymodels"}
# The folder of a presented wheel is named after release and contents (`engine.presentation`).
_WHEEL_DATA = re.compile(r"/R20\d\d[a-z]-[0-9a-f]{16}/data/(?P<place>.+)$")
# The path of GMAT's own data, as the GUI writes it: relative to the folder of GMAT's program.
_GMAT_DATA = re.compile(
    r"^(?:\.\./)+data/(?P<place>(?:atmosphere|gravity|planetary_coeff|planetary_ephem)/.+)$"
)
_GRAVITY_BODY = re.compile(r"\.GravityField\.(?P<body>\w+)\.")
_GRAVITY_FOLDERS = ("earth", "luna", "mars", "venus")
# Fields whose plain file name the engine looks for in a folder of its data, as measured.
_FIELD_FOLDERS = (
    ("CSSISpaceWeatherFile", "atmosphere/earth"),
    ("SchattenFile", "atmosphere/earth"),
    ("SPKFilename", "planetary_ephem/spk"),
    ("PCKFilename", "planetary_coeff"),
)
# Fields whose paths GMAT also takes as relative to its own program, as measured.
_GMAT_RELATIVE = re.compile(r"\.GravityField\.|SpiceKernelName")
_SOURCE = re.compile(r"EphemerisSource\s*=\s*'?(?P<name>DE\d+)")


@dataclass(frozen=True, slots=True)
class Lack:
    """Something that the script has a right to ask for and that is not there.

    Attributes
    ----------
    kind : {"plugin", "data", "file"}
        A plugin of the engine, a file of the engine's data, or a file that the script names by its
        path.
    what : str
        The sentence that says so, without a place and a full stop.
    name : str
        The word of the script, or the path of the file: below the data folder for ``"data"``.
    owner : str
        The resource that is not complete for that reason, empty if GMAT names none.
    """

    kind: LackKind
    what: str
    name: str
    owner: str = ""


def quoted_line(said: str) -> tuple[str, int | None, str]:
    """Split GMAT's words into its reason and the line it quotes.

    Returns
    -------
    tuple of (str, int or None, str)
        The reason, the number of the line and its text; None and an empty text if GMAT quotes none.
    """
    quoted = _IN_LINE.search(said)
    if quoted is None:
        return said, None, ""
    number = int(quoted["number"] or quoted["occurred"])
    return said[: quoted.start()], number, quoted["code"] or ""


def lack_in(said: str, statement: str = "", has: Collection[str] = ()) -> Lack | None:
    """Return what GMAT lacked when it said this; None if the script is to be mended.

    Parameters
    ----------
    said : str
        One of `gmat_sweep.causes.engine_errors`.
    statement : str
        The statement that GMAT complains about, if more of it is known than GMAT quotes.
    has : collection of str
        Words that the engine knows. What it knows, it does not lack.
    """
    reason, _, code = quoted_line(said)
    return _plugin(reason, statement or code, has) or _file(reason, statement or code)


def remedy_of(lacks: Collection[Lack], *, installed: bool = False) -> str:
    """Say what helps against all of these, in a sentence for each kind.

    Parameters
    ----------
    lacks : collection of Lack
        At least one.
    installed : bool
        Whether the engine is an installed GMAT, which takes no further data folder.
    """
    sentences = []
    if any(lack.kind == "plugin" for lack in lacks):
        sentences.append(_PLUGIN)
    files = list(dict.fromkeys(lack.name for lack in lacks if lack.kind == "data"))
    if files:
        one = len(files) == 1
        text = _INSTALLED_DATA if installed else _DATA
        sentences.append(
            text.format(
                files="file" if one else "files", these="this name" if one else "these names"
            )
        )
    if any(lack.kind == "file" for lack in lacks):
        sentences.append(_FILE)
    return " ".join(sentences)


def explained(said: str) -> str:
    """Return GMAT's words as a sentence with the remedy, if it lacked something; else unchanged."""
    lack = lack_in(said)
    if lack is None:
        return said
    _, number, code = quoted_line(said)
    # Without the text of the line, it is that of the command that GMAT flew.
    word = "line" if code or lack.kind == "plugin" else "needed on line"
    place = "" if number is None else f" ({word} {number})"
    because = ": the plugin is not part of it" if lack.kind == "plugin" else ""
    return f"{lack.what}{place}{because}. {remedy_of([lack])}"


def _plugin(reason: str, code: str, has: Collection[str]) -> Lack | None:
    if (match := _PROPAGATOR.search(reason)) and match["name"] in PROPAGATORS:
        what = f"this GMAT engine has no propagator of type {match['name']} for {match['owner']}"
        return Lack("plugin", what, match["name"], match["owner"])
    if (match := _ATMOSPHERE.search(reason)) and match["name"] in ATMOSPHERES:
        what = f"this GMAT engine has no atmosphere model {match['name']}"
        return _for_root(what, match["name"], code, is_lame=True)
    if _FORCE.search(reason):
        return _for_root("this GMAT engine has no external force", "External", code, is_lame=True)
    if (match := _RESOURCE.search(reason)) and match["name"] in RESOURCE_TYPES:
        what = f"this GMAT engine cannot create {match['name']} {match['owner']}"
        return Lack("plugin", what, match["name"])
    if _PYTHON.search(reason):
        return _command("CallPythonFunction")
    if (match := _COMMAND.search(reason)) and match["name"] in COMMANDS:
        return _command(match["name"])
    word = _WORD.match(code)
    if word and word["word"] in COMMANDS and word["word"] not in has and _NO_COMMAND.search(reason):
        return _command(word["word"])
    if match := _PARAMETER.search(reason):
        name = match["type"] or match["dependent"] or match["path"].rpartition(".")[2]
        if name in PARAMETERS and name not in has:
            return _for_root(f"this GMAT engine has no parameter {name}", name, code)
    return None


def _for_root(what: str, name: str, code: str, *, is_lame: bool = False) -> Lack:
    """Add the resource that the statement is about; `is_lame` if it is not complete without."""
    root = _ROOT.match(code)
    owner = root["root"] if root else ""
    return Lack("plugin", f"{what} for {owner}" if owner else what, name, owner if is_lame else "")


def _command(name: str) -> Lack:
    note = " to call Python with" if name == "CallPythonFunction" else ""
    return Lack("plugin", f"this GMAT engine has no command {name}{note}", name)


def _file(reason: str, code: str) -> Lack | None:
    match = next((found for each in _FILE_NAMES if (found := each.search(reason))), None)
    if spad := _SPAD.search(reason):
        craft = spad["craft"]
        what = f"the SPAD file of {craft} is not there, or the script names none for {craft}"
        return Lack("file", what, "")
    if match is None:
        return None
    name = match["name"].replace("\\", "/")
    groups = match.groupdict()
    tried = groups.get("tried") or name
    if (picture := groups.get("picture")) and "/" not in name:
        place = f"{_PICTURES[picture]}/{name}"
        return Lack("data", f"the engine's data has no {place}", place)
    if place := _place_in_data(name, tried, code):
        return Lack("data", f"the engine's data has no {place}", place)
    return Lack("file", f"there is no file {match['name']}, which the script names", match["name"])


def _place_in_data(name: str, tried: str, code: str) -> str:
    """Return the place of a file in GMAT's data folder; empty if it is a file of the user's."""
    if (own := _GMAT_DATA.match(name)) and _GMAT_RELATIVE.search(code):
        return own["place"]
    if "/" in name:
        presented = _WHEEL_DATA.search(name)
        return presented["place"] if presented else ""
    if name == "UNSET" and (source := _SOURCE.search(code)):
        number = source["name"].removeprefix("DE")
        return next((each for each in DATA_FILES if each.endswith(f".{number}")), "")
    if presented := _WHEEL_DATA.search(tried):
        return presented["place"]
    # GMAT opens a DE file by its path only.
    for each in () if "DEFilename" in code else DATA_FILES:
        folder, _, known = each.rpartition("/")
        if known.casefold() == name.casefold():
            return f"{folder}/{name}"
    if body := _GRAVITY_BODY.search(code):
        folder = body["body"].lower()
        return f"gravity/{folder if folder in _GRAVITY_FOLDERS else 'other'}/{name}"
    return next((f"{place}/{name}" for field, place in _FIELD_FOLDERS if field in code), "")
