"""What one attempt at a run leaves is never taken for the next one's, and does not pile up."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from gmat_sweep import LocalJoblibPool, Manifest, RunSpec
from gmat_sweep.errors import NotPlainFileError, SweepConfigError
from gmat_sweep.folder.attempts import make_way, refuse_linked_sweep, shared_folders
from gmat_sweep.folder.layout import PRESENT_BEFORE_NAME, WORKER_LOG_NAME, order_mark_name
from resumed_sweeps import content, hand_made, reopened, run_of, same

if TYPE_CHECKING:
    import pandas as pd

HOOK = "sweep_hooks:die_in_mid_run"
WHOLE = ["RF.txt", "report__RF.parquet", "worker.log"]
"""What an attempt with a clean folder has there when its hook is called."""


def dying(folder: Path, deaths: int) -> list[RunSpec]:
    """Return three runs, of which the second is killed `deaths` times after GMAT has flown it."""
    return [
        run_of(n, folder, postprocess=HOOK, context={"deaths": deaths if n == 1 else 0})
        for n in range(3)
    ]


def found(folder: Path, run_id: int) -> Any:
    """Return what the hook of the attempt that counts has found in the run's folder."""
    return json.loads((folder / f"run-{run_id}" / "found.json").read_text())


def names_in(folder: Path) -> list[str]:
    """Return what is in a folder, without the log that GMAT leaves in some of them."""
    return sorted({path.name for path in folder.iterdir()} - {"GmatLog.txt"})


@pytest.fixture(scope="module")
def undisturbed(pool: LocalJoblibPool, tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """The frame of the three runs when nobody is killed."""
    folder = tmp_path_factory.mktemp("undisturbed")
    return hand_made(dying(folder, 0), folder, pool).run().to_dataframe()


class TestKilledRuns:
    """A run whose worker gets SIGKILL in mid-run, on the real engine."""

    def test_its_retry_finds_a_clean_folder_and_the_first_attempt_is_kept_apart(
        self, tmp_path: Path, undisturbed: pd.DataFrame
    ) -> None:
        with LocalJoblibPool(2) as pool:
            retried = hand_made(dying(tmp_path, 1), tmp_path, pool, retries=1).run()
        aside = tmp_path / "run-1" / ".attempt-1"

        assert same(undisturbed, retried.to_dataframe())
        assert [found(tmp_path, run_id) for run_id in range(3)] == [
            WHOLE,
            [".attempt-1", *WHOLE],
            WHOLE,
        ]
        assert names_in(aside) == ["RF.txt", "half.csv", "report__RF.parquet"]
        assert list(tmp_path.glob("run-*/.*.tmp-*")) == []
        assert (tmp_path / "run-1" / "worker.log").read_text().count("overrides=") == 2

    def test_resumed_its_latest_earlier_attempt_is_kept_and_what_was_there_before_the_first(
        self, tmp_path: Path, undisturbed: pd.DataFrame
    ) -> None:
        run = tmp_path / "run-1"
        (run / "tables").mkdir(parents=True)
        (run / "tables" / "thrust.txt").write_text("1 2 3")
        with LocalJoblibPool(2) as pool:
            hand_made(dying(tmp_path, 2), tmp_path, pool, retries=0).run()
            left = (run / "half.csv").read_text()
            statuses = [e.status for e in Manifest.load(tmp_path / "manifest.jsonl").entries]
            resumed = reopened(tmp_path, pool, retries=1).resume()
        there = [
            ".attempt-2",
            PRESENT_BEFORE_NAME,
            "RF.txt",
            "report__RF.parquet",
            "tables",
            "worker.log",
        ]

        assert left == "attempt 1"
        assert sorted(statuses) == ["failed", "ok", "ok"]
        assert same(undisturbed, resumed.to_dataframe())
        assert found(tmp_path, 1) == there
        assert names_in(run) == sorted([*there, "found.json", "outcome.seal.json"])
        assert (run / ".attempt-2" / "half.csv").read_text() == "attempt 2"
        assert (run / "tables" / "thrust.txt").read_text() == "1 2 3"

    def test_runs_that_share_a_folder_leave_each_others_files_alone(self, tmp_path: Path) -> None:
        shared = tmp_path / "shared"
        runs = [replace(run, output_dir=shared) for run in dying(tmp_path, 1)[1:]]
        # The second flies over the report of the first, as its maker has allowed.
        runs = [replace(run, run_options={"overwrite": True}) for run in runs]
        with LocalJoblibPool(1) as pool:
            hand_made(runs, tmp_path, pool, retries=1).run()
        entries = Manifest.load(tmp_path / "manifest.jsonl").entries

        assert {entry.status for entry in entries} == {"ok"}
        assert list(shared.glob(".attempt-*")) == []
        assert (shared / "half.csv").exists()


class TestMakeWay:
    """The rules, on plain files."""

    @pytest.fixture
    def run(self, tmp_path: Path) -> RunSpec:
        """A run that may replace what is there."""
        run = run_of(3, tmp_path, run_options={"overwrite": True})
        run.output_dir.mkdir()
        return run

    def left_by_an_attempt(self, run: RunSpec, *names: str) -> None:
        for name in ("worker.log", *names):
            (run.output_dir / name).write_text(name)

    def test_a_folder_that_is_not_there_or_is_empty_stays_so(
        self, run: RunSpec, tmp_path: Path
    ) -> None:
        make_way(run)
        make_way(run_of(4, tmp_path))

        assert content(tmp_path) == {}
        assert not (tmp_path / "run-4").exists()

    def test_an_attempt_that_may_replace_nothing_finds_all_that_is_there(
        self, run: RunSpec
    ) -> None:
        self.left_by_an_attempt(run, "RF.txt")
        before = content(run.output_dir)
        make_way(replace(run, run_options={}))

        assert content(run.output_dir) == before

    def test_folders_are_moved_whole_and_the_script_stays(self, run: RunSpec) -> None:
        folder = run.output_dir
        self.left_by_an_attempt(run, "mission.script")
        (folder / "plots").mkdir()
        (folder / "plots" / "a.png").touch()
        make_way(replace(run, script_path=folder / "mission.script"))

        assert sorted(content(folder)) == [".attempt-1/plots/a.png", "mission.script", "worker.log"]

    def test_the_mark_of_an_order_is_the_pools_to_take_away(self, run: RunSpec) -> None:
        mark = order_mark_name("0a")
        (run.output_dir / mark).touch()
        make_way(run)
        assert list(content(run.output_dir)) == [mark]

        self.left_by_an_attempt(run, "RF.txt")
        make_way(run)
        assert sorted(content(run.output_dir)) == [".attempt-1/RF.txt", mark, "worker.log"]

    def test_nothing_left_takes_no_earlier_attempt_away(self, run: RunSpec) -> None:
        self.left_by_an_attempt(run, "RF.txt")
        for _ in range(3):
            make_way(run)

        assert sorted(content(run.output_dir)) == [".attempt-1/RF.txt", "worker.log"]


class TestSharedFolders:
    """Only a folder that is one run's alone may be tidied."""

    def test_they_are_those_of_several_runs_and_those_around_others(self, tmp_path: Path) -> None:
        places = ["a", "b", "b", "c", "c/inner", ".", "records", "far/d"]
        runs = [run_of(n, tmp_path, output_dir=tmp_path / at) for n, at in enumerate(places)]
        shared = shared_folders(runs, tmp_path, tmp_path / "records" / "of" / "sweeps")
        owned = {run.output_dir for run in runs if str(run.output_dir.absolute()) not in shared}

        assert owned == {tmp_path / "a", tmp_path / "c" / "inner", tmp_path / "far" / "d"}

    def test_relative_folders_are_those_that_will_be_written_to(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)

        shared = shared_folders([run_of(n, Path("sweep"), output_dir=Path("a")) for n in range(2)])

        assert str(tmp_path / "a") in shared


class TestLinks:
    """A run folder that somebody else made leads nobody out of it."""

    @pytest.fixture
    def outside(self, tmp_path: Path) -> Path:
        outside = tmp_path / "outside"
        outside.mkdir()
        (outside / "mine.txt").write_text("mine")
        return outside

    @pytest.fixture
    def sweep(self, tmp_path: Path) -> Path:
        folder = tmp_path / "sweep"
        folder.mkdir()
        return folder

    def refused(self, sweep: Path, run: RunSpec, *, elsewhere: bool = False) -> str:
        """Return why a run is refused, before the sweep and again before the attempt."""
        with pytest.raises(NotPlainFileError) as caught:
            refuse_linked_sweep(sweep / "manifest.jsonl", sweep, [run], elsewhere=elsewhere)
        with pytest.raises(NotPlainFileError):
            make_way(run)
        return str(caught.value)

    @pytest.mark.promise("folders from somebody else", "a run folder that is a link")
    def test_a_run_folder_that_is_a_link_is_refused(self, sweep: Path, outside: Path) -> None:
        (sweep / "run-0").symlink_to(outside)

        assert f"{sweep}/run-0 is a symbolic link" in self.refused(sweep, run_of(0, sweep))
        refuse_linked_sweep(sweep / "manifest.jsonl", sweep, [run_of(1, sweep)], elsewhere=False)
        assert [path.name for path in outside.iterdir()] == ["mine.txt"]

    def test_so_is_one_in_a_folder_that_is_a_link(self, sweep: Path, outside: Path) -> None:
        (sweep / "below").symlink_to(outside)
        (outside / "a").mkdir()
        run = run_of(0, sweep, output_dir=sweep / "below" / "a")
        with pytest.raises(NotPlainFileError, match="below is a symbolic link"):
            refuse_linked_sweep(sweep / "manifest.jsonl", sweep, [run], elsewhere=True)

    @pytest.mark.parametrize("name", [WORKER_LOG_NAME, PRESENT_BEFORE_NAME, "outcome.seal.json"])
    def test_a_file_of_ours_that_is_a_link_is_refused(
        self, name: str, sweep: Path, outside: Path
    ) -> None:
        run = run_of(0, sweep, run_options={"overwrite": True})
        run.output_dir.mkdir()
        (run.output_dir / name).symlink_to(outside / "mine.txt")

        assert f"run-0/{name} is a symbolic link" in self.refused(sweep, run)
        assert (outside / "mine.txt").read_text() == "mine"

    @pytest.mark.parametrize("name", ["RF.txt", "deep/plot.png"])
    def test_a_link_that_would_stay_and_leads_out_is_refused(
        self, name: str, sweep: Path, outside: Path
    ) -> None:
        run = run_of(0, sweep)
        link = run.output_dir / name
        link.parent.mkdir(parents=True)
        link.symlink_to(outside / "mine.txt")

        assert f"{link} is a symbolic link that leads out" in self.refused(sweep, run)
        # Also where the list of what was here before any attempt, which is theirs, too, keeps it.
        (run.output_dir / WORKER_LOG_NAME).touch()
        (run.output_dir / PRESENT_BEFORE_NAME).write_text(json.dumps([Path(name).parts[0]]))
        again = replace(run, run_options={"overwrite": True})
        assert f"{link} is a symbolic link that leads out" in self.refused(sweep, again)

    def test_links_of_an_earlier_attempt_are_set_aside_themselves(
        self, sweep: Path, outside: Path
    ) -> None:
        """A hook may make what links it likes: the next attempt does not meet them."""
        run = run_of(0, sweep, run_options={"overwrite": True})
        run.output_dir.mkdir()
        (run.output_dir / WORKER_LOG_NAME).touch()
        (run.output_dir / "latest.png").symlink_to(outside / "mine.txt")
        (run.output_dir / ".attempt-1").symlink_to(outside)
        refuse_linked_sweep(sweep / "manifest.jsonl", sweep, [run], elsewhere=False)
        make_way(run)

        assert (run.output_dir / ".attempt-2" / "latest.png").is_symlink()
        assert not (run.output_dir / ".attempt-1").is_symlink()
        assert (outside / "mine.txt").read_text() == "mine"

    @pytest.mark.parametrize("name", ["manifest.jsonl", "last-pass.json", "manifest.header.json"])
    def test_what_a_pass_writes_beside_the_manifest_is_no_link(
        self, name: str, sweep: Path, outside: Path
    ) -> None:
        (sweep / name).symlink_to(outside / "mine.txt")
        with pytest.raises(NotPlainFileError, match=f"{name} is a symbolic link"):
            refuse_linked_sweep(sweep / "manifest.jsonl", sweep, [], elsewhere=False)

    def test_runs_that_write_into_the_sweep_folder_leave_the_users_links_there(
        self, sweep: Path, outside: Path
    ) -> None:
        (sweep / "data").symlink_to(outside)
        runs = [run_of(n, sweep, output_dir=sweep) for n in range(2)]
        refuse_linked_sweep(sweep / "manifest.jsonl", sweep, runs, elsewhere=True)

    def test_a_large_new_sweep_is_not_made_twice(self, sweep: Path) -> None:
        def runs() -> Iterator[RunSpec]:
            pytest.fail("a run was asked for")
            yield run_of(0, sweep)

        (sweep / "headless").mkdir()
        (sweep / ".gmat-sweep.lock").touch()
        refuse_linked_sweep(sweep / "manifest.jsonl", sweep, runs(), elsewhere=False)

    @pytest.mark.parametrize("note", ["", "5", "{", "[" * 100_000])
    def test_a_damaged_note_of_what_was_here_before_is_told(self, note: str, sweep: Path) -> None:
        run = run_of(0, sweep, run_options={"overwrite": True})
        run.output_dir.mkdir()
        (run.output_dir / WORKER_LOG_NAME).touch()
        (run.output_dir / PRESENT_BEFORE_NAME).write_text(note)
        with pytest.raises(SweepConfigError, match="cannot be read"):
            make_way(run)
