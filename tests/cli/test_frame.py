"""``--frame`` and ``--name``: the frame of a report beside the sweep folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from cli_sweeps import GRID, SCRIPT, manifest, refused
from gmat_sweep.aggregate import lazy_multiindex
from gmat_sweep.cli import main
from gmat_sweep.cli.frame import FrameFile, FrameNotWrittenError
from gmat_sweep.cli.table_file import TableFile
from gmat_sweep.folder.frames import hash_of, note_frame
from gmat_sweep.manifest import Manifest
from gmat_sweep.sweep import Sweep
from sweep_on_disk import SweepOnDisk, report

if TYPE_CHECKING:
    from collections.abc import Callable

TWO_REPORTS = (
    "Create Spacecraft Sat;\nCreate ReportFile B;\nCreate ReportFile A;\nA.Add = {Sat.X};\n"
)
# Epochs that no frame takes.
IN_A_ZONE = pd.to_datetime(["2026-01-01"]).tz_localize("UTC")


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "sweep"


@pytest.fixture
def two_reports(tmp_path: Path) -> Path:
    path = tmp_path / "two.script"
    path.write_text(TWO_REPORTS)
    return path


@pytest.fixture
def leaving(monkeypatch: pytest.MonkeyPatch, out: Path) -> Callable[[SweepOnDisk], None]:
    """Return a function that lets sweeps end with the runs that are given to it."""

    def arrange(runs: SweepOnDisk) -> None:
        def end(sweep: Sweep) -> Sweep:
            runs.manifest.save(sweep.manifest_path)
            runs.manifest.close()
            return sweep

        monkeypatch.setattr(Sweep, "to_manifest", lambda sweep: Manifest.load(sweep.manifest_path))
        monkeypatch.setattr(Sweep, "run", end)
        monkeypatch.setattr(Sweep, "resume", end)

    return arrange


def words(script: Path, out: Path, *more: object) -> list[str]:
    return ["run", str(script), *GRID, "--out", str(out), *map(str, more)]


class TestWhatIsWritten:
    def test_a_parquet_file_holds_the_frame_with_its_index(
        self,
        leaving: Callable[[SweepOnDisk], None],
        capsys: pytest.CaptureFixture[str],
        out: Path,
        tmp_path: Path,
    ) -> None:
        runs = SweepOnDisk(out)
        runs.ok(0, {"report__RF": report(7000)})
        runs.failed(1)
        leaving(runs)
        path = tmp_path / "new" / "frame.parquet"

        assert main(words(SCRIPT, out, "--frame", path)) == 0
        expected = lazy_multiindex(runs.manifest, out)
        assert_frame_equal(pd.read_parquet(path), expected, check_exact=True)
        assert capsys.readouterr().out.splitlines() == [
            f"2 runs (1 ok, 1 failed) in 2.00 s — output: {out}",
            f"frame: {path}",
        ]

    def test_a_csv_file_has_run_id_and_time_as_its_first_columns(
        self, leaving: Callable[[SweepOnDisk], None], out: Path, tmp_path: Path
    ) -> None:
        runs = SweepOnDisk(out)
        runs.ok(0, {"report__RF": report(7000.125, rows=1)})
        leaving(runs)

        assert main(words(SCRIPT, out, "--frame", tmp_path / "frame.CSV")) == 0
        assert (tmp_path / "frame.CSV").read_text() == (
            "run_id,time,Sat.UTCGregorian,Sat.SMA,__status\n0,2026-01-01,2026-01-01,7000.125,ok\n"
        )

    def test_of_several_reports_it_is_the_one_that_is_named(
        self,
        leaving: Callable[[SweepOnDisk], None],
        out: Path,
        tmp_path: Path,
        two_reports: Path,
    ) -> None:
        runs = SweepOnDisk(out)
        runs.ok(0, {"report__A": report(1.0), "report__B": report(2.0)})
        leaving(runs)
        path = tmp_path / "frame.parquet"

        assert main(words(two_reports, out, "--frame", path, "--name", "B")) == 0
        assert pd.read_parquet(path)["Sat.SMA"].tolist() == [2.0, 2.25, 2.5]

    def test_a_file_that_is_there_is_replaced_so_that_a_resume_can_write_it_again(
        self, leaving: Callable[[SweepOnDisk], None], out: Path, tmp_path: Path
    ) -> None:
        path, manifest_path = tmp_path / "frame.csv", out / "manifest.jsonl"
        runs = SweepOnDisk(out)
        runs.ok(0, {"report__RF": report()})
        runs.failed(1)
        leaving(runs)
        assert main(words(SCRIPT, out, "--frame", path)) == 0
        first = path.read_text()
        manifest("ok", "failed").save(manifest_path)
        runs.entries.pop()
        runs.ok(1, {"report__RF": report(8000)})

        resume = ["resume", str(manifest_path), "--script", str(SCRIPT), "--frame", str(path)]

        assert main(resume) == 0
        assert "failed" in first
        assert "failed" not in path.read_text()
        assert "8000" in path.read_text()

    def test_it_is_written_also_when_every_run_failed(
        self, leaving: Callable[[SweepOnDisk], None], out: Path, tmp_path: Path
    ) -> None:
        runs = SweepOnDisk(out)
        runs.failed(0)
        leaving(runs)

        assert main(words(SCRIPT, out, "--frame", tmp_path / "frame.csv")) == 5
        assert (tmp_path / "frame.csv").read_text() == "run_id,time,__status\n0,,failed\n"

    def test_without_the_flag_there_is_none(
        self,
        leaving: Callable[[SweepOnDisk], None],
        capsys: pytest.CaptureFixture[str],
        out: Path,
        two_reports: Path,
    ) -> None:
        runs = SweepOnDisk(out)
        runs.ok(0, {"report__A": report(), "report__B": report()})
        leaving(runs)

        assert main(words(two_reports, out)) == 0
        assert capsys.readouterr().out.count("\n") == 1

    def test_reports_that_make_no_frame_are_1_after_the_summary_and_leave_what_was_there(
        self,
        leaving: Callable[[SweepOnDisk], None],
        capsys: pytest.CaptureFixture[str],
        out: Path,
        tmp_path: Path,
    ) -> None:
        runs = SweepOnDisk(out)
        runs.ok(0, {"report__RF": pd.DataFrame({"time": IN_A_ZONE})})
        leaving(runs)
        path = tmp_path / "frame.csv"
        path.write_text("old")
        note_frame(out, path, hash_of(path))

        assert main(words(SCRIPT, out, "--frame", path)) == 1
        printed, err = capsys.readouterr()
        assert printed.startswith("1 runs (1 ok)")
        assert err.startswith(
            f"gmat-sweep: the runs are recorded, but --frame {path} could not be written: "
        )
        assert "time zone" in err
        assert path.read_text() == "old"

    def test_runs_that_failed_count_for_more_than_a_frame_that_could_not_be_written(
        self, leaving: Callable[[SweepOnDisk], None], out: Path, tmp_path: Path
    ) -> None:
        runs = SweepOnDisk(out)
        runs.ok(0, {"report__RF": pd.DataFrame({"time": IN_A_ZONE})})
        runs.failed(1)
        leaving(runs)

        frame = ("--frame", tmp_path / "frame.csv")

        assert main(words(SCRIPT, out, *frame, "--max-failed", "0")) == 5


class TestWhatIsReplaced:
    """A frame that this sweep wrote, as it wrote it; any other file stays, and nothing is run."""

    @pytest.fixture
    def resumable(
        self, leaving: Callable[[SweepOnDisk], None], out: Path
    ) -> Callable[..., list[str]]:
        """Return the words of a resume of a sweep whose run ended with this value of Sat.SMA."""

        def arrange(frame: Path, sma: float = 7000.0) -> list[str]:
            runs = SweepOnDisk(out)
            runs.ok(0, {"report__RF": report(sma, rows=1)})
            leaving(runs)
            manifest("ok").save(out / "manifest.jsonl")
            place = str(out / "manifest.jsonl")
            return ["resume", place, "--script", str(SCRIPT), "--frame", str(frame)]

        return arrange

    @pytest.mark.parametrize("name", ["f.csv", "f.parquet"])
    def test_a_frame_that_was_moved_or_copied_is_still_one(
        self, resumable: Callable[..., list[str]], tmp_path: Path, name: str
    ) -> None:
        first, moved = tmp_path / name, tmp_path / f"moved-{name}"
        assert main(resumable(first)) == 0
        first.rename(moved)

        assert main(resumable(moved, 8000.0)) == 0
        assert main(resumable(first, 8000.0)) == 0
        assert first.read_bytes() == moved.read_bytes()

    @pytest.mark.parametrize(
        ("name", "content", "said"),
        [
            ("f.csv", b"mine\n", "is there already and is no frame of this sweep"),
            ("f.csv", b"", "is there already and is no frame of this sweep"),
            ("f.parquet", None, "is there already and is no frame of this sweep"),
        ],
        ids=["text", "empty", "parquet of something else"],
    )
    def test_a_file_of_another_origin_is_not(
        self,
        resumable: Callable[..., list[str]],
        capsys: pytest.CaptureFixture[str],
        tmp_path: Path,
        name: str,
        content: bytes | None,
        said: str,
    ) -> None:
        path = tmp_path / name
        if content is None:
            pd.DataFrame({"mine": [1]}).to_parquet(path)
        else:
            path.write_bytes(content)
        before = path.read_bytes()

        told = refused(capsys, 2, *resumable(path))

        assert told == (
            f"--frame {path} {said}, so it is not replaced. Move it away, or give another file."
        )
        assert path.read_bytes() == before

    def test_a_frame_that_was_edited_since_is_not(
        self,
        resumable: Callable[..., list[str]],
        capsys: pytest.CaptureFixture[str],
        tmp_path: Path,
    ) -> None:
        path = tmp_path / "f.csv"
        assert main(resumable(path)) == 0
        path.write_text(path.read_text() + "0,,a note of mine,,\n")
        capsys.readouterr()

        assert "has changed since this sweep wrote it" in refused(capsys, 2, *resumable(path))
        assert path.read_text().endswith("a note of mine,,\n")

    def test_a_frame_of_another_sweep_is_not(
        self,
        leaving: Callable[[SweepOnDisk], None],
        resumable: Callable[..., list[str]],
        capsys: pytest.CaptureFixture[str],
        tmp_path: Path,
    ) -> None:
        path, other = tmp_path / "f.parquet", SweepOnDisk(tmp_path / "other")
        other.ok(0, {"report__RF": report(1.0)})
        leaving(other)
        assert main(words(SCRIPT, other.folder, "--frame", path)) == 0
        capsys.readouterr()

        assert "is no frame of this sweep" in refused(capsys, 2, *resumable(path))
        assert pd.read_parquet(path)["Sat.SMA"].iloc[0] == 1.0

    def test_a_frame_that_was_made_read_only_is_not(
        self,
        resumable: Callable[..., list[str]],
        capsys: pytest.CaptureFixture[str],
        tmp_path: Path,
    ) -> None:
        path = tmp_path / "f.csv"
        assert main(resumable(path)) == 0
        path.chmod(0o444)
        capsys.readouterr()

        assert "is there already and is read-only" in refused(capsys, 2, *resumable(path))

    def test_a_file_that_appears_while_the_runs_are_flown_is_not(
        self,
        leaving: Callable[[SweepOnDisk], None],
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
        out: Path,
        tmp_path: Path,
    ) -> None:
        runs, path = SweepOnDisk(out), tmp_path / "f.csv"
        runs.ok(0, {"report__RF": report()})
        leaving(runs)
        end = Sweep.run

        def written_meanwhile(sweep: Sweep) -> Sweep:
            path.write_text("mine")
            return end(sweep)

        monkeypatch.setattr(Sweep, "run", written_meanwhile)

        assert main(words(SCRIPT, out, "--frame", path)) == 1
        assert "is no frame of this sweep" in capsys.readouterr().err
        assert path.read_text() == "mine"


class TestWhatIsRefusedBeforeAnythingIsRun:
    @pytest.fixture(autouse=True)
    def nothing_is_started(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def start(_: Sweep) -> None:
            raise AssertionError("the sweep was started")

        monkeypatch.setattr(Sweep, "run", start)

    @pytest.mark.parametrize(
        ("more", "said"),
        [
            (("--name", "RF"), "--name says which report --frame writes. Add --frame PATH."),
            (("--frame", "f.csv", "--name", "Nope"), "no report output named 'Nope'; it has: RF."),
            (("--frame", "f.xlsx"), "--frame f.xlsx is not supported"),
            (("--frame", "f"), "Give a .parquet or a .csv file"),
            (("--frame", "folder.csv"), "--frame folder.csv cannot be written"),
            (("--frame", "file/f.csv"), "--frame file/f.csv cannot be written"),
            (("--frame", "file/new/f.csv"), "--frame file/new/f.csv cannot be written"),
            (("--frame", "mine.csv"), "--frame mine.csv is there already and is no frame of this"),
            (("--frame", "loose.csv"), "--frame loose.csv is a link to nothing, so it is not"),
            (("--frame", "link.csv"), "--frame link.csv is a symbolic link, so it is not replaced"),
            (("--frame", "sweep/run-1/f.csv"), "is in the folder of a run, where GMAT writes"),
        ],
        ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
    )
    def test_a_frame_that_cannot_be(
        self,
        capsys: pytest.CaptureFixture[str],
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
        out: Path,
        more: tuple[str, ...],
        said: str,
    ) -> None:
        (tmp_path / "folder.csv").mkdir()
        (tmp_path / "file").touch()
        (tmp_path / "mine.csv").touch()
        (tmp_path / "loose.csv").symlink_to(tmp_path / "gone.csv")
        (tmp_path / "link.csv").symlink_to(tmp_path / "mine.csv")
        monkeypatch.chdir(tmp_path)

        assert said in refused(capsys, 2, *words(SCRIPT, out, *more))
        assert not out.exists()

    def test_several_reports_of_which_none_is_named(
        self, capsys: pytest.CaptureFixture[str], out: Path, tmp_path: Path, two_reports: Path
    ) -> None:
        said = refused(capsys, 2, *words(two_reports, out, "--frame", tmp_path / "f.csv"))

        assert said.startswith("two.script has 2 ReportFiles: A, B. Say with --name")

    def test_a_mission_without_a_report(
        self, capsys: pytest.CaptureFixture[str], out: Path, tmp_path: Path
    ) -> None:
        script = tmp_path / "none.script"
        script.write_text("Create Spacecraft Sat;\n")

        frame = ("--frame", tmp_path / "f.csv")
        said = refused(capsys, 2, *words(script, out, *frame, "--no-end-state"))

        assert said.startswith("none.script has no ReportFile")

    def test_the_table_of_samples_itself(
        self, capsys: pytest.CaptureFixture[str], out: Path, tmp_path: Path
    ) -> None:
        table = tmp_path / "samples.csv"
        table.write_text("Sat.SMA\n7000\n")
        same = tmp_path / ".." / tmp_path.name / "samples.csv"
        explicit = ("explicit", SCRIPT, "--samples", table, "--out", out)

        said = refused(capsys, 2, *explicit, "--frame", same)

        assert said.endswith("would replace an input. Give another file.")
        assert table.read_text() == "Sat.SMA\n7000\n"


@pytest.mark.promise("folders from somebody else", "a frame below a linked folder")
def test_a_frame_in_the_sweep_folder_is_written_through_no_link(
    out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = SweepOnDisk(out)
    made.ok(0, {"report__RF": report()})
    made.save()
    (tmp_path / "outside").mkdir()
    (out / "frames").symlink_to(tmp_path / "outside")
    file = FrameFile(TableFile(out / "frames" / "f.csv", out, "--frame"), "RF")

    class Done:
        output_dir = out

        def to_manifest(self) -> Manifest:
            return Manifest.load(out / "manifest.jsonl")

    with pytest.raises(FrameNotWrittenError, match="frames is a symbolic link"):
        file.write(cast("Sweep", Done()))
    assert list((tmp_path / "outside").iterdir()) == []
    (out / "frames").unlink()
    file.write(cast("Sweep", Done()))
    assert file.path.is_file()
