"""Where the files of a postprocess hook are: for its run, the manifest, a resume and the doctor."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from gmat_sweep.doctor import check_sweep
from gmat_sweep.folder.run_files import damage
from gmat_sweep.folder.run_seal import entry_of, keep_header, seal_run
from gmat_sweep.manifest import Manifest
from gmat_sweep.mission.script import canonical_script_sha256
from gmat_sweep.spec import RunOutcome, RunSpec
from gmat_sweep.worker.hook import HookFailedError, call_hook
from resumed_sweeps import SHORT
from sweep_on_disk import SweepOnDisk

_NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
_LOG = logging.getLogger("test_hook")


def write(path: Path, text: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunSpec:
    """A run in a sweep folder; the current folder is another one."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "sweep" / "run-0"
    folder.mkdir(parents=True)
    return RunSpec(SHORT, {}, folder, 0, None, {}, "told:hook")


def called(
    spec: RunSpec, returned: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch
) -> RunOutcome:
    """Return the outcome of a run whose hook returns that."""
    module = ModuleType("told")
    vars(module)["hook"] = lambda *_: returned
    monkeypatch.setitem(sys.modules, "told", module)
    plain = RunOutcome.ok(run_id=0, output_paths={}, started_at=_NOW, ended_at=_NOW, duration_s=0.1)
    extra, files = call_hook(spec, plain, _LOG)
    return RunOutcome.ok(
        run_id=0,
        output_paths={},
        started_at=_NOW,
        ended_at=_NOW,
        duration_s=0.1,
        extra_outputs=extra,
        files=files,
        postprocess_status="ok",
    )


def as_hooks_spell_them(run: Path) -> dict[str, tuple[str | Path, Path, str]]:
    """Return files by key: as a hook returns each, where it is, and its key in the manifest."""
    beside, far = run.parent, run.parent.parent
    link, folder_link = run / "link", run / "elsewhere"
    link.symlink_to(write(run / "linked.txt"))
    folder_link.symlink_to(far / "linked", target_is_directory=True)
    return {
        "name": ("a.txt", write(run / "a.txt"), "a.txt"),
        "dotted": ("./plots/../a.txt", run / "a.txt", "a.txt"),
        "below": (Path("plots/b.txt"), write(run / "plots/b.txt"), "plots/b.txt"),
        "up": ("../model.csv", write(beside / "model.csv"), "../model.csv"),
        "up_absolute": (run / "../model.csv", beside / "model.csv", "../model.csv"),
        "here": ("cwd.txt", write(far / "cwd.txt"), str(far / "cwd.txt")),
        "far": (far / "far.txt", write(far / "far.txt"), str(far / "far.txt")),
        "link": ("link", run / "linked.txt", "linked.txt"),
        "through": ("elsewhere/c.txt", write(far / "linked/c.txt"), str(far / "linked/c.txt")),
    }


def test_run_record_hash_resume_and_doctor_agree_where_a_file_is(
    spec: RunSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = as_hooks_spell_them(spec.output_dir)
    outcome = called(spec, {key: each[0] for key, each in files.items()}, monkeypatch)
    sweep = SweepOnDisk(tmp_path / "sweep")
    seal_run(spec, outcome)
    sweep.entries = [entry_of(spec, outcome, host="here")]
    manifest = sweep.manifest
    manifest.script_sha256 = canonical_script_sha256(SHORT)
    manifest.parameter_spec = {"_kind": "explicit", "columns": [], "rows": [[]]}
    path = sweep.folder / "manifest.jsonl"
    manifest.save(path)
    manifest.close()
    keep_header(path)

    assert outcome.extra_outputs == {key: each[1] for key, each in files.items()}
    assert list(outcome.files) == list(dict.fromkeys(each[2] for each in files.values()))
    (entry,) = Manifest.load(path).entries
    assert entry.extra_outputs == outcome.extra_outputs
    assert entry.files == outcome.files
    assert damage(entry, [sweep.folder]) == []
    assert check_sweep(sweep.folder).is_healthy
    # The doctor rebuilds the same entry from the seal.
    before = path.read_bytes()
    path.unlink()
    assert check_sweep(sweep.folder, repair=True).is_healthy
    assert Manifest.load(path).entries[0].files == entry.files
    assert Manifest.load(path).entries[0].extra_outputs == entry.extra_outputs
    path.write_bytes(before)
    moved = sweep.folder.rename(tmp_path / "moved")
    (again,) = Manifest.load(moved / "manifest.jsonl").entries
    assert again.files == entry.files
    assert damage(again, [moved]) == []
    # Every one of them is checked.
    for key, (_, place, _) in files.items():
        # An absolute path outside of the sweep folder stays as it is.
        now = (
            moved / os.path.relpath(place, sweep.folder) if sweep.folder in place.parents else place
        )
        kept = now.read_text()
        now.write_text("changed")
        assert any(again.extra_outputs[key].name in said for said in damage(again, [moved]))
        now.write_text(kept)
    (moved / "manifest.jsonl").unlink()
    assert check_sweep(moved, repair=True).is_healthy
    (rebuilt,) = Manifest.load(moved / "manifest.jsonl").entries
    assert (rebuilt.extra_outputs, rebuilt.files) == (again.extra_outputs, again.files)


def test_a_file_below_a_run_folder_that_is_spelled_otherwise_is_told_by_the_run_folder(
    spec: RunSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link leads to the sweep folder, and the hook resolves its paths."""
    (tmp_path / "linked").symlink_to(tmp_path / "sweep", target_is_directory=True)
    write(spec.output_dir / "a.txt")
    by_link = RunSpec(SHORT, {}, tmp_path / "linked/run-0", 0, None, {}, "told:hook")

    for run, returned in (
        (by_link, spec.output_dir / "a.txt"),
        (spec, by_link.output_dir / "a.txt"),
        (by_link, "a.txt"),
    ):
        outcome = called(run, {"a": returned}, monkeypatch)
        assert outcome.extra_outputs == {"a": run.output_dir / "a.txt"}
        assert list(outcome.files) == ["a.txt"]


def test_a_run_folder_given_relative_to_the_current_one_is_no_other_folder(
    spec: RunSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(spec.output_dir / "a.txt")
    relative = RunSpec(SHORT, {}, Path("sweep/run-0"), 0, None, {}, "told:hook")

    for returned in ("sweep/run-0/a.txt", "a.txt", spec.output_dir / "a.txt"):
        outcome = called(relative, {"a": returned}, monkeypatch)
        assert outcome.extra_outputs == {"a": Path("sweep/run-0/a.txt")}
        assert list(outcome.files) == ["a.txt"]


@pytest.mark.parametrize("returned", ["absent", "../absent", "", ".", ".."])
def test_what_is_no_file_fails_the_run_and_says_where_relative_paths_start(
    spec: RunSpec, returned: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(HookFailedError) as failed:
        called(spec, {"a": returned}, monkeypatch)

    assert "A relative path starts from the run's folder" in str(failed.value.__cause__)


class TestTheCurrentFolder:
    """A hook is called in its run's folder, so relative paths of two runs are two files."""

    @staticmethod
    def outcome_of(
        hook: Callable[[RunSpec, RunOutcome], Any],
        spec: RunSpec,
        monkeypatch: pytest.MonkeyPatch,
    ) -> dict[str, Path]:
        module = ModuleType("told")
        vars(module)["hook"] = hook
        monkeypatch.setitem(sys.modules, "told", module)
        plain = RunOutcome.ok(
            run_id=0, output_paths={}, started_at=_NOW, ended_at=_NOW, duration_s=0.1
        )
        return call_hook(spec, plain, _LOG)[0]

    @pytest.mark.parametrize("name", ["derived.csv", "./derived.csv", "plots/derived.csv"])
    def test_each_run_keeps_what_it_wrote_to_one_relative_path(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        monkeypatch.chdir(tmp_path)

        def hook(spec: RunSpec, outcome: RunOutcome) -> dict[str, str]:
            del outcome
            write(Path(name), f"run {spec.run_id}")
            return {"derived": name}

        files = []
        for run_id in range(3):
            folder = tmp_path / "sweep" / f"run-{run_id}"
            folder.mkdir(parents=True)
            run = RunSpec(SHORT, {}, folder, run_id, None, {}, "told:hook")
            files.append(self.outcome_of(hook, run, monkeypatch)["derived"])

        assert [each.read_text() for each in files] == ["run 0", "run 1", "run 2"]
        assert [path.name for path in tmp_path.iterdir()] == ["sweep"]
        assert Path.cwd() == tmp_path

    def test_a_hook_that_reads_a_relative_path_finds_it_in_the_workers_folder(
        self, spec: RunSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write(tmp_path / "limits.txt", "3")

        def hook(spec: RunSpec, outcome: RunOutcome) -> dict[str, Path]:
            del outcome
            return {"a": write(spec.output_dir / "a.txt", Path("limits.txt").read_text())}

        assert self.outcome_of(hook, spec, monkeypatch)["a"].read_text() == "3"
        assert Path.cwd() == tmp_path

    @pytest.mark.parametrize("name", ["typo.txt", "{run}/typo.txt", "/nowhere/typo.txt"])
    def test_a_hook_is_called_once_if_the_workers_folder_has_no_such_file_either(
        self, name: str, spec: RunSpec, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A second call would end in what the first one has left behind."""

        def hook(spec: RunSpec, outcome: RunOutcome) -> dict[str, str]:
            del outcome
            (spec.output_dir / "plots").mkdir()
            return {"a": Path(name.format(run=spec.output_dir)).read_text()}

        with pytest.raises(HookFailedError) as failed:
            self.outcome_of(hook, spec, monkeypatch)

        assert isinstance(failed.value.__cause__, FileNotFoundError)
        assert "typo.txt" in str(failed.value.__cause__)

    @pytest.mark.parametrize("name", ["limits.txt", "{cwd}/limits.txt", "no name"])
    def test_a_file_of_the_workers_folder_is_found_however_the_error_names_it(
        self, name: str, spec: RunSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write(tmp_path / "limits.txt", "3")

        def hook(spec: RunSpec, outcome: RunOutcome) -> dict[str, Path]:
            del outcome
            path = Path("limits.txt") if name == "no name" else Path(name.format(cwd=Path.cwd()))
            if name == "no name" and not path.exists():
                # As NumPy has it.
                raise FileNotFoundError(f"{path} not found.")
            return {"a": write(spec.output_dir / "a.txt", path.read_text())}

        assert self.outcome_of(hook, spec, monkeypatch)["a"].read_text() == "3"

    def test_a_folder_of_the_workers_folder_takes_what_a_hook_writes_there(
        self, spec: RunSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "plots").mkdir()

        def hook(spec: RunSpec, outcome: RunOutcome) -> dict[str, str]:
            del outcome
            name = f"plots/{spec.run_id}.txt"
            Path(name).write_text("x")
            return {"a": name}

        assert self.outcome_of(hook, spec, monkeypatch)["a"].parent == tmp_path / "plots"

    def test_a_hook_that_goes_elsewhere_takes_no_later_run_with_it(
        self, spec: RunSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()

        def hook(spec: RunSpec, outcome: RunOutcome) -> dict[str, str]:
            del spec, outcome
            os.chdir(elsewhere)
            write(Path("a.txt"))
            return {"a": "a.txt"}

        assert self.outcome_of(hook, spec, monkeypatch) == {"a": elsewhere / "a.txt"}
        assert Path.cwd() == tmp_path


@pytest.mark.parametrize(
    ("returned", "said"),
    [
        (["a.txt"], "returned 'a' as a list, which is no path of one file"),
        (b"a.txt", "returned 'a' as a bytes"),
        ("plots", "that is a folder, and not a file"),
    ],
)
def test_what_is_no_path_of_a_file_is_told_with_the_hook_and_the_key(
    spec: RunSpec, returned: object, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (spec.output_dir / "plots").mkdir()

    with pytest.raises(HookFailedError) as failed:
        called(spec, {"a": returned}, monkeypatch)

    assert "'told:hook'" in str(failed.value.__cause__)
    assert said in str(failed.value.__cause__)
