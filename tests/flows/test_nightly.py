"""What a night flies, and the nightly flow's own files, without a night."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gmat_sweep.analysis.nightly.inputs import InputHashes
from gmat_sweep.analysis.nightly.night_report import NightReport
from gmat_sweep.errors import NotPlainFileError, SweepConfigError
from gmat_sweep.flows import nightly
from gmat_sweep.flows.parameters import DEFAULT_SETTINGS, RunSettings
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
        nightly._note_inputs(tonight, SHORT, None)
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
