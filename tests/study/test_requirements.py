"""Requirements in a study: read, refused with their place, and handed on."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from gmat_sweep import Requirement, SweepConfigError
from gmat_sweep.study import read_study, study_schema
from gmat_sweep.study.planning import opened_study
from gmat_sweep.study.requirements import outlook

HEAD = """\
mission = "m.script"
n = 500
plan = "anytime"
confidence = 0.95

[vary]
"Sat.SMA" = "normal:7000:5"
"""
TABLES = """
[[requirement]]
name = "apogee"
column = "Sat.Earth.RadApo"
within = [41664.0, 42664.0]
probability = 0.997

[[requirement]]
name = "dv99"
column = "dv"
limit = "< 100"
quantile = 0.99
confidence = 0.9
"""
SCRIPT = """\
Create Spacecraft Sat;
Create Variable dv;
Create ReportFile RF;
RF.Add = {Sat.Earth.RadApo, dv};
BeginMissionSequence;
"""


@pytest.fixture
def study(tmp_path: Path) -> Any:
    (tmp_path / "m.script").write_text(SCRIPT)

    def write(text: str, name: str = "study.toml") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def at_top(text: str, keys: str) -> str:
    return text.replace("[vary]", f"{keys}\n[vary]", 1)


def test_they_stand_in_the_study_or_in_a_file_beside_it(study: Any) -> None:
    study(TABLES, "reqs.toml")
    content = tomllib.loads(HEAD + TABLES)
    made = [
        opened_study(path).requirements
        for path in (
            study(HEAD + TABLES),
            study(HEAD + TABLES.replace("[[requirement]]", "[[requirements]]"), "tables.toml"),
            study(at_top(HEAD, 'requirements = "reqs.toml"'), "path.toml"),
            study(yaml.safe_dump(content), "study.yaml"),
        )
    ]
    for each in made:
        assert each is not None
        assert (each.plan, each.confidence) == ("anytime", 0.95)
        assert each["apogee"] == Requirement(
            "apogee",
            column="Sat.Earth.RadApo",
            within=(41664, 42664),
            probability=0.997,
            confidence=0.95,
        )
        assert each["dv99"].confidence == 0.9
    assert {each.place("dv99", "limit").rpartition("/")[2] for each in made if each} == {
        "study.toml, line 18, requirement 'dv99', limit",
        "tables.toml, line 18, requirement 'dv99', limit",
        "reqs.toml, line 11, requirement 'dv99', limit",
        "study.yaml, line 14, requirement 'dv99', limit",
    }
    assert (
        opened_study(study(HEAD.replace('plan = "anytime"\nconfidence = 0.95\n', ""))).requirements
        is None
    )


def test_what_is_given_instead_counts(study: Any, tmp_path: Path) -> None:
    other = study(TABLES.replace("apogee", "other") + "\n", "other.toml")
    path = study(HEAD + TABLES)
    opened = opened_study(path, requirements=other, max_runs=4000, batch=100)
    assert opened.requirements is not None
    assert [each.name for each in opened.requirements.requirements] == ["other", "dv99"]
    assert opened.requirements.plan is None
    assert (opened.study.max_runs, opened.study.batch) == (4000, 100)
    assert opened.study.requirements == str(other)

    again = opened_study(path, plan="fixed", n=20)
    assert again.requirements is not None
    assert again.requirements.plan == "fixed"
    both = opened_study(path, requirements=[{"name": "a", "column": "dv", "limit": "< 1",
                                             "every": True}], plan="fixed")  # fmt: skip
    assert both.requirements is not None
    assert (both.requirements.plan, both.requirements.requirements[0].name) == ("fixed", "a")

    study('plan = "fixed"\n' + TABLES, "reqs.toml")
    path = study(at_top(HEAD, 'requirements = "reqs.toml"'))
    with pytest.raises(SweepConfigError, match=r"toml, line 3, plan: it is 'anytime', and 'fixed'"):
        opened_study(path)
    forced = opened_study(path, plan="anytime")
    assert forced.requirements is not None
    assert forced.requirements.plan == "anytime"
    with pytest.raises(SweepConfigError, match=r"max_runs: it is less than n, 500"):
        opened_study(study(HEAD + TABLES), max_runs=10)


MISTAKES = {
    "a requirement with a typing error": (
        HEAD + TABLES.replace("quantile", "quantle"),
        "line 19, requirement 'dv99', quantle: there is no such key; did you mean 'quantile'?",
    ),
    "a requirement with an interval upside down": (
        HEAD + TABLES.replace("41664.0, 42664.0", "2.0, 1.0"),
        "line 12, requirement 'apogee', within: the lower number comes first; write [1.0, 2.0]",
    ),
    "a wrong unit": (
        HEAD + TABLES.replace("probability", 'unit = "kg"\nprobability', 1),
        "line 13, requirement 'apogee', unit: Sat.Earth.RadApo is in km, got 'kg'; write 'km'",
    ),
    "requirements that are a number": (
        at_top(HEAD, "requirements = 3"),
        "line 6, requirements: it must be tables [[requirements]], got 3",
    ),
    "one pair of brackets": (
        HEAD + '[requirement]\nname = "a"\n',
        "line 8, requirement: it is one table; write [[requirement]] with two brackets",
    ),
    "a file and tables": (
        at_top(HEAD, 'requirements = "reqs.toml"') + TABLES,
        "line 6, requirements: there are tables [[requirement]], too; leave one out",
    ),
    "a plan that is none": (
        HEAD.replace('"anytime"', '"now"') + TABLES,
        "line 3, plan: input should be 'fixed' or 'anytime', got 'now'",
    ),
    "a plan without requirements": (HEAD, "line 3, plan: there are no requirements; add them, or"),
    "a confidence in percent": (
        HEAD.replace("0.95", "95.0") + TABLES,
        "line 4, confidence: input should be less than 1, got 95.0",
    ),
    "a confidence that is alpha": (
        HEAD.replace("0.95", "0.05") + TABLES,
        "line 4, confidence: input should be greater than 0.5, got 0.05",
    ),
    "a fixed plan with max_runs": (
        at_top(HEAD.replace("anytime", "fixed"), "max_runs = 900") + TABLES,
        'line 6, max_runs: a fixed plan flies n runs; write plan = "anytime", or leave it out',
    ),
    "max_runs below n": (
        at_top(HEAD, "max_runs = 90") + TABLES,
        "line 6, max_runs: it is less than n, 500; write more",
    ),
    "max_runs of a design": (
        at_top(HEAD, 'max_runs = 900\ndesign = "sobol"') + TABLES,
        "line 6, max_runs: runs of a design 'sobol' are not independent draws; fly monte-carlo",
    ),
    "max_runs of zero": (at_top(HEAD, "max_runs = 0") + TABLES, "line 6, max_runs: input should"),
    "a batch as text": (at_top(HEAD, 'batch = "ten"') + TABLES, "line 6, batch: input should be a"),
    "a claim of draws": (
        at_top(HEAD, 'sample = "independent"') + TABLES,
        "line 6, sample: only the rows of an explicit design claim it",
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_with_its_place(study: Any, mistake: str) -> None:
    text, message = MISTAKES[mistake]
    path = study(text)
    with pytest.raises(SweepConfigError) as caught:
        read_study(path)
    assert str(path) in str(caught.value)
    assert message in str(caught.value)


def test_mistakes_of_study_and_requirements_are_told_together(study: Any) -> None:
    text = HEAD.replace("n = 500", "n = 0") + TABLES.replace("< 100", "100")
    with pytest.raises(SweepConfigError) as caught:
        read_study(study(text))
    assert re.findall(r"line \d+", str(caught.value)) == ["line 2", "line 18"]


def test_a_file_of_requirements_with_a_mistake_is_named(study: Any) -> None:
    path = study(at_top(HEAD, 'requirements = "reqs.toml"'))
    with pytest.raises(
        SweepConfigError, match=r"study\.toml, line 6, requirements: .*reqs\.toml can"
    ):
        opened_study(path)
    study(TABLES.replace("< 100", "100"), "reqs.toml")
    with pytest.raises(SweepConfigError, match=r"reqs\.toml has no requirements .*\n  - line 11, "):
        opened_study(path)


def test_a_column_that_no_report_declares_is_refused_before_any_run(
    study: Any, tmp_path: Path
) -> None:
    text = HEAD + TABLES.replace('column = "dv"', 'column = "dv2"')
    path = study(text)
    with pytest.raises(SweepConfigError) as caught:
        opened_study(path).planned(tmp_path / "out")
    assert (
        f"{path}, line 17, requirement 'dv99', column: no report has the column dv2; did you"
        in (str(caught.value))
    )
    planned = opened_study(study(HEAD + TABLES)).planned(tmp_path / "out")
    assert planned.requirements == opened_study(path.with_name("study.toml")).requirements


@pytest.mark.parametrize(
    ("keys", "share", "plan", "said"),
    [
        ("n = 767", 0.997, "fixed", ""),
        ("n = 766", 0.997, "fixed", "766 runs cannot show this; at least 767 are needed"),
        ("n = 767", 0.997, "anytime", "767 runs cannot show this; at least 994 are needed"),
        ("n = 10\nmax_runs = 994", 0.997, None, ""),
        ("n = 10\nmax_runs = 993", 0.997, None, "993 runs cannot show this; at least 994"),
        ("n = 10", None, None, "random draws never show that every run meets it; they can show"),
        ('n = 10\ndesign = "latin-hypercube"', 0.9, None, "a design 'latin-hypercube' cannot show"),
        ('design = "grid"', None, None, ""),
    ],
)  # fmt: skip
def test_a_study_says_what_it_cannot_show(
    study: Any, keys: str, share: float | None, plan: str | None, said: str
) -> None:
    # The numbers of runs are those of the oracles, for 90 % confidence.
    required = Requirement("r", column="dv", limit="< 1", probability=share, every=share is None)
    head = HEAD.replace("n = 500\n", f"{keys}\n").replace('plan = "anytime"\n', "")
    read = read_study(study(head + TABLES))
    assert outlook(required, read, plan).startswith(said)
    assert bool(outlook(required, read, plan)) == bool(said)


def test_rows_show_a_share_where_they_are_claimed_to_be_draws(study: Any) -> None:
    required = Requirement("r", column="dv", limit="< 1", probability=0.9)
    head = 'mission = "m.script"\ndesign = "explicit"\nrows = "r.csv"\n'
    assert "say so with sample" in outlook(required, read_study(study(head + TABLES)), None)
    claimed = read_study(study(f'{head}sample = "independent"\n{TABLES}'))
    assert outlook(required, claimed, None) == ""


def test_the_schema_takes_them_and_refuses_what_the_reader_refuses() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(json.dumps(study_schema()))
    jsonschema.validate(tomllib.loads(HEAD + TABLES), schema)
    jsonschema.validate(tomllib.loads(at_top(HEAD, 'requirements = "reqs.toml"')), schema)
    for mistake in (
        "a requirement with a typing error", "requirements that are a number",
        "one pair of brackets", "a plan that is none", "a confidence in percent",
    ):  # fmt: skip
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(tomllib.loads(MISTAKES[mistake][0]), schema)
