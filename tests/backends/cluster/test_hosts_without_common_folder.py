"""Workers that do not see the sweep's disk: they get the mission and hand their outputs back."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import dask_clusters
from faulty_runs import SCRIPTS, spec_of
from gmat_sweep import LocalJoblibPool, Manifest, Pool, RunOutcome, RunSpec, Sweep
from gmat_sweep.backends import DaskPool
from gmat_sweep.backends.cluster.orders import Order, OrderDesk, Reply, RunMark, Sign
from gmat_sweep.backends.cluster.remote_worker import RemoteWorker
from gmat_sweep.engine import find_engine
from gmat_sweep.folder.run_files import damage, fsynced_facts
from gmat_sweep.folder.run_seal import read_seal, seal_run
from gmat_sweep.manifest.entry import ManifestEntry
from gmat_sweep.manifest.file_keys import file_key
from gmat_sweep.mission.files import MissionFiles
from portable_records import in_any_folder

pytestmark = pytest.mark.services

# A namespace of its own for mounts: in it, these folders are other and empty ones.
BLIND = (
    *("unshare", "--map-root-user", "--mount", "sh", "-c"),
    'mount -t tmpfs none "$1" && mount -t tmpfs none "$2" && shift 2 && exec "$@"',
    "sh",
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The folder of sweeps and the folder of missions, which the worker does not see."""
    return tmp_path_factory.mktemp("sweeps"), tmp_path_factory.mktemp("missions")


@pytest.fixture(scope="module")
def blind(
    folders: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[DaskPool]:
    """A pool whose one worker has other folders under the names of ours."""
    cluster = tmp_path_factory.mktemp("cluster")
    inside = (*BLIND, *map(str, folders))
    with (
        dask_clusters.scheduler(cluster) as (_, address),
        dask_clusters.worker(cluster, address, "blind", inside=inside),
        DaskPool(address=address) as pool,
    ):
        yield pool


def mission_in_parts(folder: Path) -> Path:
    """Return a mission that includes two files, one of them by its absolute path."""
    setup, sequence = SCRIPTS["fine"].split("BeginMissionSequence;")
    (folder / "parts").mkdir()
    (folder / "parts/setup.script").write_text(setup)
    (folder / "sequence.script").write_text(f"BeginMissionSequence;{sequence}")
    script = folder / "mission.script"
    script.write_text(
        f"#Include 'parts/setup.script'\n#Include '{folder}/sequence.script'\n", encoding="utf-8"
    )
    return script


def runs_of(script: Path, folder: Path) -> list[RunSpec]:
    """Return three good runs, one of them with a hook, and one whose hook fails."""
    specs = [
        RunSpec(script, {"Sat.SMA": 7000.0 + n}, folder / f"run-{n}", n, None, {}) for n in range(4)
    ]
    specs[1] = replace(specs[1], postprocess="sweep_hooks:note", context={"of": "one"})
    specs[3] = replace(specs[3], postprocess="sweep_hooks:end_as_told", context={"end": "leave"})
    return specs


def swept(specs: list[RunSpec], pool: Pool) -> tuple[pd.DataFrame, dict[int, dict[str, object]]]:
    """Run specs; return the frame, and what the manifest says apart from times and hosts."""
    folder = specs[0].output_dir.parent
    done = Sweep(
        runs=specs,
        backend=pool,
        manifest_path=folder / "manifest.jsonl",
        output_dir=folder,
        script_path=specs[0].script_path,
        progress=False,
    ).run()
    entries = Manifest.load(folder / "manifest.jsonl").entries
    assert not [problem for entry in entries for problem in damage(entry, [folder])]
    times = {"started_at", "ended_at", "duration_s", "host", "stderr"}
    kept = {
        entry.run_id: in_any_folder(
            {k: v for k, v in entry.to_dict().items() if k not in times}, folder
        )
        for entry in entries
    }
    return done.to_dataframe(), kept


def test_a_worker_without_the_folder_hands_everything_back(
    blind: DaskPool, pool: LocalJoblibPool, folders: tuple[Path, Path]
) -> None:
    sweeps, missions = folders
    script = mission_in_parts(missions)
    asked = []
    ask = blind._ask

    def counting(order: Order) -> Reply:
        reply = ask(order)
        asked.append(reply.lacks_mission)
        return reply

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(blind, "_ask", counting)
        frame, entries = swept(runs_of(script, sweeps / "far"), blind)
    expected, local = swept(runs_of(script, sweeps / "near"), pool)

    pd.testing.assert_frame_equal(frame, expected, check_exact=True)
    assert entries == local
    names = {run: sorted(p.name for p in (sweeps / run).iterdir()) for run in ("far", "near")}
    assert names["far"] == names["near"]
    for run_id in range(4):
        left = {
            run: sorted(p.name for p in (sweeps / run / f"run-{run_id}").iterdir())
            for run in ("far", "near")
        }
        assert left["far"] == left["near"]
    assert "status=ok" in (sweeps / "far/run-0/worker.log").read_text()
    # Asked for the mission by the runs that were waiting before it had come, and never after.
    assert 1 <= sum(asked) <= 2
    refused = Manifest.load(sweeps / "far/manifest.jsonl").entries
    (said,) = [entry.stderr or "" for entry in refused if entry.status == "failed"]
    assert "gmat-sweep-host-" not in said.split("--- GMAT engine log ---")[0]


def test_a_worker_without_the_folder_gets_the_files_that_only_values_name(
    blind: DaskPool, pool: LocalJoblibPool, folders: tuple[Path, Path]
) -> None:
    sweeps, missions = folders
    (missions / "fields").mkdir()
    gravity = find_engine().root / "data" / "gravity" / "earth"
    names = ["fields/a.cof", str(missions / "fields" / "b.cof")]
    for name, field in zip(names, ("JGM2.cof", "EGM96.cof"), strict=True):
        shutil.copy(gravity / field, missions / name)
    script = missions / "fields.script"
    field = "GMAT FM.PrimaryBodies = {Earth};\nGMAT FM.GravityField.Earth.Degree = 8;\n"
    script.write_text(
        SCRIPTS["fine"].replace("GMAT FM.PointMasses = {Earth};\n", field), encoding="utf-8"
    )

    def runs(folder: Path) -> list[RunSpec]:
        values = [{"FM.GravityField.Earth.PotentialFile": name} for name in names]
        return [
            RunSpec(script, overrides, folder / f"run-{n}", n, None, {})
            for n, overrides in enumerate(values)
        ]

    frame, _ = swept(runs(sweeps / "far-fields"), blind)
    expected, _ = swept(runs(sweeps / "near-fields"), pool)

    assert (expected["__status"] == "ok").all()
    pd.testing.assert_frame_equal(frame, expected, check_exact=True)
    last = frame.groupby("run_id").last().iloc[:, :-1].select_dtypes("number")
    assert not last.iloc[0].equals(last.iloc[1]), "two fields fly two orbits"


@pytest.fixture(scope="module")
def worker() -> Iterator[RemoteWorker]:
    """A worker in this process."""
    worker = RemoteWorker(reuse_gmat_context=True)
    yield worker
    worker.close()


class TestRemoteWorker:
    """The far end by itself."""

    @pytest.mark.promise("9", "a finished run that a scheduler executes again")
    def test_an_order_whose_run_is_finished_is_answered_and_not_run_again(
        self, worker: RemoteWorker, tmp_path: Path
    ) -> None:
        desk, spec = OrderDesk(), spec_of(tmp_path)
        order = desk.order(spec, None, None)
        first = worker.carry_out(order)
        log = (spec.output_dir / "worker.log").read_text()
        again = worker.carry_out(order)

        assert first.outcome is not None
        assert again == first
        assert (spec.output_dir / "worker.log").read_text() == log
        outcome = desk.outcome(spec, order, again)
        assert outcome.status == "ok"
        assert outcome.host
        desk.let_go(desk.order(spec, None, None))
        assert list(spec.output_dir.glob(".*"))
        desk.let_go(order)
        desk.close()
        assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
        assert not list(spec.output_dir.glob(".*"))

    def test_an_order_is_known_again_while_the_run_has_another_one(
        self, worker: RemoteWorker, tmp_path: Path
    ) -> None:
        desk, spec = OrderDesk(), spec_of(tmp_path)
        first = desk.order(spec, None, None)
        second = desk.order(replace(spec, run_options={"overwrite": True}), None, None)
        answered = worker.carry_out(first)
        worker.carry_out(second)
        log = (spec.output_dir / "worker.log").read_text()

        assert worker.carry_out(first) == answered
        assert (spec.output_dir / "worker.log").read_text() == log
        for order in (first, second):
            desk.let_go(order)
        desk.close()

    def test_an_outcome_that_was_not_written_whole_says_nothing(self, tmp_path: Path) -> None:
        mark = RunMark(tmp_path / "run-0", "0a")
        assert mark.begin() == (False, None)
        assert mark.begin() == (True, None)
        (named,) = (tmp_path / "run-0").iterdir()
        named.write_text('{"status": "o')
        assert mark.begin() == (True, None)
        mark.finish({"status": "ok"})
        assert mark.begin() == (True, {"status": "ok"})
        named.write_text('{"status": "o\n')
        mark.finish({"status": "ok"})
        assert mark.begin() == (True, {"status": "ok"})

    @pytest.mark.promise("9", "a run that was begun elsewhere before")
    def test_an_order_that_was_begun_elsewhere_is_run_over_what_it_left(
        self, worker: RemoteWorker, tmp_path: Path
    ) -> None:
        desk, spec = OrderDesk(), spec_of(tmp_path)
        order = desk.order(spec, None, None)
        RunMark(spec.output_dir, order.ticket).begin()
        for leftover in ("RF.txt", "report__RF.parquet"):
            (spec.output_dir / leftover).write_text("half of it")
        reply = worker.carry_out(order)

        assert desk.outcome(spec, order, reply).status == "ok"
        desk.close()

    @pytest.mark.parametrize("at", ["the folder", "the process"])
    def test_an_order_that_is_withdrawn_before_its_process_has_it_is_not_run(
        self, worker: RemoteWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: str
    ) -> None:
        desk, spec = OrderDesk(), spec_of(tmp_path)
        order = desk.order(spec, None, None)
        home, name = (Sign, "is_seen") if at == "the folder" else (LocalJoblibPool, "execute")
        really = getattr(home, name)

        def withdrawn_first(*args: Any, **keywords: Any) -> Any:
            worker.kill(order.ticket)
            return really(*args, **keywords)

        with monkeypatch.context() as patched:
            patched.setattr(home, name, withdrawn_first)
            reply = worker.carry_out(order)

        assert reply.outcome is None
        assert reply.fault is not None
        assert not list(spec.output_dir.glob("*.parquet"))
        again = worker.carry_out(replace(order, ticket="another"))
        assert again.outcome is not None
        assert again.outcome["status"] == "ok"
        desk.close()

    def test_a_folder_with_another_sign_is_another_folder(self, tmp_path: Path) -> None:
        (tmp_path / "sign").write_text("of somebody else")

        assert not Sign(str(tmp_path / "sign"), "ours").is_seen()
        assert not Sign(str(tmp_path / "absent"), "ours").is_seen()
        assert Sign(str(tmp_path / "sign"), "of somebody else").is_seen()


def test_what_comes_back_changed_is_refused(tmp_path: Path) -> None:
    desk, spec = OrderDesk(), spec_of(tmp_path)
    order = desk.order(spec, None, None)
    path = spec.output_dir / "report__RF.parquet"
    outcome = RunOutcome.ok(
        run_id=0,
        output_paths={"report__RF": path},
        started_at=datetime.now(UTC),
        ended_at=datetime.now(UTC),
        duration_s=1.0,
        files={path.name: {"size": 3, "sha256": hashlib.sha256(b"abc").hexdigest()}},
    )
    fine = Reply(outcome=outcome.to_dict(), files={path.name: b"abc"})
    changed = Reply(outcome=outcome.to_dict(), files={path.name: b"abd"})

    with pytest.raises(OSError, match="another content than was recorded"):
        desk.outcome(spec, order, changed)
    assert not path.exists()
    assert desk.outcome(spec, order, fine).output_paths == {"report__RF": path}
    assert path.read_bytes() == b"abc"
    desk.close()


def test_a_mirrored_mission_leads_to_its_own_copies(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    files = MissionFiles.of(mission_in_parts(home))
    copy = files.mirror(tmp_path / "far", files.contents())
    text = copy.read_text()

    assert sorted(Path(path).name for path in files.digests) == [
        "mission.script",
        "sequence.script",
        "setup.script",
    ]
    assert files.are_here()
    assert f"'{home}/sequence.script'" not in text
    assert (copy.parent / "parts/setup.script").is_file()
    (pinned,) = [line.split("'")[1] for line in text.splitlines() if "sequence" in line]
    assert Path(pinned).read_text() == (home / "sequence.script").read_text()
    (home / "sequence.script").write_text("BeginMissionSequence;\n")
    assert not files.are_here()


def test_files_of_one_name_from_elsewhere_on_that_host_come_back_apart(
    worker: RemoteWorker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hook may return files from any folders of its host; none replaces another or a table."""
    desk, spec = OrderDesk(), spec_of(tmp_path)
    order = replace(
        desk.order(spec, None, None), sign=Sign(str(tmp_path / "absent"), "not seen there")
    )
    far = {key: tmp_path / key / name for key, name in
           {"a": "fit.csv", "b": "fit.csv", "c": "fit.csv", "d": "worker.log"}.items()}  # fmt: skip
    for key, path in far.items():
        path.parent.mkdir()
        path.write_text(key)

    def run(here: RunSpec, _: Order) -> RunOutcome:
        here.output_dir.mkdir()
        for name in ("fit.csv", "worker.log"):
            (here.output_dir / name).write_text("its own")
        listed = {**far, "again": far["a"], "own": here.output_dir / "fit.csv"}
        outcome = RunOutcome.ok(
            run_id=0,
            output_paths={},
            extra_outputs=listed,
            started_at=datetime.now(UTC),
            ended_at=datetime.now(UTC),
            duration_s=1.0,
            files={
                file_key(path, here.output_dir): fsynced_facts(path) for path in listed.values()
            },
        )
        seal_run(here, outcome)
        return outcome

    monkeypatch.setattr(worker, "_run", run)
    outcome = desk.outcome(spec, order, worker.carry_out(order))
    home = spec.output_dir

    read = {key: path.read_text() for key, path in outcome.extra_outputs.items()}
    assert read == {"a": "a", "b": "b", "c": "c", "d": "d", "again": "a", "own": "its own"}
    assert {path.parent for path in outcome.extra_outputs.values()} == {home}
    assert (home / "worker.log").read_text() == "its own"
    for entry in (
        ManifestEntry.from_outcome(outcome, overrides={}, files=outcome.files),
        read_seal(home).entry,
    ):
        assert damage(entry, [home]) == []
        assert len(entry.files) == 5
    desk.close()
