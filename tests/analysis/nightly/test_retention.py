"""Old nights and sweeps go, but never the last complete one, one in use, or what others named."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmat_sweep import SweepConfigError
from gmat_sweep.analysis.nightly import accept, accepted, accumulated, retention
from gmat_sweep.analysis.nightly.retention import nights_in, prune, sweeps_in
from gmat_sweep.cli import main
from gmat_sweep.disk.lock import FolderLock
from gmat_sweep.errors import SweepFolderInUseError
from judged_nights import REQUIREMENTS, night
from manifests import entry, header


def sweep_in(folder: Path, *, complete: bool = True) -> Path:
    """Make a sweep folder of two runs, one of which is missing unless it is complete."""
    (folder / "run-0").mkdir(parents=True)
    (folder / "run-0" / "report__R.parquet").write_bytes(b"rows")
    whole = header()
    whole.entries.extend(entry(number) for number in range(1 + complete))
    whole.save(folder / "manifest.jsonl")
    return folder


def nights(place: Path, complete: str) -> list[Path]:
    """Make nights, the oldest first: ``c`` is a complete one, ``-`` one that is not."""
    return [
        sweep_in(place / f"2026-11-{number:02d}T033000Z", complete=mark == "c")
        for number, mark in enumerate(complete, 1)
    ]


def kept(place: Path, keep: int) -> list[int]:
    """Return the days of the nights that are kept, oldest first."""
    return sorted(int(old.path.name[8:10]) for old in nights_in(place, keep) if not old.goes)


@pytest.mark.parametrize(
    ("complete", "keep", "days"),
    [
        ("cccc", 2, [3, 4]),
        ("cccc", 9, [1, 2, 3, 4]),
        ("cc--", 1, [2, 4]),
        ("c---", 2, [1, 3, 4]),
        ("----", 1, [4]),
    ],
)
def test_the_newest_nights_and_the_last_complete_one_are_kept(
    complete: str, keep: int, days: list[int], tmp_path: Path
) -> None:
    made = nights(tmp_path, complete)

    assert kept(tmp_path, keep) == days
    gone = prune(tmp_path, nights_in(tmp_path, keep))

    assert sorted(gone) == [night for night in made if int(night.name[8:10]) not in days]
    assert sorted(tmp_path.glob("2026*")) == [each for each in made if each not in gone]
    assert not (tmp_path / ".pruned").exists()
    assert kept(tmp_path, keep) == days


@given(complete=st.text(alphabet="c-", min_size=1, max_size=12), keep=st.integers(1, 14))
def test_whatever_happened_before_there_is_a_night_to_compare_with_if_there_ever_was(
    complete: str, keep: int
) -> None:
    newest_first = [Path(f"{number:02d}") for number in reversed(range(len(complete)))]
    ends_well = {folder for folder in newest_first if complete[int(folder.name)] == "c"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(retention, "is_whole", ends_well.__contains__)
        judged = retention._judged(newest_first, keep)

    staying = {old.path for old in judged if not old.goes}
    assert staying >= set(newest_first[:keep])
    assert staying >= set(sorted(ends_well)[-1:])
    assert len(staying) <= keep + 1


def test_what_is_no_night_is_left_alone(tmp_path: Path) -> None:
    place, elsewhere = tmp_path / "nights", tmp_path / "elsewhere"
    nights(place, "ccc")
    sweep_in(place / "baseline")
    sweep_in(elsewhere)
    (place / "2020-01-01T000000Z").symlink_to(elsewhere)
    (place / "2020-01-02T000000Z").mkdir()
    (place / "2020-01-03T000000Z").touch()
    (place / "2026-11-01T033000Z" / "run-0" / "out").symlink_to(elsewhere)

    prune(place, nights_in(place, 1))

    assert sorted(each.name for each in place.iterdir() if each.name[0] != ".") == [
        "2020-01-01T000000Z",
        "2020-01-02T000000Z",
        "2020-01-03T000000Z",
        "2026-11-03T033000Z",
        "baseline",
    ]
    assert (elsewhere / "manifest.jsonl").is_file()


def test_a_night_that_somebody_writes_to_stays(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first, second, _ = nights(tmp_path, "ccc")
    before = nights_in(tmp_path, 1)
    with FolderLock(first):
        assert [old.path for old in nights_in(tmp_path, 1) if old.reason == "in use"] == [first]
        with caplog.at_level(logging.WARNING, "gmat_sweep"):
            # It was not in use yet when the list was made.
            assert prune(tmp_path, before) == (second,)
    assert "stays" in caplog.text
    assert (first / "manifest.jsonl").is_file()


def test_nothing_goes_while_a_night_is_under_way(tmp_path: Path) -> None:
    made = nights(tmp_path, "ccc")
    with FolderLock(tmp_path), pytest.raises(SweepFolderInUseError):
        prune(tmp_path, nights_in(tmp_path, 1))
    assert all((night / "manifest.jsonl").is_file() for night in made)


def test_a_removal_that_is_stopped_leaves_no_half_night_and_the_next_one_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nights(tmp_path, "ccc")

    def stopped(path: Path) -> None:
        raise OSError(f"{path} is busy")

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", stopped)
        with pytest.raises(OSError, match="busy"):
            prune(tmp_path, nights_in(tmp_path, 1))
    assert list(tmp_path.glob("*/manifest.jsonl")) == [
        night / "manifest.jsonl" for night in sorted(tmp_path.glob("2026*"))
    ]

    prune(tmp_path, nights_in(tmp_path, 1))
    assert [each.name for each in tmp_path.iterdir() if each.is_dir()] == ["2026-11-03T033000Z"]


def test_of_sweeps_each_mission_and_kind_has_its_own_count(tmp_path: Path) -> None:
    def made(kind: str, age: int, *, complete: bool = True) -> Path:
        folder = sweep_in(tmp_path / f"{kind}-{uuid4()}", complete=complete)
        os.utime(folder / "manifest.jsonl", (1e9 - age, 1e9 - age))
        return folder

    old = made("leo-grid", 3)
    last_complete = made("leo-grid", 2)
    new = made("leo-grid", 1, complete=False)
    alone = made("leo-monte_carlo", 9)
    named = sweep_in(tmp_path / "leo-grid-mine")

    assert prune(tmp_path, sweeps_in(tmp_path, 1)) == (old,)
    assert {each for each in tmp_path.iterdir() if each.is_dir()} == {
        last_complete,
        new,
        alone,
        named,
    }


class TestWhatStandsOnANight:
    """The baseline is never removed, and evidence never without saying so."""

    def evidence(self, place: Path, keep: int) -> list[int]:
        return sorted(
            int(old.path.name[8:10])
            for old in nights_in(place, keep)
            if old.goes and old.is_evidence
        )

    def test_the_baseline_stays_however_old(self, tmp_path: Path) -> None:
        for day in range(1, 6):
            night(tmp_path, day, runs=1)
        accept(tmp_path / "2026-11-02T033000Z")

        assert kept(tmp_path, 1) == [2, 5]
        [old] = [each for each in nights_in(tmp_path, 1) if each.path.name[8:10] == "02"]
        assert old.reason == "the baseline"
        prune(tmp_path, nights_in(tmp_path, 1))
        assert accepted(tmp_path) == old.path

    def test_a_night_that_becomes_the_baseline_after_the_look_stays(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        for day in range(1, 4):
            night(tmp_path, day, runs=1)
        judged = nights_in(tmp_path, 1)
        accept(tmp_path / "2026-11-01T033000Z")

        assert prune(tmp_path, judged) == (tmp_path / "2026-11-02T033000Z",)
        assert "has become the baseline" in caplog.text

    def test_nothing_goes_while_nobody_can_tell_the_baseline(self, tmp_path: Path) -> None:
        for day in range(1, 4):
            night(tmp_path, day, runs=1)
        judged = nights_in(tmp_path, 1)
        (tmp_path / "baseline.json").write_text("{")
        with pytest.raises(SweepConfigError, match=r"baseline\.json cannot be understood"):
            nights_in(tmp_path, 1)
        with pytest.raises(SweepConfigError, match=r"baseline\.json cannot be understood"):
            prune(tmp_path, judged)
        assert len(list(tmp_path.glob("2026*"))) == 3

    def test_rotating_nights_since_the_last_change_are_evidence_and_older_ones_not(
        self, tmp_path: Path
    ) -> None:
        for day in range(1, 8):
            night(tmp_path, day, runs=1, script_sha256=("5c" if day > 3 else "6d") * 32)

        assert self.evidence(tmp_path, 1) == [4, 5, 6]
        assert self.evidence(tmp_path, 3) == [4]
        assert self.evidence(tmp_path, 4) == []
        whole = nights_in(tmp_path, 1, keep_evidence=True)
        assert sorted(each.path.name[8:10] for each in whole if each.goes) == ["01", "02", "03"]

    def test_frozen_nights_are_no_evidence_while_one_of_them_stays(self, tmp_path: Path) -> None:
        for day in range(1, 5):
            night(tmp_path, day, runs=1, seed=0)
        assert self.evidence(tmp_path, 1) == []
        night(tmp_path, 2, runs=1, cohort="rotating")
        assert self.evidence(tmp_path, 1) == [2]

    def test_the_last_complete_night_is_complete_in_both_its_cohorts(self, tmp_path: Path) -> None:
        """A night was taken for one whose new draws had been stopped, or not begun."""
        for day in range(1, 5):
            night(tmp_path, day, runs=2, seed=0)
            if day < 4:
                flown = 1 if day == 2 else None
                night(tmp_path, day, runs=2, cohort="rotating", flown=flown)
        begun = tmp_path / "2026-11-03T033000Z" / "rotating"
        shutil.rmtree(begun)
        begun.mkdir()
        (tmp_path / "2026-11-04T033000Z" / "manifest.jsonl").unlink()

        assert kept(tmp_path, 1) == [1, 4]
        for day in (2, 3):
            with pytest.raises(SweepConfigError, match="rotating: not every run of this night"):
                accept(tmp_path / f"2026-11-0{day}T033000Z")

    def test_a_night_whose_new_draws_are_resumed_stays(self, tmp_path: Path) -> None:
        for day in (1, 2):
            night(tmp_path, day, runs=1, seed=0)
        rotating = night(tmp_path, 1, runs=1, cohort="rotating") / "rotating"
        judged = nights_in(tmp_path, 1)
        assert [each.reason for each in judged] == ["new enough", "old"]
        with FolderLock(rotating):
            assert prune(tmp_path, judged) == ()
            assert [each.reason for each in nights_in(tmp_path, 1)] == ["new enough", "in use"]

        assert prune(tmp_path, judged) == (rotating.parent,)

    def test_the_evidence_after_a_removal_is_that_of_the_nights_that_stay(
        self, tmp_path: Path
    ) -> None:
        for day in range(1, 6):
            night(tmp_path, day)
        assert accumulated(tmp_path, REQUIREMENTS).verdicts["ok"].n == 50

        prune(tmp_path, nights_in(tmp_path, 2))

        found = accumulated(tmp_path, REQUIREMENTS)
        assert found.verdicts["ok"].n == 20
        assert found.restarted_because == ()

    def test_the_command_says_how_many_nights_of_evidence_go(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for day in range(1, 4):
            night(tmp_path, day, runs=1)
        words = ["nights", "prune", str(tmp_path), "--keep", "1", "--dry-run"]
        assert main(words) == 0
        said = capsys.readouterr()
        assert said.out.splitlines()[-1].endswith("(old, with evidence)")
        assert "evidence for requirements stands on 2 of the nights that go" in said.err
        assert main([*words, "--keep-evidence"]) == 0
        said = capsys.readouterr()
        assert said.out.splitlines()[-1].endswith("(evidence)")
        assert "stands on" not in said.err


class TestCommand:
    """``gmat-sweep nights prune``."""

    @pytest.fixture
    def place(self, tmp_path: Path) -> Path:
        nights(tmp_path, "cc-")
        return tmp_path

    def test_a_dry_run_lists_and_removes_nothing(
        self, place: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["nights", "prune", str(place), "--keep", "1", "--dry-run"]) == 0

        said = capsys.readouterr()
        assert said.out.splitlines() == [
            f"keep   {place / '2026-11-03T033000Z'} (new enough)",
            f"keep   {place / '2026-11-02T033000Z'} (the last complete one)",
            f"remove {place / '2026-11-01T033000Z'} (old)",
        ]
        assert "1 of 3 nights would go" in said.err
        assert len(list(place.glob("2026*"))) == 3

        assert main(["nights", "prune", str(place), "--keep", "1"]) == 0
        assert "1 of 3 nights removed" in capsys.readouterr().err
        assert len(list(place.glob("2026*"))) == 2

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            (["nights", "prune", "{}", "--keep", "0"], "keep is 0"),
            (["nights", "prune", "{}/gone", "--keep", "1"], "is no folder"),
            (["nights", "prune", "{}/2026-11-01T033000Z", "--keep", "1"], "has no nights"),
            (["sweeps", "prune", "{}", "--keep", "1"], "has no sweeps"),
        ],
    )
    def test_a_mistake_is_named_and_removes_nothing(
        self, arguments: list[str], said: str, place: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main([word.format(place) for word in arguments]) == 2

        assert said in capsys.readouterr().err
        assert len(list(place.glob("2026*"))) == 3


def test_a_keep_below_one_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SweepConfigError, match="keep is 0"):
        sweeps_in(tmp_path, 0)
