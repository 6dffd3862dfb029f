"""Files of requirements, and the mistakes that people make in them."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from gmat_sweep import Requirement, SweepConfigError, load_requirements
from gmat_sweep.verdicts.requirement import Requirements

WHOLE = """\
# What the injection has to do.
confidence = 0.95
plan = "anytime"

[[requirement]]
name = "apogee"
column = "Sat.Earth.RadApo"
report = "Trajectory"
within = [41664.0, 42664.0]
unit = "km"
probability = 0.997

[[requirement]]
name = "dv99"
extra = "burns"
column = "dv"
limit = "< 100"
unit = "m/s"
quantile = 0.99
confidence = 0.9

[[requirement]]
name = "node"
column = "Sat.EarthMJ2000Eq.RAAN"
target = 0
tolerance = 0.5
wrap = 360
every = true

[[requirement]]
name = "entry"
reduce = "time_of"
when = "Sat.Earth.Altitude < 120"
never = "violates"
limit = "< 2"
unit = "h"
probability = 0.99

[[requirement]]
name = "solved"
reduce = "converged"
solver = "DC1"
probability = 0.99

[[requirement]]
name = "both"
all_of = ["apogee", "dv99"]
probability = 0.99
"""


@pytest.fixture
def written(tmp_path: Path) -> Any:
    def write(text: str, name: str = "reqs.toml") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def test_a_whole_file_is_read(written: Any) -> None:
    path = written(WHOLE)
    loaded = load_requirements(path)

    assert (loaded.plan, loaded.confidence, loaded.sample) == ("anytime", 0.95, None)
    assert loaded.source == str(path)
    assert [each.name for each in loaded.requirements] == [
        "apogee", "dv99", "node", "entry", "solved", "both",
    ]  # fmt: skip
    assert [each.confidence for each in loaded.requirements] == [0.95, 0.9, *[0.95] * 4]
    assert loaded["dv99"] == Requirement(
        "dv99", extra="burns", column="dv", limit="< 100", unit="m/s", quantile=0.99
    )
    assert loaded["entry"].unit == "h"
    assert loaded["node"].unit == "deg"


def test_every_format_and_python_say_the_same(written: Any) -> None:
    content = tomllib.loads(WHOLE)
    wanted = load_requirements(written(WHOLE)).requirements
    yml = written(yaml.safe_dump(content, sort_keys=False), "r.yml")
    for source in (
        yml,
        str(yml),
        written(json.dumps(content, indent="\t"), "r.json"),
        content,
        list(wanted),
        iter(wanted),
        Requirements(wanted),
    ):
        assert load_requirements(source).requirements == wanted
    bare = written(json.dumps(content["requirement"]), "list.json")
    assert load_requirements(bare).confidence == 0.9


def test_every_mistake_is_told_at_once_with_its_line(written: Any) -> None:
    text = (
        WHOLE.replace("0.997", '"3 sigma"')
        .replace('"DC1"', "3")
        .replace("confidence", "confidance", 1)
    )
    path = written(text)
    with pytest.raises(SweepConfigError) as caught:
        load_requirements(path)
    assert str(caught.value) == (
        f"{path} has no requirements that can be judged:\n"
        "  - line 2, confidance: there is no such key; did you mean 'confidence'?\n"
        "  - line 11, requirement 'apogee', probability: '3 sigma' means two things; write 0.9973 "
        "(two-sided) or 0.99865 (one-sided)\n"
        "  - line 42, requirement 'solved', solver: it must be text without blanks around it, got 3"
    )


def changed(old: str, new: str) -> str:
    assert old in WHOLE
    return WHOLE.replace(old, new, 1)


APOGEE, NODE, ENTRY = "requirement 'apogee'", "requirement 'node'", "requirement 'entry'"
MISTAKES = {
    # At the top.
    "nothing": ("", "requirement: there is none; write a table [[requirement]]"),
    "a plan that is none": (
        changed('"anytime"', '"sequential"'),
        "line 3, plan: it must be 'fixed' or 'anytime', got 'sequential'",
    ),
    "a confidence in percent": (
        changed("= 0.95", "= 95"),
        "line 2, confidence: it must be greater than 0 and less than 1, got 95; write 0.95",
    ),
    "a confidence that is alpha": (
        changed("= 0.95", "= 0.05"),
        "line 2, confidence: it is 1 minus the chance of a wrong verdict, more than 0.5, got 0.05",
    ),
    "a confidence of a coin": (changed("= 0.95", "= 0.5"), "more than 0.5, got 0.5; write 0.9"),
    "the plural": (
        WHOLE.replace("[[requirement]]", "[[requirements]]"),
        "line 5, requirements: there is no such key; did you mean 'requirement'?",
    ),
    "one pair of brackets": (
        "[requirement]\nname = 'a'\n",
        "line 1, requirement: it is one table; write [[requirement]] with two brackets",
    ),
    "a key above the tables": (
        'unit = "km"\n' + WHOLE,
        "line 1, unit: it is a key of one requirement; write it under [[requirement]]",
    ),
    "a claim that is none": (
        changed('plan = "anytime"', "sample = true"),
        "line 3, sample: it must be 'independent', or be left out, got True",
    ),
    # Names.
    "no name": (changed('name = "apogee"\n', ""), "requirement 1, name: it is missing"),
    "a name of other letters": (
        changed('"apogee"\n', '"Apo gee"\n'),
        "line 6, requirement 'Apo gee', name: it must be small letters, digits and hyphens",
    ),
    "a name twice": (
        changed('"dv99"', '"apogee"'),
        f"line 14, {APOGEE}, name: requirement 1 has it already; give each its own",
    ),
    "a key with a typing error": (
        changed("quantile", "quantil"),
        "line 19, requirement 'dv99', quantil: there is no such key; did you mean 'quantile'?",
    ),
    "a sigma": (
        changed("probability = 0.997", "sigma = 3"),
        f"line 11, {APOGEE}, sigma: there is no such key; write the share of runs: probability",
    ),
    # The share.
    "3 sigma": (
        changed("0.997", '"3-sigma"'),
        f"line 11, {APOGEE}, probability: '3-sigma' means two things; write 0.9973",
    ),
    "sigma in words": (
        changed("0.997", '"three sigma"'),
        "probability: it must be the share of runs, got 'three sigma'; write the share of runs: ",
    ),
    "2 sigma": (changed("0.997", '"2 sigma"'), "write 0.9545 (two-sided) or 0.9772 (one-sided)"),
    "sigmas as a number": (
        changed("0.997", "3"),
        "got 3; write 0.03 for 3 %, or 0.9973 (two-sided) or 0.99865 (one-sided) for 3 sigma",
    ),
    "a probability in percent": (changed("0.997", "99.7"), "got 99.7; write 0.997 for 99.7 %"),
    "a probability as text": (changed("0.997", '"99.7 %"'), "without quotes; write 0.997"),
    "a probability of 1": (
        changed("0.997", "1.0"),
        "no number of runs shows a probability of 1; write every = true, or less than 1",
    ),
    "a probability of 0": (changed("0.997", "0"), "it must be greater than 0 and less than 1"),
    "no probability": (
        changed("probability = 0.997\n", ""),
        f"line 5, {APOGEE}, probability: it is missing and has no default",
    ),
    "quantile and probability": (
        changed("quantile = 0.99", "quantile = 0.99\nprobability = 0.99"),
        "line 19, requirement 'dv99', quantile: the share of runs is given by probability already",
    ),
    "every and probability": (
        changed("every = true", "every = true\nprobability = 0.99"),
        f"line 28, {NODE}, every: the share of runs is given by probability already",
    ),
    "every as text": (changed("every = true", 'every = "yes"'), "it must be true or false"),
    # The limit.
    "two ways of a limit": (
        changed("unit =", 'limit = "< 42664"\nunit ='),
        f"line 9, {APOGEE}, within: a limit is given by limit already; leave one of them out",
    ),
    "no limit": (
        changed('limit = "< 100"\n', ""),
        "requirement 'dv99', limit: it is missing; write limit = \"< 100\", within = [low, ",
    ),
    "a limit without a relation": (
        changed('"< 100"', "100"),
        "line 17, requirement 'dv99', limit: it must be a relation and a number; write \"< 100\"",
    ),
    "a limit with its unit": (
        changed('"< 100"', '"< 100 m/s"'),
        'limit: write limit = "< 100" and unit = "m/s", got',
    ),
    "a limit the wrong way round": (changed('"< 100"', '"=< 100"'), "limit: write '<= 100', got"),
    "an equation": (changed('"< 100"', '"== 100"'), "limit: write target and tolerance instead"),
    "a limit of text": (changed('"< 100"', '"below 100"'), "limit: it must be <, <=, > or >= and"),
    "a comma in a number": (changed('"< 100"', '"< 1,000"'), "limit: it must be <, <=, > or >="),
    "a limit without end": (changed('"< 100"', '"< 1e999"'), "limit: it must be a finite number"),
    "an interval upside down": (
        changed("[41664.0, 42664.0]", "[42664.0, 41664.0]"),
        f"line 9, {APOGEE}, within: the lower number comes first; write [41664.0, 42664.0]",
    ),
    "an interval of one": (changed("[41664.0, 42664.0]", "[41664.0]"), "within: it must be the lo"),
    "an interval of text": (changed("[41664.0,", '["41664.0",'), "within: it must be a number wi"),
    "an interval that is not finite": (changed("42664.0]", "inf]"), "within: it must be a finite"),
    "a target without tolerance": (
        changed("tolerance = 0.5\nwrap = 360\n", ""),
        f"{NODE}, tolerance: it is missing; target needs it",
    ),
    "a tolerance without target": (
        changed("target = 0\n", ""),
        f"{NODE}, target: it is missing; tolerance needs it",
    ),
    "a negative tolerance": (changed("= 0.5", "= -0.5"), "it is a distance and cannot be negative"),
    # Angles.
    "an angle at 0 without wrap": (
        changed("wrap = 360\n", ""),
        f"line 25, {NODE}, target: GMAT writes Sat.EarthMJ2000Eq.RAAN from 0 to 360, and the",
    ),
    "an angle at 360 without wrap": (
        changed("target = 0\ntolerance = 0.5\nwrap = 360", "target = 359\ntolerance = 1.0"),
        "add wrap = 360",
    ),
    "a longitude at 180 without wrap": (
        changed("MJ2000Eq.RAAN", ".Longitude")
        .replace("target = 0\n", "target = 180\n")
        .replace("wrap = 360\n", ""),
        "from -180 to 180, and the tolerance reaches beyond; add wrap = 360",
    ),
    "an interval around 0": (
        changed("target = 0\ntolerance = 0.5\nwrap = 360", "within = [-0.5, 0.5]"),
        "from 0 to 360; write target = 0, tolerance = 0.5 and wrap = 360",
    ),
    "half a circle": (changed("wrap = 360", "wrap = 180"), "wrap: the full circle is 360.0 deg"),
    "a wrap of a length": (
        changed("within = [41664.0, 42664.0]", "target = 1\ntolerance = 0\nwrap = 360"),
        "wrap: Sat.Earth.RadApo is no angle, it is in km; leave it out",
    ),
    "a wrap of a time": (
        changed('limit = "< 2"', "target = 1\ntolerance = 0.5\nwrap = 360"),
        f'line 37, {ENTRY}, wrap: the number of reduce = "time_of" is no angle; leave it out',
    ),
    "a wrap of a spread": (
        changed("target = 0\n", 'target = 0\nreduce = "range"\n'),
        f'{NODE}, wrap: the number of reduce = "range" is no angle; leave it out',
    ),
    "a wrap of a ratio": (
        changed("RAAN", "ECC"),
        "wrap: Sat.EarthMJ2000Eq.ECC is no angle, it has no unit; leave it out",
    ),
    "an angle of a hook at 0 without wrap": (
        changed("wrap = 360\n", 'unit = "deg"\nextra = "burns"\n'),
        f"line 25, {NODE}, target: GMAT writes Sat.EarthMJ2000Eq.RAAN from 0 to 360, and the",
    ),
    "a wrap without target": (
        changed("unit =", "wrap = 360\nunit ="),
        "wrap: it goes with target and tolerance; leave it out",
    ),
    "every angle": (changed("tolerance = 0.5", "tolerance = 180"), "every angle is within 180"),
    # Units.
    "a unit of something else": (
        changed('unit = "km"', 'unit = "kg"'),
        f"line 10, {APOGEE}, unit: Sat.Earth.RadApo is in km, got 'kg'; write 'km'",
    ),
    "a length of a time": (changed('unit = "h"', 'unit = "km"'), "unit: a time is in s, got 'km'"),
    "a unit of a ratio": (
        changed("RadApo", "ECC"),
        f"line 10, {APOGEE}, unit: Sat.Earth.ECC has no unit, got 'km'; leave it out",
    ),
    "a unit in a condition": (
        changed("Altitude < 120", "Altitude < 120 kg"),
        f"line 33, {ENTRY}, when: Sat.Earth.Altitude is in km, got 'kg'. Write the number in km",
    ),
    # Reductions.
    "a reduction that is none": (
        changed('"time_of"', '"time-of"'),
        f"line 32, {ENTRY}, reduce: it must be one of 'final', 'first'",
    ),
    "no column": (
        changed('column = "dv"\n', ""),
        "requirement 'dv99', column: reduce = \"final\" needs it; write column = ",
    ),
    "an event without never": (
        changed('never = "violates"\n', ""),
        f'{ENTRY}, never: reduce = "time_of" needs it; write never = "violates" or never = "sati',
    ),
    "an event without when": (
        changed('when = "Sat.Earth.Altitude < 120"\n', ""),
        f'{ENTRY}, when: reduce = "time_of" needs it',
    ),
    "a condition that is none": (
        changed('"Sat.Earth.Altitude < 120"', '"Altitude below 120"'),
        f"line 33, {ENTRY}, when: 'Altitude below 120' is no condition. Write a column",
    ),
    "an event with a column": (
        changed('never = "violates"', 'never = "violates"\ncolumn = "Sat.Earth.Altitude"'),
        f'line 35, {ENTRY}, column: reduce = "time_of" takes no column, as `when` names it',
    ),
    "a time without reduce": (
        changed("unit =", 'at = "3600 s"\nunit ='),
        f'line 10, {APOGEE}, at: reduce = "final" does not take it; leave it out, or write',
    ),
    "a time that is none": (
        changed("unit =", 'reduce = "at"\nat = "an hour"\nunit ='),
        f"line 11, {APOGEE}, at: 'an hour' is no time. Write seconds",
    ),
    "a time as a number": (
        changed("unit =", 'reduce = "at"\nat = 3600\nunit ='),
        "at: it must be ",
    ),
    "no time": (changed("unit =", 'reduce = "at"\nunit ='), 'at: reduce = "at" needs it; write at'),
    "since of a length": (
        changed("unit =", 'since = "01 Jan 2026 12:00:00.000"\nunit ='),
        f"line 10, {APOGEE}, since: Sat.Earth.RadApo is no epoch; leave it out",
    ),
    "convergence of nothing": (
        changed('solver = "DC1"\n', ""),
        'requirement \'solved\', solver: reduce = "converged" needs it; write solver = "DC1"',
    ),
    "a column of a run": (
        changed('reduce = "converged"\nsolver = "DC1"', 'reduce = "ok"\ncolumn = "dv"'),
        "requirement 'solved', column: reduce = \"ok\" does not take it; leave it out",
    ),
    "a unit of a run": (
        changed('reduce = "converged"\nsolver = "DC1"', 'reduce = "ok"\nunit = "s"'),
        'unit: the number of reduce = "ok" is 1 or 0; leave it out',
    ),
    "ok of those that are ok": (
        changed('reduce = "converged"\nsolver = "DC1"', 'reduce = "ok"\nfailed = "given-ok"'),
        "failed: of the runs that are ok, all are; leave it out here",
    ),
    "a report and an extra": (
        changed('extra = "burns"', 'extra = "burns"\nreport = "RF"'),
        "line 15, requirement 'dv99', extra: it is given besides report; leave one of them out",
    ),
    # Policies.
    "a policy that is none": (
        changed("unit =", 'failed = "ignore"\nunit ='),
        f"line 10, {APOGEE}, failed: it must be one of 'violates', 'bounds', 'refuse', 'given-ok'",
    ),
    "a policy of another key": (
        changed("unit =", 'missing = "bounds"\nunit ='),
        "missing: it must be one of 'violates', 'refuse', got 'bounds'",
    ),
    "a timeout with a typing error": (
        changed("unit =", 'timeout = "violate"\nunit ='),
        "timeout: it must be one of 'unknown', 'violates', got 'violate'; did you mean 'violates'?",
    ),
    # Joint requirements.
    "a part that is none": (
        changed('"dv99"]', '"dv98"]'),
        "line 47, requirement 'both', all_of: there is no requirement 'dv98'; did you mean 'dv99'?",
    ),
    "a circle": (
        changed('"dv99"]', '"more"]')
        + '[[requirement]]\nname = "more"\nall_of = ["both", "node"]\nprobability = 0.5\n',
        "all_of: the names go in a circle: ",
    ),
    "a part of itself": (changed('"dv99"]', '"both"]'), "in a circle: both -> both; take one out"),
    "one part": (changed(', "dv99"]', "]"), "all_of: it needs two names or more, got apogee"),
    "a part twice": (changed('"dv99"]', '"apogee"]'), "a name stands in it twice: apogee, apogee"),
    "parts as text": (changed('["apogee", "dv99"]', '"apogee"'), "all_of: it must be names of req"),
    "a joint requirement with a limit": (
        WHOLE + 'limit = "< 3"\n',
        "line 49, requirement 'both', limit: the requirements that all_of names say it for them",
    ),
    "a joint requirement with a policy": (WHOLE + 'failed = "bounds"\n', "leave it out here"),
    # The file.
    "no quotes": (changed('"< 100"', "< 100"), "is no TOML: "),
    "a key twice": (changed("unit =", 'name = "a"\nunit ='), "is no TOML: "),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_with_its_place(written: Any, mistake: str) -> None:
    text, message = MISTAKES[mistake]
    path = written(text)
    with pytest.raises(SweepConfigError) as caught:
        load_requirements(path)
    assert str(path) in str(caught.value)
    assert message in str(caught.value)


@pytest.mark.parametrize("mistake", sorted(MISTAKES.keys() - {"no quotes", "a key twice"}))
def test_the_same_is_told_of_yaml_json_and_python(written: Any, mistake: str) -> None:
    text, message = MISTAKES[mistake]
    content = tomllib.loads(text)
    said = message.partition(": ")[2] or message
    sources = [
        written(yaml.safe_dump(content, sort_keys=False), "reqs.yaml"),
        written(json.dumps(content, indent=1), "reqs.json"),
        content,
    ]
    for source in sources:
        with pytest.raises(SweepConfigError) as caught:
            load_requirements(source)
        assert said.partition("with two brackets")[0] in str(caught.value)


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("reqs.ini", "", "is no file of requirements. Give a .toml, .yaml, .yml or .json file."),
        (
            "reqs.yaml",
            "requirement:\n- name: a\n  column: q\n  limit: > 100\n  probability: 0.9\n",
            'Text that begins with > or = needs quotes, such as "> 100".',
        ),
        (
            "reqs.yaml",
            'requirement:\n- name: a\n  limit: "< 1"\n  limit: "> 1"\n',
            "reqs.yaml, line 4, requirement.0.limit: it stands in line 3 already.",
        ),
        ("reqs.json", '{"requirement": [],}', "is no JSON: "),
        (
            "reqs.json",
            '[\n\t{"name": "a", "column": "q",\n\t "limit": "< 1",\n\t "probability": NaN}]',
            "line 4, requirement 'a', probability: it must be a finite number, got nan",
        ),
        ("reqs.json", "3", "the whole file: it must have tables [[requirement]], got 3"),
        ("reqs.json", '["a", 2]', "requirement 2: it must be a table of keys, got 2"),
        ("reqs.yaml", "requirement: []\n", "line 1, requirement: there is none; write a table"),
    ],
)
def test_a_file_that_is_none_is_named(written: Any, name: str, text: str, message: str) -> None:
    with pytest.raises(SweepConfigError) as caught:
        load_requirements(written(text, name))
    assert message in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SweepConfigError, match=r"none\.toml cannot be read.*Check the path"):
        load_requirements(tmp_path / "none.toml")


@pytest.mark.parametrize("source", [3, None, "", [], {}, [3], b"x", {"requirement": 3}])
def test_what_is_no_requirement_is_refused(source: Any) -> None:
    with pytest.raises(SweepConfigError):
        load_requirements(source)
