"""A requirement: its limit, its sentence, its identity."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

import gmat_sweep
from gmat_sweep import Requirement, SweepConfigError, load_requirements
from gmat_sweep.verdicts.rules import KEYS

APOGEE: dict[str, Any] = {
    "name": "apogee",
    "column": "Sat.Earth.RadApo",
    "within": [41664.0, 42664.0],
    "probability": 0.997,
}
AS_TOML = """\
[[requirement]]
probability = 0.997
within = [41_664, 42664.0]
column = "Sat.Earth.RadApo"
name = "apogee"
"""


def required(**keys: Any) -> Requirement:
    return Requirement.from_dict({"name": "r", "column": "q", "probability": 0.9, **keys})


def test_it_has_the_keys_of_a_file_and_cannot_be_changed() -> None:
    assert tuple(each.name for each in dataclasses.fields(Requirement)) == KEYS
    with pytest.raises(dataclasses.FrozenInstanceError):
        required(limit="< 1").name = "other"  # type: ignore[misc]
    assert gmat_sweep.Requirement is Requirement


@given(st.lists(st.sampled_from([0.0, -1.0, 1.0, 9.9, 10.0, 350.0, 1e308, -1e308]) | st.floats()))
def test_many_numbers_at_once_hold_where_each_by_itself_does(values: list[float]) -> None:
    for keys in (
        {"limit": "< 10"},
        {"limit": "<= 10"},
        {"limit": "> -1"},
        {"limit": ">= -1"},
        {"within": (-1.0, 10.0)},
        {"target": 0.0, "tolerance": 10.0},
        {"target": 0.0, "tolerance": 10.0, "wrap": 360.0},
    ):
        requirement = required(**keys)

        held = requirement.which_hold(np.array(values, dtype=float))

        assert held.tolist() == [requirement.holds(value) for value in values]


@pytest.mark.parametrize(
    ("keys", "holding", "violating"),
    [
        ({"limit": "< 100"}, [99.99999999999999, -1e300], [100.0, 101.0]),
        ({"limit": "<= 100"}, [100.0], [100.00000000000001]),
        ({"limit": ">-1.5e2"}, [-149.9], [-150.0]),
        ({"limit": ">= 0"}, [0.0, -0.0], [-5e-324]),
        ({"within": (1, 2)}, [1.0, 1.5, 2.0], [0.9999999999999999, 2.0000000000000004]),
        ({"target": 10, "tolerance": 0.5}, [9.5, 10.5], [9.499, 10.501]),
        ({"target": 10, "tolerance": 0}, [10.0], [10.000001]),
        ({"target": 359.5, "tolerance": 1, "wrap": 360}, [359.0, 0.4, -0.5, 719.5], [0.6, 180.0]),
        ({"target": 180, "tolerance": 1, "wrap": 360}, [-180.0, 180.5, -179.1], [0.0, 178.9]),
    ],
)
def test_a_limit_is_compared_as_it_is(
    keys: dict[str, Any], holding: list[float], violating: list[float]
) -> None:
    requirement = required(**keys)
    for value in holding:
        assert requirement.holds(value)
        assert requirement.margin(value) >= 0
    for value in violating:
        assert not requirement.holds(value)
        assert requirement.margin(value) <= 0
    for value in (math.nan, math.inf, -math.inf):
        assert not requirement.holds(value)


def test_a_margin_is_the_distance_to_the_nearer_limit() -> None:
    assert required(limit="< 100").margin(95.5) == 4.5
    assert required(limit=">= 3").margin(1.0) == -2.0
    assert required(within=[41664, 42664]).margin(42452.6) == pytest.approx(211.4)
    assert required(within=[41664, 42664]).margin(41660.0) == -4.0
    assert required(target=1, tolerance=5, wrap=360).margin(358.0) == pytest.approx(2.0)
    assert math.isnan(required(within=[0, 1]).margin(math.nan))
    assert required(limit="< 100").margin(math.inf) == -math.inf


def test_what_it_allows_is_reckoned_in_decimals() -> None:
    # 1 - 0.997 is 0.0030000000000000027 in binary numbers.
    requirement = Requirement.from_dict(APOGEE)
    assert (requirement.level, requirement.allowed, requirement.alpha) == (0.997, 0.003, 0.1)
    assert required(limit="< 1", confidence=0.95).alpha == 0.05
    every = required(limit="< 1", probability=None, every=True)
    assert (every.level, every.allowed) == (None, 0.0)


@pytest.mark.parametrize(
    ("keys", "statement"),
    [
        (APOGEE, "final Sat.Earth.RadApo in [41664, 42664] km in at least 99.7 %"),
        ({"limit": "< 100", "unit": "m/s", "reduce": "max"}, "max q < 100 m/s in at least 90 %"),
        (
            {"target": 359.9, "tolerance": 0.5, "wrap": 360, "column": "S.Earth.RAAN"},
            "final S.Earth.RAAN within 0.5 of 359.9 deg on the circle of 360 in at least 90 %",
        ),
        (
            {"reduce": "at", "at": "3600 s", "limit": "> 1", "probability": None, "every": True},
            "q at 3600 s > 1 in every run",
        ),
        (
            {"reduce": "time_of", "column": None, "when": "S.Earth.Altitude < 120",
             "never": "violates", "limit": "> 1e5"},
            "time of (S.Earth.Altitude < 120) > 100000 s in at least 90 %",
        ),
        (
            {"reduce": "duration", "column": None, "when": "S.Earth.Altitude < 120", "unit": "min",
             "limit": "< 5"},
            "duration of (S.Earth.Altitude < 120) < 5 min in at least 90 %",
        ),
        ({"reduce": "converged", "column": None, "solver": "DC"},
         "convergence of DC in at least 90 %"),
        ({"reduce": "ok", "column": None, "probability": None, "quantile": 0.9999},
         "run ok in at least 99.99 %"),
        ({"all_of": ["a", "b"], "column": None}, "a and b together in at least 90 %"),
    ],
)  # fmt: skip
def test_its_statement_is_a_sentence(keys: dict[str, Any], statement: str) -> None:
    assert required(**keys).statement == statement


def test_its_identity_is_that_of_its_content(tmp_path: Path) -> None:
    files = {
        "r.toml": AS_TOML,
        "r.yaml": yaml.safe_dump({"requirement": [APOGEE]}),
        "r.json": json.dumps([{**APOGEE, "unit": "km", "reduce": "final", "every": False}]),
    }
    made = [Requirement.from_dict(dict(reversed(APOGEE.items())))]
    made.append(
        Requirement(
            "apogee",
            column="Sat.Earth.RadApo",
            within=(np.int64(41664), np.float64(42664)),  # type: ignore[arg-type]
            quantile=0.997,
            confidence=0.9,
        )
    )
    for name, text in files.items():
        (tmp_path / name).write_text(text)
        made += load_requirements(tmp_path / name).requirements

    # By another way: the canonical JSON written by hand.
    content = (
        '{"all_of":[],"at":null,"between":"linear","column":"Sat.Earth.RadApo","confidence":0.9,'
        '"every":false,"extra":null,"failed":"violates","limit":null,"missing":"violates",'
        '"name":"apogee","never":null,"probability":0.997,"quantile":null,"reduce":"final",'
        '"report":null,"since":null,"solver":null,"target":null,"timeout":"unknown",'
        '"tolerance":null,"unit":"km","when":null,"within":[41664.0,42664.0],"wrap":null}'
    )
    assert {each.identity for each in made} == {hashlib.sha256(content.encode()).hexdigest()}
    changed = {
        "name": "other", "column": "Sat.Earth.RadPer", "report": "R", "reduce": "min",
        "within": [41664.0, 42664.5], "unit": "m", "probability": 0.996, "confidence": 0.95,
        "missing": "refuse", "failed": "bounds", "timeout": "violates",
    }  # fmt: skip
    others = {Requirement.from_dict(APOGEE | {key: new}).identity for key, new in changed.items()}
    assert len(others | {made[0].identity}) == len(changed) + 1


def test_a_limit_has_one_identity_however_it_is_written() -> None:
    written = ["< 100", "<100.0", "  <  1e2 ", "< +100.", "<1.0E+02"]
    assert len({required(limit=text).identity for text in written}) == 1
    assert required(limit=">= -0").identity == required(limit=">= 0").identity
    assert required(within=[-0.0, 1]).identity == required(within=[0, 1.0]).identity
    assert required(limit="< 100").identity != required(limit="<= 100").identity


def test_a_solver_and_a_run_have_a_limit_by_themselves() -> None:
    converged = Requirement("dc", reduce="converged", solver="DC", probability=0.99)
    assert (converged.limit, converged.unit) == (">= 1", None)
    assert converged.holds(1.0)
    assert not converged.holds(0.0)
    assert Requirement("ok", reduce="ok", probability=0.99).limit == ">= 1"


def test_the_parts_of_a_joint_requirement_are_those_with_a_limit() -> None:
    loaded = load_requirements(
        [
            {"name": "all", "all_of": ["pair", "c"], "probability": 0.9},
            {"name": "pair", "all_of": ["b", "c"], "probability": 0.9},
            *({"name": name, "column": name, "limit": "< 1", "every": True} for name in "bc"),
        ]
    )
    assert [each.name for each in loaded.parts(loaded["all"])] == ["b", "c"]
    assert loaded.parts(loaded["c"]) == (loaded["c"],)
    with pytest.raises(KeyError):
        loaded["d"]
    for ask in (loaded["all"].holds, loaded["pair"].margin):
        with pytest.raises(SweepConfigError, match=r"no limit of its own\. Ask those of all_of"):
            ask(1.0)
    with pytest.raises(SweepConfigError, match="no limit of its own"):
        loaded["all"].holds(math.nan)


def test_a_call_in_python_is_refused_with_every_mistake() -> None:
    with pytest.raises(SweepConfigError) as caught:
        Requirement("Apogee", column="q", within=(2, 1), limit="< 1", confidence=0.1)
    assert str(caught.value) == (
        "Requirement 'Apogee' cannot be judged:\n"
        "  - name: it must be small letters, digits and hyphens, such as 'dv99', got 'Apogee'\n"
        "  - within: the lower number comes first; write [1, 2]\n"
        "  - confidence: it is 1 minus the chance of a wrong verdict, more than 0.5, got 0.1; "
        "write 0.9\n"
        "  - within: a limit is given by limit already; leave one of them out\n"
        "  - probability: it is missing and has no default; write probability = 0.997, or every = "
        "true"
    )
    with pytest.raises(SweepConfigError, match="qantile: there is no such key; did you mean 'qua"):
        Requirement.from_dict({**APOGEE, "qantile": 0.9})


NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
SHARES = st.floats(1e-15, 1, exclude_max=True)
WORDS = st.sampled_from(["q", "Sat.Earth.RadApo", "Sat.A1ModJulian", "burn time"])


@st.composite
def requirements(draw: st.DrawFn) -> dict[str, Any]:
    """Draw keys of a requirement that has no mistake."""
    keys: dict[str, Any] = {
        "name": draw(st.from_regex(r"[a-z0-9-]{1,12}", fullmatch=True)),
        "reduce": draw(st.sampled_from(["final", "first", "min", "max", "range", "at", "time_of",
                                        "at_event", "duration", "last_time_of", "ok"])),
        "missing": draw(st.sampled_from(["violates", "refuse"])),
        "failed": draw(st.sampled_from(["violates", "bounds", "refuse"])),
        "timeout": draw(st.sampled_from(["unknown", "violates"])),
        "confidence": draw(st.floats(0.5, 1, exclude_min=True, exclude_max=True)),
    }  # fmt: skip
    reduction = keys["reduce"]
    if reduction not in ("time_of", "duration", "last_time_of", "ok"):
        keys["column"] = draw(WORDS)
    if reduction in ("time_of", "duration", "last_time_of", "at_event"):
        keys["when"] = draw(st.sampled_from(["Sat.Earth.Altitude < 120", "q >= -1.5e3"]))
    if reduction in ("time_of", "last_time_of"):
        keys["never"] = draw(st.sampled_from(["violates", "satisfies"]))
    if reduction == "at":
        keys["at"] = draw(st.sampled_from(["3600 s", "01 Jan 2026 12:00:00.000"]))
        keys["between"] = draw(st.sampled_from(["linear", "never"]))
    if reduction != "ok":
        keys |= draw(st.sampled_from([{}, {"report": "RF"}, {"extra": "burns"}]))
    way = draw(st.sampled_from(["limit", "within", "target"]))
    if way == "limit":
        keys["limit"] = f"{draw(st.sampled_from(['<', '<=', '>', '>=']))} {draw(NUMBERS)!r}"
    elif way == "within":
        keys["within"] = sorted([draw(NUMBERS), draw(NUMBERS)])
    else:
        keys["target"], keys["tolerance"] = draw(NUMBERS), abs(draw(NUMBERS))
    share = draw(st.sampled_from(["probability", "quantile", "every"]))
    keys[share] = True if share == "every" else draw(SHARES)
    return keys


@given(st.lists(requirements(), min_size=1, max_size=3, unique_by=lambda keys: keys["name"]))
def test_what_it_says_of_itself_makes_the_same_again(tables: list[dict[str, Any]]) -> None:
    loaded = load_requirements({"requirement": tables, "plan": "anytime", "confidence": 0.8})
    again = load_requirements(json.loads(json.dumps(loaded.to_dict(), allow_nan=False)))
    assert again == loaded
    assert [each.identity for each in again.requirements] == [
        each.identity for each in loaded.requirements
    ]
    for each in loaded.requirements:
        assert each.holds(math.nan) is False
        assert 0 <= each.allowed < 1
        assert each.statement


def test_a_hook_may_write_an_angle_otherwise_than_gmat() -> None:
    hooked = required(column="S.Earth.RAAN", extra="e", unit="deg", within=[-180, 180])
    assert hooked.holds(-90.0)
    # Not said to be an angle: a number like others.
    assert required(column="S.Earth.RAAN", extra="e", target=0, tolerance=1).holds(-0.5)
