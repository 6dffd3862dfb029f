"""What a flow run asks for: a study, and the parameters that count instead of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gmat_sweep.errors import SweepConfigError
from gmat_sweep.flows.judged import Judgement, loaded
from gmat_sweep.flows.parameters import DEFAULT_KIND, DEFAULT_SETTINGS, RunSettings, SweepParameters
from gmat_sweep.flows.requested import _with_study, opened, run_requested
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
    return opened(parameters(study.parent / "fresh", **given, study=study)).study


def parameters(out: Path, **given: Any) -> SweepParameters:
    """Return parameters of a flow run; those that are not given have their defaults."""
    defaults: dict[str, Any] = {
        "mission": None,
        "kind": DEFAULT_KIND,
        "vary": [],
        "n": None,
        "seed": None,
        "rows": None,
        "out": out,
        "resume": False,
        "settings": DEFAULT_SETTINGS,
        "max_failed": None,
    }
    return SweepParameters(**{**defaults, **given})


def test_with_defaults_alone_the_study_is_taken_as_it_is(study: Path) -> None:
    """Also those of a form, which sends them all."""
    form = RunSettings.model_validate(DEFAULT_SETTINGS.model_dump())

    assert asked(study, settings=form) == asked(study)
    assert asked(study).run.timeout_s == 60.0
    assert asked(study).vary.keys() == {"Sat.DryMass", "Sat.SMA"}


def test_each_flow_run_flies_into_a_folder_of_its_own(study: Path, tmp_path: Path) -> None:
    """A deployment that flew into that of the study, here "here", could fly once."""
    (tmp_path / "leo.script").touch()
    for night in ("one", "two"):
        given = parameters(tmp_path / night, study=study)

        assert _with_study(given, opened(given)).out == tmp_path / night


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


def test_a_relative_file_of_a_covariance_starts_from_the_workers_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GMAT_SWEEP_HOME", str(tmp_path / "home"))
    (tmp_path / "leo.script").touch()
    given = parameters(
        tmp_path / "out", mission=tmp_path / "leo.script", n=2, vary=["Sat=covariance:state.opm"]
    )

    with pytest.raises(SweepConfigError) as told:
        run_requested(given, "no flow run")
    assert f"{tmp_path / 'home' / 'state.opm'} cannot be read" in str(told.value)


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


LOW: dict[str, Any] = {"name": "low", "column": "Sat.X", "limit": "< 8000"}
REQUIRED = [{**LOW, "probability": 0.9}]
STRICT = [{**LOW, "probability": 0.997}]


class TestRequirements:
    @pytest.mark.parametrize("own", ["", 'plan = "anytime"\n[[requirement]]\nname = "own"\n'])
    def test_what_is_given_counts_instead_of_the_studys(self, study: Path, own: str) -> None:
        if own:
            own += 'reduce = "ok"\nprobability = 0.5\n'
        study.write_text(STUDY.replace("[vary]", f"{own}\n[vary]"))

        found = opened(parameters(study, study=study, requirements=REQUIRED, max_runs=70, batch=7))

        assert found.requirements is not None
        assert [each.name for each in found.requirements.requirements] == ["low"]
        assert (found.study.max_runs, found.study.batch) == (70, 7)

    def test_a_studys_own_are_judged_by_the_plan_that_is_given(self, study: Path) -> None:
        own = '[[requirement]]\nname = "own"\nreduce = "ok"\nprobability = 0.5\n'
        study.write_text(STUDY.replace("[vary]", f"{own}\n[vary]"))

        found = opened(parameters(study, study=study, plan="anytime"))

        assert found.requirements is not None
        assert found.requirements["own"].level == 0.5
        assert found.requirements.plan == "anytime"

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ({"plan": "fixed"}, "plan: there are no requirements"),
            ({"max_runs": 9}, "max_runs: there are no requirements"),
            ({"batch": 9}, "batch: there are no requirements"),
            ({"requirements": REQUIRED, "batch": 9}, "batch: without max_runs"),
            (
                {"requirements": REQUIRED, "max_runs": 9, "kind": "latin_hypercube", "n": 9},
                "max_runs: runs of the kind latin hypercube are not independent",
            ),
            (
                {"requirements": REQUIRED, "max_runs": 9, "plan": "fixed"},
                "max_runs: by the plan fixed",
            ),
            (
                {"requirements": {"plan": "fixed", "requirement": REQUIRED}, "max_runs": 9},
                "max_runs: by the plan fixed",
            ),
            ({"requirements": REQUIRED, "max_runs": 9, "n": 10}, "max_runs: it is 9, less than n"),
            ({"requirements": REQUIRED}, "n: a monte_carlo sweep needs"),
            ({"requirements": Path("/nowhere/r.toml")}, "requirements: /nowhere/r.toml cannot be"),
            ({"requirements": []}, "requirements: These are no requirements"),
            (
                {"requirements": {"requirement": [{**LOW, "probabilty": 0.9}]}},
                r"requirements: .*\n  - requirement 'low', probabilty: .*did you mean",
            ),
            (
                {"requirements": [{**REQUIRED[0], "column": "Sat.NoSuch"}], "n": 5},
                r"requirements: leo_short.script .*\n  - requirement 'low', column: no report has",
            ),
            (
                {"requirements": [{**REQUIRED[0], "extra": "burns"}], "max_runs": 500},
                r"requirements: .*\n  - requirement 'low', extra: no postprocess hook",
            ),
        ],
    )
    def test_what_cannot_be_judged_is_refused_before_there_is_a_folder(
        self, leo_short: Path, tmp_path: Path, given: dict[str, Any], said: str
    ) -> None:
        out = tmp_path / "out"
        wrong = parameters(out, mission=leo_short, vary=["Sat.SMA=normal:7000:1"], **given)

        with pytest.raises(SweepConfigError, match=f"(?s)^{said}"):
            run_requested(wrong, "a flow run")
        assert not out.exists()

    def test_a_mistake_in_a_file_is_told_with_its_line(
        self, leo_short: Path, tmp_path: Path
    ) -> None:
        file = tmp_path / "r.toml"
        file.write_text('[[requirement]]\nname = "low"\ncolumn = "Sat.X"\nlimit = "8000"\n')
        wrong = parameters(tmp_path / "out", mission=leo_short, requirements=file, n=5)

        with pytest.raises(
            SweepConfigError, match=r"^requirements: .*r\.toml has .*\n  - line 4, "
        ):
            run_requested(wrong, "a flow run")
        file.write_text(
            '[[requirement]]\nname = "low"\nlimit = "< 8"\nprobability = 0.9\ncolumn = "Sat.U"\n'
        )
        with pytest.raises(
            SweepConfigError, match=r"^requirements: leo_short.*\n  - .*r\.toml, line 5, "
        ):
            run_requested(replace(wrong, vary=["Sat.SMA=normal:7000:1"]), "a flow run")

    @pytest.mark.parametrize(
        ("requirements", "given", "first"),
        [
            # The spec's batch: 50, or a twentieth of the 994 runs that 0.3 % takes at least.
            (REQUIRED, {"max_runs": 10_000}, 50),
            (STRICT, {"max_runs": 10_000}, 50),
            (REQUIRED, {"max_runs": 20}, 20),
            (REQUIRED, {"max_runs": 20, "batch": 7}, 7),
            (REQUIRED, {}, None),
        ],
    )
    def test_without_n_the_first_look_is_after_a_batch(
        self, requirements: Any, given: dict[str, Any], first: int | None
    ) -> None:
        asked = parameters(Path("out"), requirements=requirements, **given)

        assert Judgement.of(loaded(requirements), asked).first_batch == first

    @pytest.mark.parametrize("own", [None, "fixed", "anytime"])
    def test_the_plan_is_the_parameters_or_the_files_and_anytime_of_a_sweep_that_grows(
        self, own: str | None
    ) -> None:
        required = loaded({"plan": own, "requirement": REQUIRED})
        cases: list[tuple[dict[str, Any], str | None]] = [
            # None: a sweep that is resumed has its own.
            ({}, own),
            ({"plan": "anytime"}, "anytime"),
            ({"plan": "fixed"}, "fixed"),
            ({"max_runs": 9}, "anytime"),
        ]

        for given, plan in cases:
            judgement = Judgement.of(required, parameters(Path("out"), **given))
            assert (judgement.plan, judgement.record["plan"]) == (plan, plan or "fixed")
