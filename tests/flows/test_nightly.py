"""What a night flies, and the nightly flow's own files, without a night."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gmat_sweep.analysis.nightly import accept, accepted
from gmat_sweep.analysis.nightly.cohorts import rotating_seed
from gmat_sweep.analysis.nightly.inputs import InputHashes
from gmat_sweep.analysis.nightly.report import NightReport
from gmat_sweep.errors import NotPlainFileError, SweepConfigError
from gmat_sweep.flows import accepting, nightly, requested
from gmat_sweep.flows.parameters import DEFAULT_SETTINGS, RunSettings
from judged_nights import night as judged_night
from resumed_sweeps import SHORT


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker's GMAT_SWEEP_HOME, where the keys of missions are noted."""
    monkeypatch.setenv("GMAT_SWEEP_HOME", str(tmp_path))


@pytest.mark.promise("folders from somebody else", "a night's folder or records that are links")
def test_a_night_is_written_through_no_link(tmp_path: Path) -> None:
    nights, outside = tmp_path / "nights", tmp_path / "outside"
    nights.mkdir()
    outside.mkdir()
    (outside / "mine").write_text("mine")
    tonight = nights / "2026-01-01"
    comparison = cast("Any", SimpleNamespace(to_markdown=lambda: "x", to_dict=dict))
    report = NightReport(tonight=tonight, comparison=comparison)
    tonight.symlink_to(outside)
    with pytest.raises(NotPlainFileError, match="2026-01-01 is a symbolic link"):
        nightly._note_inputs(tonight, night(mission=SHORT))
    with pytest.raises(NotPlainFileError, match="2026-01-01 is a symbolic link"):
        report.write()
    tonight.unlink()
    tonight.mkdir()
    for name in ("comparison.md", "inputs.json"):
        (tonight / name).symlink_to(outside / "mine")
    with pytest.raises(NotPlainFileError, match="comparison"):
        report.write()
    with pytest.raises(NotPlainFileError, match="inputs"):
        InputHashes({}).write(tonight)
    with pytest.raises(NotPlainFileError, match="inputs"):
        InputHashes.read(tonight)

    assert [(path.name, path.read_text()) for path in outside.iterdir()] == [("mine", "mine")]


STUDY = """\
mission = "leo.script"
n = 3

[vary]
"Sat.SMA" = "normal:7000:5"

[run]
postprocess = "module:function"
"""


def night(**given: Any) -> Any:
    """Return what a night flies that has these parameters, and defaults for the others."""
    defaults: dict[str, Any] = {
        "mission": None,
        "vary": [],
        "n": None,
        "seed": 0,
        "settings": DEFAULT_SETTINGS,
        "max_failed": None,
        "study": None,
        "requirements": None,
        "plan": None,
    }
    return nightly._flown({**defaults, **given})


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A study that names no seed, beside its mission."""
    # Whose keys no other test holds.
    monkeypatch.setenv("GMAT_SWEEP_HOME", str(tmp_path))
    (tmp_path / "leo.script").touch()
    path = tmp_path / "drag.toml"
    path.write_text(STUDY)
    return path


class TestWhatANightFlies:
    def test_nights_of_two_studies_of_one_mission_do_not_meet(self, study: Path) -> None:
        other = study.with_name("mass.toml")
        other.write_text(STUDY)

        assert night(study=study).name == "leo-drag"
        assert night(study=other).name == "leo-mass"
        assert night(mission=study.with_name("leo.script")).name == "leo"

    def test_the_hook_whose_file_is_hashed_is_that_which_flies(self, study: Path) -> None:
        other = RunSettings(postprocess="module:other")

        assert night(study=study).postprocess == "module:function"
        assert night(study=study, settings=other).postprocess == "module:other"

    @pytest.mark.parametrize(
        ("own", "given", "flown"), [("", 0, 0), ("", 7, 7), ("seed = 5", 0, 5), ("seed = 5", 7, 7)]
    )
    def test_every_night_draws_the_same(
        self, study: Path, own: str, given: int, flown: int
    ) -> None:
        study.write_text(f"{own}\n{STUDY}")

        assert night(study=study, seed=given).sweep["seed"] == flown

    @pytest.mark.parametrize("own", ["", "seed = 5"])
    def test_left_empty_every_night_draws_its_own(self, study: Path, own: str) -> None:
        study.write_text(f"{own}\n{STUDY}")
        seeds = {night(study=study, seed=None).sweep["seed"] for _ in range(3)}

        assert len(seeds) == 3
        # A browser reads numbers of JSON into 53 bits.
        assert max(seeds) < 2**53

    def test_a_grid_draws_nothing(self, study: Path) -> None:
        values = STUDY.replace("n = 3", 'design = "grid"').replace("normal:7000:5", "7000,7010")
        study.write_text(values)

        assert night(study=study).sweep["seed"] is None

    def test_it_needs_a_mission_that_is_there(self, study: Path) -> None:
        with pytest.raises(SweepConfigError, match=r"^mission: a night needs one"):
            night()
        study.with_name("leo.script").unlink()
        with pytest.raises(SweepConfigError, match=r"drag\.toml, mission: .*leo\.script was not"):
            night(study=study)


TABLE = 'name = "x"\ncolumn = "Sat.X"\nlimit = "< 9"\nunit = "km"\nprobability = 0.9\n'
REQUIRED = [{"name": "x", "column": "Sat.X", "limit": "< 9", "unit": "km", "probability": 0.9}]


class TestNewDraws:
    """A night's rotating cohort, without a night."""

    NIGHT = Path("nights/leo/2026-11-20T033000Z")

    def test_a_night_has_one_cohort_or_two_and_a_retry_draws_the_same(self, study: Path) -> None:
        mission = study.with_name("leo.script")
        both = nightly._with_rotating(night(mission=mission, n=4, seed=7), 3)
        alone = nightly._with_rotating(night(mission=mission, seed=7), 3)
        of_study = nightly._with_rotating(night(study=study), 3)

        frozen, rotating = both.cohorts(self.NIGHT).items()
        assert (frozen[0], frozen[1]["n"], frozen[1]["seed"]) == (self.NIGHT, 4, 7)
        assert (rotating[0], rotating[1]["n"]) == (self.NIGHT / "rotating", 3)
        assert rotating[1]["seed"] == rotating_seed(7, date(2026, 11, 20))
        assert both.cohorts(self.NIGHT) == both.cohorts(self.NIGHT)
        later = both.cohorts(self.NIGHT.with_name("2026-11-21T033000Z"))
        assert [each["seed"] for each in later.values()] != [7, rotating[1]["seed"]]
        assert list(alone.cohorts(self.NIGHT)) == [self.NIGHT]
        assert list(of_study.cohorts(self.NIGHT)) == [self.NIGHT, self.NIGHT / "rotating"]

    def test_requirements_are_judged_over_nights_and_not_by_each_sweep(self) -> None:
        flown = nightly._with_rotating(night(mission=SHORT, n=4, requirements=REQUIRED), 3)

        assert flown.required is not None
        assert [each.name for each in flown.required.requirements] == ["x"]
        assert {each["requirements"] for each in flown.cohorts(self.NIGHT).values()} == {None}

    def test_a_study_with_its_own_requirements_is_judged_once_a_night(self, study: Path) -> None:
        """Each sweep of the night judged them, too: three events for one requirement."""
        study.with_name("leo.script").write_text(SHORT.read_text())
        study.write_text(f"{STUDY.partition('[run]')[0]}[[requirement]]\n{TABLE}")
        flown = nightly._with_rotating(night(study=study), 3)

        assert flown.required is not None
        assert [each.name for each in flown.required.requirements] == ["x"]
        for sweep in flown.cohorts(self.NIGHT).values():
            asked = nightly._own(sweep)
            assert requested._judged_here(asked, requested.opened(asked)) is None
        alone = nightly._own(night(study=study).sweep)
        judged = requested._judged_here(alone, requested.opened(alone))
        assert judged is not None
        assert [each.name for each in judged.requirements] == ["x"]

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ({"seed": None}, "rotating: the seed of each night is made from seed"),
            ({"plan": "fixed"}, "plan: over nights requirements are judged by the plan anytime"),
            (
                {"requirements": [{**REQUIRED[0], "column": "Sat.SMB"}]},
                r"(?s)requirements: .*no report has the column Sat.SMB.*\nGive requirements",
            ),
        ],
    )
    def test_a_mistake_is_said_before_anything_is_flown(
        self, given: dict[str, Any], said: str
    ) -> None:
        with pytest.raises(SweepConfigError, match=said):
            nightly._with_rotating(night(mission=SHORT, n=4, **given), 3)

    def test_a_design_that_is_no_draw_has_no_new_draws(self, study: Path) -> None:
        study.write_text(f'design = "latin-hypercube"\n{STUDY}')

        with pytest.raises(SweepConfigError, match="a latin-hypercube are no independent draws"):
            nightly._with_rotating(night(study=study), 3)


class TestBaseline:
    """The parameter of the night, and the button, without a flow run."""

    def test_the_parameter_accepts_a_night_once(self, tmp_path: Path) -> None:
        """Who accepted it before stays on record."""
        first = judged_night(tmp_path, 1)
        second = judged_night(tmp_path, 2)
        accept(first, note="mine")
        record = (tmp_path / "baseline.json").read_text()

        nightly._accept(tmp_path, first.name)
        assert (tmp_path / "baseline.json").read_text() == record
        nightly._accept(tmp_path, second.name)
        assert accepted(tmp_path) == second
        for name in ("..", "../x", "2026-11-09T033000Z"):
            with pytest.raises(SweepConfigError):
                nightly._accept(tmp_path, name)
        assert accepted(tmp_path) == second

    def test_the_button_takes_the_last_night_that_is_complete(
        self, tmp_path: Path, study: Path
    ) -> None:
        judged_night(tmp_path / "nights" / "leo", 1)
        second = judged_night(tmp_path / "nights" / "leo", 2)
        judged_night(tmp_path / "nights" / "leo", 3, flown=4)

        place = accepting._place(Path("leo.script"), None, None)
        assert accepting._last_whole(place) == second
        assert accepting._place(None, None, Path("nights/leo")) == place
        assert accepting._place(study.with_name("leo.script"), study, None).name == "leo-drag"
        for nobody in (None, Path("other.script")):
            with pytest.raises(SweepConfigError, match=r"^mission: "):
                accepting._place(nobody, None, None)
        with pytest.raises(SweepConfigError, match="is no folder"):
            accepting._last_whole(tmp_path / "nowhere")
