"""Resuming, extending and stepping through sweeps, on the real engine.

Whatever happened to a sweep - killed, failed, files lost, folder moved - what `resume` and `extend`
make of it is bit-equal to a sweep to which nothing happened.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from faulty_runs import wait_until
from gmat_sweep import (
    LocalJoblibPool,
    Manifest,
    SweepConfigError,
    latin_hypercube,
    lazy_extra_outputs,
    lazy_multiindex,
    monte_carlo,
    monte_carlo_extend,
    sweep,
)
from gmat_sweep.api import latin_hypercube_extend
from gmat_sweep.manifest.drift import drift_of
from repository import SUPPORT
from resumed_sweeps import (
    NOTE,
    SHORT,
    content,
    forget,
    hand_made,
    lines_of,
    ran,
    reopened,
    run_of,
    same,
)

PERTURB = {"Sat.SMA": ("normal", 7100, 50), "Sat.INC": ("uniform", 0.0, 90.0)}


def context_of(run_id: int) -> dict[str, Any]:
    """Return what run `run_id` is told."""
    return {"truth": [run_id, run_id / 3.0], "name": f"case {run_id}"}


@pytest.fixture(scope="module")
def whole(pool: LocalJoblibPool, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four draws without a seed, with a hook and a context each; never stopped."""
    folder = tmp_path_factory.mktemp("whole")
    monte_carlo(
        SHORT,
        n=4,
        perturb=PERTURB,
        postprocess=NOTE,
        context=context_of,
        backend=pool,
        out=folder,
        progress=False,
    )
    return folder


@pytest.fixture(scope="module")
def reports(whole: Path) -> pd.DataFrame:
    """The frame of `whole`."""
    return lazy_multiindex(Manifest.load(whole / "manifest.jsonl"), whole)


@pytest.fixture(scope="module")
def notes(whole: Path) -> pd.DataFrame:
    """What the hook wrote in `whole`."""
    return lazy_extra_outputs(whole / "manifest.jsonl", "note")


@pytest.fixture(scope="module")
def ten(whole: Path, pool: LocalJoblibPool) -> pd.DataFrame:
    """The frame of ten draws with the seed of `whole`, drawn and run at once."""
    seed = Manifest.load(whole / "manifest.jsonl").sweep_seed
    return monte_carlo(SHORT, n=10, perturb=PERTURB, seed=seed, backend=pool, progress=False)


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    """A copy of `whole` that a test may harm."""
    return Path(shutil.copytree(whole, tmp_path / "copy"))


# --- resume --------------------------------------------------------------------------------------


def report_of(folder: Path, run_id: int) -> Path:
    return folder / f"run-{run_id}" / "report__RF.parquet"


def delete(folder: Path, run_id: int) -> None:
    report_of(folder, run_id).unlink()


def delete_folder(folder: Path, run_id: int) -> None:
    shutil.rmtree(folder / f"run-{run_id}")


def truncate(folder: Path, run_id: int) -> None:
    path = report_of(folder, run_id)
    os.truncate(path, path.stat().st_size // 2)


def empty(folder: Path, run_id: int) -> None:
    os.truncate(report_of(folder, run_id), 0)


def swap_in(folder: Path, run_id: int) -> None:
    shutil.copy(report_of(folder, 1), report_of(folder, run_id))


def flip_a_bit(folder: Path, run_id: int) -> None:
    path = report_of(folder, run_id)
    data = bytearray(path.read_bytes())
    # Among the values, where no reader notices.
    data[len(data) // 4] ^= 1
    path.write_bytes(data)


def lose_what_the_hook_wrote(folder: Path, run_id: int) -> None:
    (folder / f"run-{run_id}" / "note.parquet").unlink()


def have_it_failed(folder: Path, run_id: int) -> None:
    path = folder / "manifest.jsonl"
    manifest = Manifest.load(path)
    manifest.entries = [
        entry
        if entry.run_id != run_id
        else replace(entry, status="failed", output_paths={}, extra_outputs={}, files={})
        for entry in manifest.entries
    ]
    manifest.save(path)


class TestResume:
    """Exactly the missing, failed and damaged runs run again."""

    @pytest.mark.promise("6", "outputs harmed, and a resume without the doctor")
    @pytest.mark.parametrize(
        "harms",
        [
            {0: delete, 2: truncate, 3: empty},
            {0: delete_folder, 2: swap_in, 3: flip_a_bit},
            {0: have_it_failed, 2: lose_what_the_hook_wrote, 3: forget},
        ],
        ids=lambda harms: ", ".join(harm.__name__ for harm in harms.values()),
    )
    def test_only_harmed_runs_run_and_the_frames_are_those_of_a_sweep_never_stopped(
        self,
        harms: dict[int, Callable[[Path, int], None]],
        copy: Path,
        pool: LocalJoblibPool,
        reports: pd.DataFrame,
        notes: pd.DataFrame,
    ) -> None:
        untouched = content(copy / "run-1")
        for run_id, harm in harms.items():
            harm(copy, run_id)
        before = lines_of(copy / "manifest.jsonl")
        resumed = reopened(copy, pool).resume()

        assert sorted(ran(copy, before)) == [0, 2, 3]
        assert same(reports, resumed.to_dataframe())
        assert same(notes, resumed.to_extra_outputs("note"))
        assert untouched == content(copy / "run-1")

    def test_runs_are_dispatched_in_ascending_order(
        self, copy: Path, pool: LocalJoblibPool
    ) -> None:
        for run_id in (3, 0, 2):
            report_of(copy, run_id).unlink()
        with LocalJoblibPool(1) as single:
            reopened(copy, single).resume()

        assert ran(copy, 4) == [0, 2, 3]

    def test_nothing_to_do_changes_no_byte(self, copy: Path, pool: LocalJoblibPool) -> None:
        before = content(copy)
        reopened(copy, pool).resume()

        assert before == content(copy)

    def test_a_resumed_sweep_can_be_harmed_and_resumed_again(
        self, copy: Path, pool: LocalJoblibPool, reports: pd.DataFrame
    ) -> None:
        report_of(copy, 1).unlink()
        again = reopened(copy, pool).resume()
        report_of(copy, 1).unlink()
        again.resume()

        assert ran(copy, 4) == [1, 1]
        assert same(reports, again.to_dataframe())

    @pytest.mark.parametrize("function", [monte_carlo, latin_hypercube])
    def test_a_sweep_without_a_seed_draws_the_same_again(
        self, function: Callable[..., pd.DataFrame], pool: LocalJoblibPool, tmp_path: Path
    ) -> None:
        frame = function(SHORT, n=3, perturb=PERTURB, backend=pool, out=tmp_path, progress=False)
        drawn = {e.run_id: e.overrides for e in Manifest.load(tmp_path / "manifest.jsonl").entries}
        forget(tmp_path, 0, 2)
        resumed = reopened(tmp_path, pool).resume()

        assert drawn == {e.run_id: e.overrides for e in resumed.to_manifest().entries}
        assert same(frame, resumed.to_dataframe())


# --- moved sweeps --------------------------------------------------------------------------------

# What this package adds to the records of the peer.
_ADDED = {
    "seq", "~crc", "created_by", "mission", "contexts", "explicit_runs", "output_dir",
    "seed", "run_options", "attempts", "host", "files", "postprocess", "planned_run_count",
    "hook_sha256", "failure_kind",
}  # fmt: skip


def write_as_the_peer_does(folder: Path) -> None:
    """Rewrite a manifest as the peer has it: its keys only, absolute paths, no checksums."""
    path = folder / "manifest.jsonl"
    header, *entries = (json.loads(line) for line in path.read_text().splitlines())
    records = [{key: header[key] for key in header.keys() - (_ADDED - {"postprocess"})}]
    for entry in entries:
        record = {key: entry[key] for key in entry.keys() - _ADDED}
        for key in ("output_paths", "extra_outputs", "solver_paths"):
            record[key] = {name: str(folder / place) for name, place in record[key].items()}
        records.append({**record, "log_path": str(folder / record["log_path"])})
    path.write_text("".join(json.dumps(record, sort_keys=True) + "\n" for record in records))


class TestMovedSweeps:
    """A sweep folder is the same sweep wherever it is."""

    @pytest.mark.parametrize("writer", ["this package", "the peer"])
    def test_a_moved_sweep_is_read_and_resumed_where_it_is_now(
        self,
        writer: str,
        copy: Path,
        tmp_path: Path,
        pool: LocalJoblibPool,
        reports: pd.DataFrame,
        notes: pd.DataFrame,
    ) -> None:
        if writer == "the peer":
            write_as_the_peer_does(copy)
        moved = tmp_path / "on another disk" / "moved"
        moved.parent.mkdir()
        copy.rename(moved)
        path = moved / "manifest.jsonl"

        assert same(reports, lazy_multiindex(Manifest.load(path), moved))
        assert same(notes, lazy_extra_outputs(path, "note"))

        # The peer does not record who ran it.
        options: dict[str, Any] = {"trust_hook": True} if writer == "the peer" else {}
        reopened(moved, pool, **options).resume()
        assert ran(moved, 4) == []

        report_of(moved, 2).unlink()
        resumed = reopened(moved, pool, **options).resume()
        assert ran(moved, 4) == [2]
        assert same(reports, resumed.to_dataframe())
        assert same(notes, resumed.to_extra_outputs("note"))
        assert not copy.exists()

    def test_hand_made_runs_of_the_peers_keep_their_ids(
        self, tmp_path: Path, pool: LocalJoblibPool
    ) -> None:
        values: dict[int, dict[str, Any]] = {
            20: {"Sat.SMA": 7000}, 10: {"Sat.SMA": 7000.5, "Sat.INC": 30}, 1: {},
        }  # fmt: skip
        folder = tmp_path / "sweep"
        runs = [run_of(run_id, folder, overrides=each) for run_id, each in values.items()]
        frame = hand_made(runs, folder, pool).run().to_dataframe()
        write_as_the_peer_does(folder)
        reopened(folder, pool).resume()
        nothing_ran = ran(folder, 3)
        report_of(folder, 10).unlink()
        resumed = reopened(folder, pool).resume()

        assert nothing_ran == []
        assert ran(folder, 3) == [10]
        assert same(frame, resumed.to_dataframe())
        assert sorted(path.name for path in folder.glob("run-*")) == ["run-1", "run-10", "run-20"]

    def test_resuming_a_copy_leaves_the_original_alone(
        self, copy: Path, tmp_path: Path, pool: LocalJoblibPool, reports: pd.DataFrame
    ) -> None:
        second = Path(shutil.copytree(copy, tmp_path / "second"))
        report_of(second, 2).unlink()
        forget(second, 3)
        original = content(copy)
        resumed = reopened(second, pool).resume()

        assert same(reports, resumed.to_dataframe())
        assert sorted(ran(second, 3)) == [2, 3]
        assert original == content(copy)

    def test_an_extension_goes_where_the_sweep_is_now(
        self, copy: Path, tmp_path: Path, pool: LocalJoblibPool, ten: pd.DataFrame
    ) -> None:
        moved = copy.rename(tmp_path / "moved")
        extended = reopened(moved, pool).extend(n=1)

        assert same(ten.loc[:4], extended.to_dataframe())
        assert (moved / "run-4" / "report__RF.parquet").is_file()
        assert not copy.exists()


class TestAnotherFolder:
    """What is run again may go elsewhere; what is done is found where it is."""

    def test_runs_that_are_done_stay_and_the_frame_has_all_of_them(
        self, copy: Path, tmp_path: Path, pool: LocalJoblibPool, reports: pd.DataFrame
    ) -> None:
        other = tmp_path / "other"
        other.mkdir()
        report_of(copy, 2).unlink()
        forget(copy, 3)
        resumed = reopened(copy, pool, output_dir=other).resume()
        path = copy / "manifest.jsonl"

        assert sorted(ran(copy, 3)) == [2, 3]
        assert sorted(place.name for place in other.glob("run-*")) == ["run-2", "run-3"]
        assert same(reports, resumed.to_dataframe())
        # A reader who knows of the manifest only, of either folder, or of none.
        for folder in (copy, other, tmp_path):
            assert same(reports, lazy_multiindex(Manifest.load(path), folder))
        for options in ({}, {"output_dir": other}):
            reopened(copy, pool, **options).resume()
        assert len(ran(copy, 3)) == 2

    def test_an_extension_into_another_folder_belongs_to_the_sweep(
        self, copy: Path, tmp_path: Path, pool: LocalJoblibPool, ten: pd.DataFrame
    ) -> None:
        other = tmp_path / "other"
        other.mkdir()
        extended = reopened(copy, pool, output_dir=other).extend(n=2)
        again = reopened(copy, pool).resume()

        assert [place.name for place in other.glob("run-*/RF.txt")] == ["RF.txt"] * 2
        assert same(ten.loc[:5], extended.to_dataframe())
        assert same(ten.loc[:5], again.to_dataframe())
        assert len(ran(copy, 4)) == 2

    def test_paths_are_the_same_and_absolute_after_a_run_a_load_and_a_resume(
        self, pool: LocalJoblibPool, tmp_path: Path
    ) -> None:
        first = hand_made([run_of(0, tmp_path), run_of(1, tmp_path)], tmp_path, pool).run()
        loaded = Manifest.load(tmp_path / "manifest.jsonl")
        resumed = reopened(tmp_path, pool).resume().to_manifest()

        assert first.to_manifest().entries == loaded.entries == resumed.entries
        for entry in loaded.entries:
            assert len(pd.read_parquet(entry.output_paths["report__RF"])) == 3
            assert entry.log_path is not None
            assert entry.log_path.read_text()

    def test_a_manifest_reached_by_a_link_belongs_to_the_folder_it_is_in(
        self, copy: Path, tmp_path: Path, pool: LocalJoblibPool, reports: pd.DataFrame
    ) -> None:
        linked = tmp_path / "links"
        linked.mkdir()
        (linked / "manifest.jsonl").symlink_to(copy / "manifest.jsonl")
        resumed = reopened(linked, pool).resume()

        assert ran(copy, 4) == []
        assert same(reports, resumed.to_dataframe())


# --- hooks and contexts --------------------------------------------------------------------------

SWEEPS: dict[str, Callable[..., pd.DataFrame]] = {
    "sweep": lambda **options: sweep(SHORT, grid={"Sat.SMA": [7000.0, 7100.0]}, **options),
    "monte_carlo": lambda **options: monte_carlo(SHORT, n=2, perturb=PERTURB, **options),
    "latin_hypercube": lambda **options: latin_hypercube(SHORT, n=2, perturb=PERTURB, **options),
}


MAPPING = {0: context_of(0), 1: context_of(1)}


class TestHooksAndContexts:
    """The hook is the header's, the context the run's; both come back."""

    @pytest.mark.parametrize(
        ("function", "context"),
        [
            ("sweep", MAPPING),
            ("monte_carlo", context_of),
            ("latin_hypercube", MAPPING),
        ],
    )
    def test_each_run_has_its_context_and_has_it_again_when_resumed(
        self, function: str, context: Any, pool: LocalJoblibPool, tmp_path: Path
    ) -> None:
        SWEEPS[function](
            postprocess=NOTE, context=context, backend=pool, out=tmp_path, progress=False
        )
        path = tmp_path / "manifest.jsonl"
        told = lazy_extra_outputs(path, "note")
        recorded = {entry.run_id: entry.context for entry in Manifest.load(path).entries}
        # Run 0 has an entry to take it from, run 1 has none.
        report_of(tmp_path, 0).unlink()
        forget(tmp_path, 1)
        resumed = reopened(tmp_path, pool).resume()

        assert recorded == {0: context_of(0), 1: context_of(1)}
        assert recorded == {e.run_id: e.context for e in resumed.to_manifest().entries}
        assert sorted(ran(tmp_path, 1)) == [0, 1]
        assert json.loads(told["context"][1]) == context_of(1)
        assert same(told, resumed.to_extra_outputs("note"))

    def test_runs_a_mapping_leaves_out_have_an_empty_context(
        self, pool: LocalJoblibPool, tmp_path: Path
    ) -> None:
        SWEEPS["sweep"](context={1: {"a": 1}}, backend=pool, out=tmp_path, progress=False)
        entries = Manifest.load(tmp_path / "manifest.jsonl").entries

        assert {entry.run_id: entry.context for entry in entries} == {0: {}, 1: {"a": 1}}

    @pytest.mark.parametrize("context", [{0: [1]}, lambda run_id: None])
    def test_a_context_that_is_no_dict_is_refused_before_any_run(
        self, context: Any, pool: LocalJoblibPool, tmp_path: Path
    ) -> None:
        with pytest.raises(SweepConfigError, match=r"context gives \w+ for run 0\. Give a dict"):
            SWEEPS["sweep"](context=context, backend=pool, out=tmp_path / "out")
        assert not (tmp_path / "out" / "manifest.jsonl").exists()

    def test_a_provider_is_asked_once_for_each_run_without_an_entry(
        self, copy: Path, pool: LocalJoblibPool
    ) -> None:
        asked: list[int] = []

        def provide(run_id: int) -> dict[str, Any]:
            asked.append(run_id)
            return {"given": run_id}

        report_of(copy, 0).unlink()
        forget(copy, 1, 3)
        opened = reopened(copy, pool, context_provider=provide)
        assert asked == [1, 3]
        opened.resume()
        contexts = {e.run_id: e.context for e in opened.to_manifest().entries}

        assert asked == [1, 3]
        assert contexts == {
            0: context_of(0),
            1: {"given": 1},
            2: context_of(2),
            3: {"given": 3},
        }

    def test_a_provider_that_returns_no_dict_is_refused(
        self, copy: Path, pool: LocalJoblibPool
    ) -> None:
        forget(copy, 1)

        with pytest.raises(SweepConfigError, match=r"context_provider\(1\) returned list"):
            reopened(copy, pool, context_provider=lambda run_id: [run_id])

    def test_the_hook_of_the_header_is_called_for_resumed_and_added_runs(
        self, copy: Path, pool: LocalJoblibPool, notes: pd.DataFrame
    ) -> None:
        report_of(copy, 2).unlink()
        opened = reopened(copy, pool, context_provider=lambda run_id: {"given": run_id})
        extended = opened.resume().extend(n=1)
        told = extended.to_extra_outputs("note")
        entries = extended.to_manifest().entries

        hook = hashlib.sha256((SUPPORT / "sweep_hooks.py").read_bytes()).hexdigest()
        assert extended.to_manifest().extra["hook_sha256"] == hook
        assert drift_of(extended.to_manifest(), entries) == {}
        assert same(notes, told.loc[:3])
        assert json.loads(told["context"][4]) == {"given": 4}
        assert {entry.postprocess_status for entry in entries} == {"ok"}
        assert {entry.postprocess for entry in entries} == {NOTE}


# --- extend --------------------------------------------------------------------------------------


class TestExtend:
    """An extended sweep is the sweep that was larger from the start."""

    def test_extending_twice_is_bit_equal_to_a_fresh_sweep_of_that_size(
        self, copy: Path, pool: LocalJoblibPool, ten: pd.DataFrame
    ) -> None:
        extended = reopened(copy, pool).extend(n=2)
        frame = monte_carlo_extend(
            copy / "manifest.jsonl", SHORT, n=4, backend=pool, progress=False
        )
        header = Manifest.load(copy / "manifest.jsonl")

        assert same(ten.loc[:5], extended.to_dataframe().loc[:5])
        assert same(ten, frame)
        assert (header.run_count, header.parameter_spec["n"]) == (4, 4)
        assert (header.total_run_count, header.extension_run_count) == (10, 6)

    def test_a_sweep_with_failed_runs_grows_into_the_larger_sweep(
        self, pool: LocalJoblibPool, tmp_path: Path
    ) -> None:
        """GMAT refuses a dry mass below zero, which about half of the draws have."""
        options: dict[str, Any] = {
            "perturb": {**PERTURB, "Sat.DryMass": ("uniform", -1000.0, 1000.0)},
            "seed": 2,
            "backend": pool,
            "progress": False,
        }
        monte_carlo(SHORT, n=4, out=tmp_path / "grown", **options)
        path = tmp_path / "grown" / "manifest.jsonl"
        had = Manifest.load(path).find_failed()
        grown = monte_carlo_extend(path, SHORT, n=4, backend=pool, progress=False)
        at_once = monte_carlo(SHORT, n=8, out=tmp_path / "at once", **options)
        entries = {
            name: Manifest.load(tmp_path / name / "manifest.jsonl").latest()
            for name in ("grown", "at once")
        }

        assert 0 < len(had) < 4
        assert same(at_once, grown)
        assert [
            (run_id, entry.status, entry.seed, entry.overrides, entry.failure_kind)
            for run_id, entry in entries["grown"].items()
        ] == [
            (run_id, entry.status, entry.seed, entry.overrides, entry.failure_kind)
            for run_id, entry in entries["at once"].items()
        ]
        # The values are the reason, and GMAT says so.
        assert {
            run_id: "mission" if entry.overrides["Sat.DryMass"] < 0 else None
            for run_id, entry in entries["grown"].items()
        } == {run_id: entry.failure_kind for run_id, entry in entries["grown"].items()}
        assert sorted(ran(path.parent, 4)) == [4, 5, 6, 7]

    def test_a_failed_extension_run_is_resumed_and_the_sweep_extended_again(
        self, copy: Path, pool: LocalJoblibPool, ten: pd.DataFrame
    ) -> None:
        (copy / "refused.json").write_text("[5]")
        reopened(copy, pool).extend(n=3)
        failed = Manifest.load(copy / "manifest.jsonl").find_failed()
        with pytest.raises(SweepConfigError, match=r"it has 1 run \(5\) that failed, but not in"):
            reopened(copy, pool).extend(n=3)
        (copy / "refused.json").unlink()
        reopened(copy, pool).resume()
        frame = reopened(copy, pool).extend(n=3).to_dataframe()

        assert failed == [5]
        assert ran(copy, 7)[0] == 5
        assert same(ten, frame)

    def test_an_extension_that_was_killed_twice_is_finished_by_resume(
        self, copy: Path, pool: LocalJoblibPool, ten: pd.DataFrame
    ) -> None:
        (copy / "refused.json").write_text("[4]")
        reopened(copy, pool).extend(n=3)
        forget(copy, 5, 6)
        with pytest.raises(SweepConfigError, match=r"\(5, 6\) without an entry, 1 run \(4\) that"):
            reopened(copy, pool).extend(n=3)
        (copy / "refused.json").unlink()
        reopened(copy, pool).resume()
        # The resuming process is killed as well, once the failed run is mended.
        forget(copy, 5, 6)
        resumed = reopened(copy, pool).resume()

        assert same(ten.loc[:6], resumed.to_dataframe())

    def test_an_extension_whose_process_was_killed_is_finished_by_resume(
        self, copy: Path, pool: LocalJoblibPool, ten: pd.DataFrame, prefect_url: str
    ) -> None:
        path = copy / "manifest.jsonl"
        program = textwrap.dedent(
            f"""
            import sys
            sys.path.insert(0, {str(SUPPORT)!r})
            from gmat_sweep import LocalJoblibPool, monte_carlo_extend
            with LocalJoblibPool(2) as pool:
                monte_carlo_extend(
                    {str(path)!r}, {str(SHORT)!r}, n=6, backend=pool, progress=False,
                    context_provider=lambda run_id: {{"sleep_s": 0.1 if run_id < 6 else 60.0}},
                )
            """
        )
        killed = subprocess.Popen(
            [sys.executable, "-c", program], env={**os.environ, "PREFECT_API_URL": prefect_url}
        )
        try:
            wait_until(lambda: lines_of(path) >= 6, "two added runs", timeout_s=120)
        finally:
            killed.kill()
            killed.wait()
        before = lines_of(path)
        resumed = reopened(copy, pool).resume()

        assert before == 6
        assert sorted(ran(copy, 6)) == [6, 7, 8, 9]
        assert same(ten, resumed.to_dataframe())

    def test_an_extension_that_was_killed_before_its_first_entry_can_be_started_anew(
        self, copy: Path, pool: LocalJoblibPool, ten: pd.DataFrame
    ) -> None:
        reopened(copy, pool).extend(n=1)
        # Its outputs are there, which GMAT would refuse to write over.
        forget(copy, 4)
        extended = reopened(copy, pool).extend(n=6)

        assert (copy / "run-4" / "RF.txt").is_file()
        assert same(ten, extended.to_dataframe())

    def test_it_takes_a_folder_apart_and_contexts(
        self, copy: Path, tmp_path: Path, pool: LocalJoblibPool, ten: pd.DataFrame
    ) -> None:
        records = tmp_path / "records"
        records.mkdir()
        (copy / "manifest.jsonl").rename(records / "manifest.jsonl")
        frame = monte_carlo_extend(
            records / "manifest.jsonl",
            SHORT,
            n=2,
            output_dir=copy,
            context_provider=lambda run_id: {"given": run_id},
            backend=pool,
            progress=False,
        )
        entries = {e.run_id: e for e in Manifest.load(records / "manifest.jsonl").entries}

        assert same(ten.loc[:5], frame)
        assert entries[4].context == {"given": 4}
        assert entries[4].output_paths["report__RF"] == copy / "run-4" / "report__RF.parquet"
        assert (copy / "run-5" / "note.parquet").is_file()
        assert list(records.glob("run-*")) == []


class TestRefusedExtensions:
    """What cannot be extended is said, and nothing is run."""

    @pytest.mark.parametrize("n", [0, -1])
    def test_fewer_than_one_run(self, n: int, copy: Path, pool: LocalJoblibPool) -> None:
        opened = reopened(copy, pool)

        with pytest.raises(SweepConfigError, match="n >= 1"):
            opened.extend(n=n)
        assert ran(copy, 4) == []

    def test_an_incomplete_base_comes_before_a_bad_number(
        self, copy: Path, pool: LocalJoblibPool
    ) -> None:
        have_it_failed(copy, 2)
        forget(copy, 0, 3)

        with pytest.raises(
            SweepConfigError,
            match=r"incomplete base sweep: it has 2 runs \(0, 3\) without an entry, 1 run \(2\)",
        ):
            reopened(copy, pool).extend(n=0)

    def test_a_base_with_a_damaged_file(self, copy: Path, pool: LocalJoblibPool) -> None:
        flip_a_bit(copy, 2)

        with pytest.raises(SweepConfigError, match=r"incomplete base sweep.*\(2\) with damaged"):
            reopened(copy, pool).extend(n=1)

    @pytest.mark.parametrize(
        "changes",
        [
            {"_kind": "latin_hypercube"},
            {"_kind": "grid", "Sat.SMA": [7000.0, 7100.0, 7200.0, 7300.0]},
            {"_kind": "explicit", "columns": ["Sat.SMA"], "rows": [[7000.0]] * 4},
        ],
        ids=lambda changes: str(changes["_kind"]),
    )
    def test_a_sweep_that_is_no_monte_carlo(
        self, changes: dict[str, Any], copy: Path, pool: LocalJoblibPool
    ) -> None:
        path = copy / "manifest.jsonl"
        manifest = Manifest.load(path)
        kept = manifest.parameter_spec if changes["_kind"] == "latin_hypercube" else {}
        manifest.parameter_spec = {**kept, **changes}
        manifest.save(path)

        with pytest.raises(SweepConfigError, match="only applies to Monte Carlo"):
            reopened(copy, pool).extend(n=1)

    def test_a_peers_sweep_whose_seed_nobody_knows(self, copy: Path, pool: LocalJoblibPool) -> None:
        path = copy / "manifest.jsonl"
        manifest = Manifest.load(path)
        manifest.sweep_seed = manifest.parameter_spec["seed"] = None
        manifest.save(path)
        with pytest.warns(RuntimeWarning, match="does not record the seed"):
            opened = reopened(copy, pool)

        with pytest.raises(SweepConfigError, match="does not record the seed"):
            opened.extend(n=1)

    def test_a_sweep_that_is_not_from_a_manifest(
        self, pool: LocalJoblibPool, tmp_path: Path
    ) -> None:
        with pytest.raises(RuntimeError, match="from_manifest"):
            hand_made([run_of(0, tmp_path)], tmp_path, pool).extend(n=1)

    def test_a_latin_hypercube_by_its_own_name(self, tmp_path: Path) -> None:
        with pytest.raises(SweepConfigError, match="stratification"):
            latin_hypercube_extend(tmp_path / "manifest.jsonl", SHORT, n=1)
