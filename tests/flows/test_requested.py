"""What a flow run asks for: a study, and the parameters that count instead of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gmat_sweep.errors import SweepConfigError
from gmat_sweep.flows.parameters import DEFAULT_KIND, DEFAULT_SETTINGS, RunSettings, SweepParameters
from gmat_sweep.flows.requested import opened
from gmat_sweep.study.model import Study

STUDY = """\
mission = "leo.script"
n = 3
seed = 11
out = "here"

[vary]
"Sat.DryMass" = { distribution = "normal", mean = 850, sigma = 20 }
"Sat.SMA" = "normal:7000:5"

[run]
workers = 1
timeout_s = 60.0
max_failed = "5%"
"""


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A study file."""
    path = tmp_path / "study.toml"
    path.write_text(STUDY)
    return path


def asked(study: Path, **given: Any) -> Study:
    """Return a study as a flow run with these parameters takes it; the others have defaults."""
    parameters: dict[str, Any] = {
        "mission": None,
        "kind": DEFAULT_KIND,
        "vary": [],
        "n": None,
        "seed": None,
        "rows": None,
        "out": study.parent / "fresh",
        "resume": False,
        "settings": DEFAULT_SETTINGS,
        "max_failed": None,
    }
    return opened(SweepParameters(**{**parameters, **given}, study=study)).study


def test_with_defaults_alone_the_study_is_taken_as_it_is(study: Path) -> None:
    """Also those of a form, which sends them all."""
    form = RunSettings.model_validate(DEFAULT_SETTINGS.model_dump())

    assert asked(study, settings=form) == asked(study)
    assert asked(study).run.timeout_s == 60.0
    assert asked(study).vary.keys() == {"Sat.DryMass", "Sat.SMA"}


@pytest.mark.parametrize(
    ("given", "name", "value"),
    [
        ({"mission": Path("/m/other.script")}, "mission", "/m/other.script"),
        ({"kind": "latin_hypercube"}, "design", "latin-hypercube"),
        ({"kind": "sobol"}, "design", "sobol"),
        ({"n": 9}, "n", 9),
        ({"seed": 0}, "seed", 0),
    ],
)
def test_what_is_given_counts_instead(
    study: Path, given: dict[str, Any], name: str, value: object
) -> None:
    found = asked(study, **given)

    assert getattr(found, name) == value
    unchanged = asked(study).model_dump(exclude={name})
    assert found.model_dump(exclude={name}) == unchanged


def test_a_line_of_vary_counts_instead_of_what_the_file_says_of_that_field(study: Path) -> None:
    found = asked(study, vary=["Sat.SMA=uniform:6990:7010", "Sat.INC = normal:28:0.1"])

    assert found.vary["Sat.SMA"] == "uniform:6990:7010"
    assert found.vary["Sat.INC"] == "normal:28:0.1"
    assert found.vary["Sat.DryMass"] == asked(study).vary["Sat.DryMass"]


def test_a_setting_counts_instead_and_the_others_stay(study: Path) -> None:
    run = asked(study, settings=RunSettings(workers=2, nominal=True)).run

    assert (run.workers, run.nominal) == (2, True)
    assert (run.timeout_s, run.max_failed) == (60.0, "5%")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"vary": ["Sat.SMA"]}, "vary 'Sat.SMA' must contain '='"),
        ({"vary": ["Sat.SMA="]}, "vary 'Sat.SMA=' has no distribution or values"),
        ({"kind": "grid"}, "n: the size of a design 'grid' is that of its values"),
        ({"rows": Path("/m/rows.csv")}, "rows: only an explicit design has rows"),
    ],
)
def test_what_does_not_fit_the_study_is_refused(
    study: Path, given: dict[str, Any], said: str
) -> None:
    with pytest.raises(SweepConfigError, match=said):
        asked(study, **given)
