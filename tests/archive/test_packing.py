"""An archive holds a whole sweep, and the folder it is unpacked to is a sweep folder again."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import tracemalloc
import unicodedata
import zipfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmat_sweep import Manifest, Sweep, canonical_script_sha256, lazy_multiindex
from gmat_sweep.aggregate import lazy_extra_outputs, lazy_solver_convergence, lazy_solver_runs
from gmat_sweep.archive import archive_sweep, packing
from gmat_sweep.cli import EXIT_CONFIG, EXIT_OK, main
from gmat_sweep.disk.owner import origin
from gmat_sweep.errors import DurabilityError, NotPlainFileError, SweepConfigError
from gmat_sweep.grids import expand_grid_to_run_specs
from gmat_sweep.manifest import ManifestEntry
from gmat_sweep.plans import rebuild_runs
from gmat_sweep.sweep.recorded_script import recorded_script
from repository import DATA
from sweep_on_disk import SweepOnDisk, report

if TYPE_CHECKING:
    from gmat_sweep.backends.joblib import LocalJoblibPool


def history() -> pd.DataFrame:
    """Return a solver's iterations."""
    return pd.DataFrame({"iteration": [1, 2], "TOI.Element1": [0.5, 0.6], "status": ["a", "b"]})


def written(path: Path, content: str | bytes = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


class Mission:
    """A finished sweep on disk, its script and the place of its archive."""

    def __init__(self, folder: Path, script: str | bytes = "Create Spacecraft Sat;\n") -> None:
        self.folder = folder
        self.script = written(folder / "mission" / "leo.script", script)
        self.sweep = SweepOnDisk(folder / "sweep")
        self.changes: dict[str, Any] = {}

    @property
    def manifest(self) -> Manifest:
        facts = {"script_sha256": canonical_script_sha256(self.script), **self.changes}
        return replace(self.sweep.manifest, **facts)

    def archive(self, name: str = "out.zip", **options: Any) -> Path:
        return archive_sweep(
            self.manifest, self.sweep.folder, self.script, self.folder / name, **options
        )

    def unpacked(self, **options: Any) -> Path:
        """Archive, take the sweep away, and return the folder the archive is unpacked to."""
        archive = self.archive(**options)
        if self.sweep.folder.exists():
            shutil.move(self.sweep.folder, self.folder / "gone")
        return unpack(archive, self.folder / "unpacked")

    def entry(self, **options: Any) -> ManifestEntry:
        """Return the only entry of the archive."""
        [entry] = Manifest.load(self.unpacked(**options) / "manifest.jsonl").entries
        return entry

    def edit(self, **changes: Any) -> None:
        """Change the last run's entry."""
        self.sweep.entries[-1] = replace(self.sweep.entries[-1], **changes)


@pytest.fixture
def mission(tmp_path: Path) -> Mission:
    return Mission(tmp_path)


@pytest.fixture
def full(mission: Mission) -> Mission:
    """Two runs with outputs of every kind, and one that failed."""
    for run_id in (1, 0):
        mission.sweep.ok(
            run_id,
            {"report__R": report(7000.0 + run_id)},
            extra={"metrics": report(1.0 * run_id)},
            solvers={"DC": history()},
            converged={"DC": run_id == 0},
        )
        mission.edit(postprocess_status="ok", context={"truth": run_id})
    mission.sweep.failed(2)
    return mission


def unpack(archive: Path, folder: Path) -> Path:
    with zipfile.ZipFile(archive) as file:
        file.extractall(folder)
    return folder


def members(archive: Path) -> list[str]:
    with zipfile.ZipFile(archive) as file:
        return file.namelist()


def text_of(archive: Path, member: str) -> str:
    with zipfile.ZipFile(archive) as file:
        return file.read(member).decode()


def sealed(path: Path) -> dict[str, Any]:
    """Return what a manifest entry records of a file."""
    content = path.read_bytes()
    return {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}


class TestRoundTrip:
    """Nothing is lost on the way through an archive."""

    def test_every_frame_comes_back_bit_equal(self, full: Mission) -> None:
        manifest_path = full.sweep.save()
        before = [
            lazy_multiindex(full.manifest, full.sweep.folder, name="R"),
            lazy_extra_outputs(manifest_path, "metrics"),
            lazy_solver_runs(manifest_path),
            lazy_solver_convergence(manifest_path),
        ]
        folder = full.unpacked()
        manifest_path = folder / "manifest.jsonl"
        after = [
            lazy_multiindex(Manifest.load(manifest_path), folder, name="R"),
            lazy_extra_outputs(manifest_path, "metrics"),
            lazy_solver_runs(manifest_path),
            lazy_solver_convergence(manifest_path),
        ]

        assert [len(frame) for frame in before] == [7, 7, 4, 2]
        for one, other in zip(before, after, strict=True):
            pd.testing.assert_frame_equal(one, other, check_exact=True)

    def test_an_entry_comes_back_with_all_its_keys(self, mission: Mission) -> None:
        mission.sweep.ok(
            3, {"report__R": report()}, solvers={"DC": history()}, converged={"DC": False}
        )
        mission.edit(
            overrides={"Sat.SMA": 0.1 + 0.2, "Sat.ECC": float("inf")}, postprocess_status="ok",
            stderr="said", context={"truth": [1]}, seed=2**63 - 1, run_options={"overwrite": True},
            attempts=[{"cause": "SIGKILL"}], host="far", postprocess="a.b:c", extra={"later": 1},
        )  # fmt: skip
        original = mission.sweep.entries[-1]
        entry = mission.entry()
        folder = mission.folder / "unpacked" / "runs" / "run-3"

        assert entry == replace(
            original,
            output_paths={"report__R": folder / "report__R.parquet"},
            solver_paths={"DC": folder / "solver__DC.parquet"},
        )

    def test_the_header_comes_back_with_all_its_keys_and_names_the_packed_script(
        self, full: Mission
    ) -> None:
        full.changes = {
            "sweep_seed": 42, "postprocess": "a.b:c", "backend": "DaskPool",
            "extra": {
                "created_by": {"user": "u"}, "mission": "leo.script",
                "mission_path": "../leo.script", "mission_absolute_path": "/home/u/leo.script",
            },
        }  # fmt: skip
        loaded = Manifest.load(full.unpacked() / "manifest.jsonl")

        kept = {key: full.changes["extra"][key] for key in ("created_by", "mission")}
        extra = {**kept, "mission_path": "script/leo.script"}
        assert replace(loaded, entries=[]) == replace(full.manifest, entries=[], extra=extra)
        assert recorded_script(loaded).is_relative_to(full.folder / "unpacked")

    def test_a_run_that_was_tried_again_is_there_once_with_its_last_entry(
        self, mission: Mission
    ) -> None:
        mission.sweep.failed(0)
        mission.sweep.ok(0, {"report__R": report()})

        assert mission.entry().status == "ok"

    def test_a_sweep_that_is_not_finished_can_be_archived(self, mission: Mission) -> None:
        assert members(mission.archive()) == [
            "MANIFEST.hash", "README.md", "manifest.jsonl", "script/leo.script",
        ]  # fmt: skip

    def test_the_manifest_in_memory_and_the_one_on_disk_give_the_same_bytes(
        self, full: Mission
    ) -> None:
        full.edit(log_path=full.sweep.folder / "run-2" / "worker.log")
        in_memory = full.archive("a.zip")
        path = full.sweep.folder / "manifest.jsonl"
        full.manifest.save(path)
        archive_sweep(Manifest.load(path), full.sweep.folder, full.script, full.folder / "b.zip")

        assert in_memory.read_bytes() == (full.folder / "b.zip").read_bytes()

    def test_absolute_paths_of_a_moved_sweep_are_found_by_the_rule_of_the_frames(
        self, mission: Mission
    ) -> None:
        mission.sweep.ok(0, {"report__R": report()})
        mission.edit(output_paths={"report__R": Path("/nowhere/run-0/report__R.parquet")})
        folder = mission.unpacked()

        frame = lazy_multiindex(Manifest.load(folder / "manifest.jsonl"), folder)
        assert frame["Sat.SMA"].tolist() == [7000.0, 7000.25, 7000.5]

    def test_a_manifest_kept_outside_the_sweep_folder_moves_into_it(self, full: Mission) -> None:
        manifest = replace(full.manifest, output_dir=full.sweep.folder)
        manifest.save(full.folder / "kept" / "manifest.jsonl")
        manifest = Manifest.load(full.folder / "kept" / "manifest.jsonl")
        archive = archive_sweep(manifest, full.sweep.folder, full.script, full.folder / "o.zip")
        shutil.rmtree(full.sweep.folder)
        folder = unpack(archive, full.folder / "unpacked")

        assert Manifest.load(folder / "manifest.jsonl").output_dir is None
        assert len(lazy_solver_runs(folder / "manifest.jsonl")) == 4

    def test_hand_made_runs_come_back_and_write_inside_the_unpacked_folder(
        self, mission: Mission
    ) -> None:
        places = {10: "run-10", 20: "/nowhere/twenty", 30: "../thirty"}
        mission.changes["extra"] = {
            "explicit_runs": [
                {
                    "overrides": [["Sat.SMA", 7000.0 + run_id]], "output_dir": place,
                    "run_id": run_id, "seed": None, "run_options": {}, "postprocess": None,
                    "context": {},
                }
                for run_id, place in places.items()
            ]
        }  # fmt: skip
        folder = mission.unpacked()
        manifest = Manifest.load(folder / "manifest.jsonl")
        runs = rebuild_runs(manifest, mission.script, folder)

        assert {run.run_id: run.overrides["Sat.SMA"] for run in runs} == {
            10: 7010.0, 20: 7020.0, 30: 7030.0,
        }  # fmt: skip
        assert [run.output_dir.relative_to(folder).as_posix() for run in runs] == [
            "run-10", "runs/run-20", "runs/run-30",
        ]  # fmt: skip

    def test_the_recorded_sizes_and_hashes_follow_their_files(self, mission: Mission) -> None:
        run = mission.sweep.ok(0, {"report__R": report()}, extra={"m": report()})
        facts = {name: sealed(run / f"{name}.parquet") for name in ("report__R", "m")}
        absolute = (run / "m.parquet").as_posix()
        mission.edit(
            files={"run-0/report__R.parquet": facts["report__R"], absolute: facts["m"]},
            output_dir="run-0",
        )
        entry = mission.entry()
        folder = mission.folder / "unpacked" / "runs" / "run-0"

        assert entry.output_dir == str(folder)
        assert entry.files == {
            "report__R.parquet": facts["report__R"],
            "m.parquet": facts["m"],
        }


class TestLayout:
    """What a person finds in the archive."""

    def test_members_are_sorted_and_the_runs_have_their_folders(self, full: Mission) -> None:
        runs = [
            f"runs/run-{run_id}/{name}.parquet"
            for run_id in (0, 1)
            for name in ("metrics", "report__R", "solver__DC")
        ]

        assert members(full.archive()) == [
            "MANIFEST.hash", "README.md", "manifest.jsonl", *runs, "script/leo.script",
        ]  # fmt: skip

    def test_every_member_has_the_same_time_and_rights(self, full: Mission) -> None:
        with zipfile.ZipFile(full.archive()) as file:
            facts = {
                (info.date_time, info.external_attr >> 16, info.compress_type, info.create_system)
                for info in file.infolist()
            }

        assert facts == {((2026, 1, 1, 0, 0, 0), 0o100644, zipfile.ZIP_DEFLATED, 3)}

    def test_the_same_sweep_gives_the_same_bytes_wherever_it_is(
        self, full: Mission, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        elsewhere = tmp_path_factory.mktemp("elsewhere") / "copy"
        shutil.copytree(full.sweep.folder, elsewhere)
        manifest = full.manifest
        manifest.entries.reverse()
        other = archive_sweep(manifest, elsewhere, full.script, elsewhere / "new" / "b.zip")

        assert full.archive().read_bytes() == other.read_bytes()

    def test_the_hash_file_is_one_for_sha256sum_sorted_by_name(self, full: Mission) -> None:
        folder = full.unpacked()
        lines = (folder / "MANIFEST.hash").read_text().splitlines()
        check = ["sha256sum", "--strict", "-c", "MANIFEST.hash"]

        assert [line.split("  ", 1)[1] for line in lines] == members(full.folder / "out.zip")[1:]
        assert subprocess.run(check, cwd=folder, capture_output=True).returncode == 0
        with (folder / "runs" / "run-0" / "metrics.parquet").open("ab") as file:
            file.write(b"x")
        assert subprocess.run(check, cwd=folder, capture_output=True).returncode == 1

    def test_the_readme_says_what_the_sweep_was_and_how_to_go_on(self, full: Mission) -> None:
        readme = text_of(full.archive(), "README.md")

        assert "2 ok, 1 failed" in readme
        assert f"Script SHA-256: `{full.manifest.script_sha256}`" in readme
        assert "gmat-sweep resume manifest.jsonl --script script/leo.script\n" in readme
        assert "sha256sum -c MANIFEST.hash" in readme

    def test_the_readme_counts_the_runs_that_are_not_recorded(self, full: Mission) -> None:
        full.changes["run_count"] = 7

        assert "2 ok, 1 failed, 4 not recorded" in text_of(full.archive(), "README.md")

    def test_logs_are_left_out_unless_asked_for(self, full: Mission) -> None:
        log = written(full.sweep.folder / "run-2" / "worker.log", "why")
        full.edit(log_path=log)
        with_logs = full.archive("logs.zip", include_logs=True)
        entries = Manifest.load(full.unpacked() / "manifest.jsonl").entries

        assert [entry.log_path for entry in entries] == [None, None, None]
        assert not [name for name in members(full.folder / "out.zip") if "log" in name]
        assert text_of(with_logs, "runs/run-2/worker.log") == "why"

    def test_a_failed_run_without_a_log_has_none(self, mission: Mission) -> None:
        mission.sweep.failed(0)
        mission.edit(log_path=Path("run-0/worker.log"))

        assert mission.entry(include_logs=True).log_path is None

    def test_files_of_one_name_are_kept_apart(self, mission: Mission) -> None:
        names = ["a/m.parquet", "b/m.parquet", "b/M.parquet", "b/m~2.parquet"]
        for number, name in enumerate(names):
            written(mission.sweep.folder / name, name * (number + 1))
        mission.sweep.ok(0, extra={str(n): Path(name) for n, name in enumerate(names)})
        folder = mission.unpacked()
        [entry] = Manifest.load(folder / "manifest.jsonl").entries
        contents = [(folder / entry.extra_outputs[str(n)]).read_text() for n in range(4)]

        assert contents == [name * (n + 1) for n, name in enumerate(names)]
        assert len({str(path).lower() for path in entry.extra_outputs.values()}) == 4

    def test_a_file_that_two_keys_name_is_packed_once(self, mission: Mission) -> None:
        mission.sweep.ok(0, {"report__R": report()})
        mission.edit(extra_outputs={"same": Path("run-0/../run-0/report__R.parquet")})
        entry = mission.entry()

        assert entry.extra_outputs["same"] == entry.output_paths["report__R"]

    def test_a_file_that_two_runs_share_is_packed_for_each(self, mission: Mission) -> None:
        shared = written(mission.sweep.folder / "shared.parquet", "data")
        for run_id in (0, 1):
            mission.sweep.ok(run_id, extra={"m": shared})

        assert [name for name in members(mission.archive()) if name.startswith("runs/")] == [
            "runs/run-0/shared.parquet", "runs/run-1/shared.parquet",
        ]  # fmt: skip


class TestScript:
    """The mission script and what it includes."""

    def test_a_script_with_any_marks_and_line_ends_is_packed_as_it_is(self, tmp_path: Path) -> None:
        content = b"\xef\xbb\xbf% caf\xc3\xa9\r\nCreate Spacecraft Sat;"
        folder = Mission(tmp_path, content).unpacked()

        assert (folder / "script" / "leo.script").read_bytes() == content

    def test_includes_beside_the_script_go_with_it(self, tmp_path: Path) -> None:
        mission = Mission(tmp_path, "#Include 'sub/a.script'\n#Include './b.script';\n")
        written(mission.script.parent / "sub" / "a.script", "#Include 'c d.script'\n")
        written(mission.script.parent / "b.script", "% b")
        written(mission.script.parent / "c d.script", "% c")
        archive = mission.archive()

        assert [name for name in members(archive) if name.startswith("script/")] == [
            "script/b.script", "script/c d.script", "script/leo.script", "script/sub/a.script",
        ]  # fmt: skip
        assert "- `script/sub/a.script`: a file it includes" in text_of(archive, "README.md")

    def test_files_that_the_mission_reads_go_with_it_also_those_that_only_runs_name(
        self, tmp_path: Path
    ) -> None:
        above = written(tmp_path / "above.bsp", "k")
        mission = Mission(
            tmp_path,
            "Create ForceModel FM;\nFM.GravityField.Earth.PotentialFile = './data/own.cof';\n"
            f"Create Spacecraft Sat;\nSat.OrbitSpiceKernelName = {{'{above}', 'lost.bsp'}};\n"
            "Create ReportFile R;\nR.Filename = 'left.txt';\n",
        )
        for name in ("data/own.cof", "other.cof", "left.txt"):
            written(mission.script.parent / name, name)
        field = "FM.GravityField.Earth.PotentialFile"
        for run_id, name in enumerate(("other.cof", "JGM2.cof")):
            mission.sweep.ok(run_id)
            mission.edit(overrides={field: name})
        archive = mission.archive()

        assert [name for name in members(archive) if name.startswith("script/")] == [
            "script/data/own.cof", "script/leo.script", "script/other.cof",
        ]  # fmt: skip
        readme = text_of(archive, "README.md")
        assert "- `script/other.cof`: a file it reads" in readme
        assert f"- `{above}`, which the script reads: not found beside" in readme

    def test_includes_that_are_not_beside_the_script_are_named_and_left_out(
        self, tmp_path: Path
    ) -> None:
        absolute = written(tmp_path / "absolute.script")
        written(tmp_path / "above.script")
        mission = Mission(
            tmp_path,
            f"#Include '{absolute}'\n#Include '../above.script'\n#Include 'lost.script'\n",
        )
        archive = mission.archive()

        assert [name for name in members(archive) if name.startswith("script/")] == [
            "script/leo.script"
        ]
        for name in (absolute, "../above.script", "lost.script"):
            assert f"- `{name}`, which the script includes" in text_of(archive, "README.md")

    def test_a_script_name_with_blanks_is_quoted_in_the_readme(self, mission: Mission) -> None:
        mission.script = mission.script.rename(mission.script.with_name("leo basic.script"))

        assert "--script 'script/leo basic.script'" in text_of(mission.archive(), "README.md")

    def test_another_script_is_refused(self, full: Mission) -> None:
        full.changes["script_sha256"] = "0" * 64

        with pytest.raises(SweepConfigError, match=r"script hash mismatch.*leo\.script"):
            full.archive()
        assert not (full.folder / "out.zip").exists()

    def test_another_script_can_be_allowed_and_the_readme_says_so(self, full: Mission) -> None:
        full.changes["script_sha256"] = "0" * 64
        readme = text_of(full.archive(allow_script_drift=True), "README.md")

        assert "--script script/leo.script --allow-script-drift" in readme
        assert "is not the one that was run" in readme


class TestRefusals:
    """What cannot be archived whole is not archived."""

    @pytest.mark.parametrize("name", ["report__R", "metrics", "solver__DC"])
    def test_a_missing_file_is_refused_with_its_run_and_path(
        self, full: Mission, name: str
    ) -> None:
        (full.sweep.folder / "run-1" / f"{name}.parquet").unlink()

        with pytest.raises(SweepConfigError, match=f"missing.*of run 1 .run-1/{name}.parquet"):
            full.archive()
        assert not (full.folder / "out.zip").exists()

    @pytest.mark.promise("folders from somebody else", "files of the machine in an archive")
    @pytest.mark.parametrize("kind", ["output_paths", "extra_outputs", "solver_paths", "log_path"])
    @pytest.mark.parametrize("named", ["{secret}", "../secret", "run-0/link"])
    def test_a_file_outside_of_the_sweep_is_packed_only_if_it_is_trusted(
        self, mission: Mission, kind: str, named: str
    ) -> None:
        mission.sweep.ok(0)
        secret = written(mission.folder / "secret", "private")
        (mission.sweep.folder / "run-0" / "link").symlink_to(secret)
        path = Path(named.format(secret=secret))
        mission.edit(**{kind: path if kind == "log_path" else {"R": path}})

        with pytest.raises(
            SweepConfigError, match=r"files outside of .*: \S*secret\..*trust_files"
        ):
            mission.archive(include_logs=True)
        assert not (mission.folder / "out.zip").exists()
        archive = mission.archive(include_logs=True, trust_files=True)
        assert text_of(archive, f"runs/run-0/{path.name}")

    def test_a_folder_that_only_a_strangers_manifest_names_is_not_the_sweeps(
        self, mission: Mission, capsys: pytest.CaptureFixture[str]
    ) -> None:
        private = SweepOnDisk(mission.folder / "private")
        private.ok(0, {"report__R": report()})
        manifest = replace(
            private.manifest,
            script_sha256=canonical_script_sha256(mission.script),
            output_dir=private.folder,
            extra={"created_by": {**origin(), "user": "mallory"}},
        )
        path = mission.folder / "theirs" / "manifest.jsonl"
        manifest.save(path)
        words = ["archive", str(path), "--script", str(mission.script)]
        out = mission.folder / "out.zip"

        assert main([*words, "--out", str(out)]) == EXIT_CONFIG
        assert "trust_files" in capsys.readouterr().err
        assert not out.exists()
        assert main([*words, "--out", str(out), "--trust-files"]) == EXIT_OK
        manifest.extra["created_by"] = origin()
        manifest.save(path)
        assert main([*words, "--out", str(mission.folder / "own.zip")]) == EXIT_OK

    def test_so_is_what_a_script_includes_by_a_link(self, tmp_path: Path) -> None:
        mission = Mission(tmp_path, "#Include 'inc.txt'\n")
        (mission.script.parent / "inc.txt").symlink_to(written(tmp_path / "secret", "% private\n"))
        mission.sweep.ok(0, {"report__R": report()})

        with pytest.raises(SweepConfigError, match=r"inc\.txt"):
            mission.archive()
        assert "script/inc.txt" in members(mission.archive(trust_files=True))

    def test_an_archive_is_written_through_no_link(self, full: Mission) -> None:
        (full.folder / "out.zip").symlink_to(full.folder / "gone")
        with pytest.raises(NotPlainFileError):
            full.archive()
        assert not (full.folder / "gone").exists()

    def test_each_folder_that_was_looked_in_is_named_once(
        self, mission: Mission, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        mission.sweep.ok(0, {"report__R": Path("run-0/report__R.parquet")})
        mission.manifest.save(mission.sweep.folder / "manifest.jsonl")
        monkeypatch.chdir(mission.folder)
        manifest = Manifest.load("sweep/manifest.jsonl")

        with pytest.raises(SweepConfigError, match=f"below {mission.sweep.folder}. Resume"):
            archive_sweep(manifest, mission.sweep.folder, mission.script, "out.zip")

    def test_a_missing_log_of_an_ok_run_is_refused_where_logs_are_asked_for(
        self, mission: Mission
    ) -> None:
        mission.sweep.ok(0)
        mission.edit(log_path=Path("run-0/worker.log"))

        with pytest.raises(SweepConfigError, match=r"missing.*log 'worker\.log' of run 0"):
            mission.archive(include_logs=True)

    def test_of_many_missing_files_some_are_named_and_all_are_counted(
        self, mission: Mission
    ) -> None:
        for run_id in range(9):
            mission.sweep.ok(run_id, {"report__R": Path(f"run-{run_id}/report__R.parquet")})

        with pytest.raises(SweepConfigError, match=r"of run 4 \(.*and 4 more"):
            mission.archive()

    def test_a_file_that_is_not_what_was_recorded_is_refused(self, mission: Mission) -> None:
        path = mission.sweep.ok(0, {"report__R": report()}) / "report__R.parquet"
        mission.edit(files={"run-0/report__R.parquet": sealed(path)})
        path.write_bytes(path.read_bytes()[:-1] + b"!")

        with pytest.raises(SweepConfigError, match=f"no longer what .*{re.escape(str(path))}"):
            mission.archive()

    def test_a_file_that_changes_meanwhile_is_refused_and_no_archive_is_left(
        self, full: Mission, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pack = packing._pack

        def pack_after_a_change(archive: Any, name: str, *rest: Any) -> None:
            if name == "runs/run-0/report__R.parquet":
                report(1.0).to_parquet(full.sweep.folder / "run-0" / "report__R.parquet")
            pack(archive, name, *rest)

        monkeypatch.setattr(packing, "_pack", pack_after_a_change)

        with pytest.raises(SweepConfigError, match="changed while it was being archived"):
            full.archive("new/out.zip")
        assert list((full.folder / "new").iterdir()) == []

    def test_the_very_same_archive_is_left_as_it_is(self, full: Mission) -> None:
        first = full.archive()
        identity = first.stat()

        assert full.archive() == first
        assert first.stat().st_ino == identity.st_ino

    def test_an_archive_of_the_sweep_as_it_was_is_replaced(self, mission: Mission) -> None:
        for run_id in (0, 1):
            mission.sweep.ok(run_id, {"report__R": report()})
        folder, (first, second) = mission.sweep.folder, mission.sweep.entries
        mission.manifest.save(folder / "manifest.jsonl")
        saved = Manifest.load(folder / "manifest.jsonl")
        unfinished = replace(saved, entries=saved.entries[:1])
        archive_sweep(unfinished, folder, mission.script, mission.folder / "out.zip")
        # Run 0 was flown again as well, so the entry that is archived is no longer the latest.
        later = replace(first, started_at=first.started_at + timedelta(hours=1))
        saved.append_entry(later)
        again = Manifest.load(folder / "manifest.jsonl")
        out = archive_sweep(again, folder, mission.script, mission.folder / "out.zip")
        packed = Manifest.load(unpack(out, mission.folder / "unpacked") / "manifest.jsonl")

        assert [entry.started_at for entry in packed.entries] == [
            later.started_at,
            second.started_at,
        ]

    def test_one_that_was_damaged_is_made_whole(self, full: Mission) -> None:
        out = full.archive()
        content = out.read_bytes()
        at = content.index(b"run-0/metrics.parquet") + 60
        out.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        full.archive()

        assert out.read_bytes() == content

    def test_logs_can_be_added_to_it(self, full: Mission) -> None:
        out = full.archive()
        before = members(out)
        full.sweep.entries[0] = replace(full.sweep.entries[0], log_path=Path("run-1/worker.log"))
        written(full.sweep.folder / "run-1" / "worker.log")
        full.archive(include_logs=True)

        assert set(members(out)) == {*before, "runs/run-1/worker.log"}

    def test_a_failed_write_keeps_the_earlier_one(
        self, full: Mission, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        out = full.archive()
        content = out.read_bytes()
        full.edit(stderr="GMAT said more")

        def disk_full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(packing, "_pack", disk_full)

        with pytest.raises(DurabilityError, match="No space left"):
            full.archive()
        assert out.read_bytes() == content

    @pytest.mark.parametrize(
        "harm",
        ["other sweep", "other runs of such a sweep", "not a zip", "cut down", "a folder"],
    )
    def test_any_other_file_in_the_place_is_refused_and_kept(
        self, full: Mission, harm: str
    ) -> None:
        out = full.archive()
        content = out.read_bytes()
        content_of_hashes = text_of(out, "MANIFEST.hash")
        if harm == "other sweep":
            full.sweep.failed(3)
        elif harm == "not a zip":
            content = b"my thesis"
        elif harm == "other runs of such a sweep":
            full.edit(started_at=full.sweep.entries[-1].started_at - timedelta(days=1))
        out.write_bytes(content)
        if harm == "cut down":
            with zipfile.ZipFile(out, "w") as file:
                file.writestr("MANIFEST.hash", content_of_hashes)
            content = out.read_bytes()
        if harm == "a folder":
            out.unlink()
            out.mkdir()

        with pytest.raises(
            SweepConfigError, match=r"exists already and is no archive of this.*another file name"
        ):
            full.archive()
        assert out.is_dir() or out.read_bytes() == content

    def test_a_failed_write_leaves_nothing(
        self, full: Mission, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def disk_full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(packing, "_pack", disk_full)

        with pytest.raises(DurabilityError, match=r"No space left.*archive again") as caught:
            full.archive("new/out.zip")
        assert (caught.value.errno, caught.value.filename) == (28, str(full.folder / "new/out.zip"))
        assert list((full.folder / "new").iterdir()) == []

    def test_a_missing_script_is_a_missing_file(self, full: Mission) -> None:
        manifest = full.manifest

        with pytest.raises(FileNotFoundError):
            archive_sweep(manifest, full.sweep.folder, full.folder / "no.script", full.folder / "o")


PIECES = ["a", "A", ".", "..", "\\", ":", "\n", "\u00e9", "e\u0301", "\udcff"]


@pytest.mark.promise("folders from somebody else", "members of archives")
@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.lists(st.sampled_from(PIECES), min_size=1, max_size=4)
        .map("".join)
        .filter(lambda name: name not in (".", "..")),
        min_size=1,
        max_size=4,
        unique=True,
    )
)
def test_member_names_stay_inside_their_folder_and_differ_on_every_system(
    tmp_path_factory: pytest.TempPathFactory, names: list[str]
) -> None:
    mission = Mission(tmp_path_factory.mktemp("names"))
    for name in names:
        written(mission.sweep.folder / "run-0" / name, os.fsencode(name))
    mission.sweep.ok(0, extra={str(n): Path("run-0") / name for n, name in enumerate(names)})
    folder = mission.unpacked()
    packed = [name for name in members(mission.folder / "out.zip") if name.startswith("runs/")]
    [entry] = Manifest.load(folder / "manifest.jsonl").entries

    assert all(re.fullmatch(r"runs/run-0/[^/\\:\n]*[^/\\:\n.]", name) for name in packed)
    assert len({unicodedata.normalize("NFC", name).casefold() for name in packed}) == len(names)
    for n, name in enumerate(names):
        assert (folder / entry.extra_outputs[str(n)]).read_bytes() == os.fsencode(name)


def test_memory_does_not_grow_with_the_files(mission: Mission) -> None:
    size = 24 << 20
    written(mission.sweep.folder / "big.bin", bytes(size))
    mission.sweep.ok(0, extra={"big": Path("big.bin")})
    manifest = mission.manifest
    tracemalloc.start()
    try:
        archive_sweep(manifest, mission.sweep.folder, mission.script, mission.folder / "big.zip")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < size / 3


@pytest.fixture(scope="module")
def real_sweep(pool: LocalJoblibPool, tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    """Return a sweep with a solver, run on the engine."""
    folder = tmp_path_factory.mktemp("targeting")
    script = DATA / "targeting.script"
    runs = [
        replace(run, run_id=10 * run.run_id, output_dir=folder / f"run-{10 * run.run_id}")
        for run in expand_grid_to_run_specs({"Sat.ECC": [0.001, 0.0015, 0.002]}, script, folder)
    ]
    return Sweep(
        runs=runs,
        backend=pool,
        manifest_path=folder / "manifest.jsonl",
        output_dir=folder,
        script_path=script,
        progress=False,
    ).run()


def unpacked_real(sweep: Sweep, place: Path, without: int | None = None) -> Path:
    """Archive a sweep as if one run had not been recorded yet; return the unpacked folder."""
    manifest = sweep.to_manifest()
    assert manifest.path is not None
    entries = [entry for entry in manifest.entries if entry.run_id != without]
    archive = archive_sweep(
        replace(manifest, entries=entries), manifest.path.parent, DATA / "targeting.script",
        place / "sweep.zip", include_logs=True,
    )  # fmt: skip
    return unpack(archive, place / "unpacked")


def resumed(folder: Path, pool: LocalJoblibPool) -> Sweep:
    return Sweep.from_manifest(
        folder / "manifest.jsonl",
        folder / "script" / "targeting.script",
        backend=pool,
        progress=False,
    ).resume()


class TestRealSweep:
    """A sweep with a solver, run on the engine."""

    def test_all_its_frames_come_back_bit_equal(self, real_sweep: Sweep, tmp_path: Path) -> None:
        folder = unpacked_real(real_sweep, tmp_path)
        path = folder / "manifest.jsonl"

        for original, unpacked in (
            (real_sweep.to_dataframe(), lazy_multiindex(Manifest.load(path), folder)),
            (real_sweep.to_solver_runs(), lazy_solver_runs(path)),
            (real_sweep.to_solver_convergence(), lazy_solver_convergence(path)),
        ):
            assert len(original) >= 3
            pd.testing.assert_frame_equal(original, unpacked, check_exact=True)

    def test_resuming_a_finished_one_changes_nothing(
        self, pool: LocalJoblibPool, real_sweep: Sweep, tmp_path: Path
    ) -> None:
        folder = unpacked_real(real_sweep, tmp_path)
        content = (folder / "manifest.jsonl").read_bytes()
        frame = resumed(folder, pool).to_dataframe()

        assert (folder / "manifest.jsonl").read_bytes() == content
        pd.testing.assert_frame_equal(real_sweep.to_dataframe(), frame, check_exact=True)

    def test_resuming_an_unfinished_one_completes_it(
        self, pool: LocalJoblibPool, real_sweep: Sweep, tmp_path: Path
    ) -> None:
        folder = unpacked_real(real_sweep, tmp_path, without=10)
        lines = (folder / "manifest.jsonl").read_text().splitlines()
        sweep = resumed(folder, pool)
        added = (folder / "manifest.jsonl").read_text().splitlines()[len(lines) :]

        assert [json.loads(line)["run_id"] for line in added] == [10]
        pd.testing.assert_frame_equal(
            real_sweep.to_dataframe(), sweep.to_dataframe(), check_exact=True
        )
        pd.testing.assert_frame_equal(
            real_sweep.to_solver_runs(), sweep.to_solver_runs(), check_exact=True
        )
