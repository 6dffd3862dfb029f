"""The manifest: its format, what it refuses, and what survives."""

import dataclasses
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmat_sweep.errors import ManifestCorruptError, SweepConfigError
from gmat_sweep.manifest import MANIFEST_SCHEMA_VERSION, Manifest, ManifestEntry
from gmat_sweep.manifest import manifest as manifest_module
from gmat_sweep.mission.script import canonical_script_sha256
from gmat_sweep.spec import RunOutcome, RunStatus
from manifests import START, corrupt, entry, header, ids, rewritten
from repository import DATA

SOURCE = str(Path(manifest_module.__file__).parents[1])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sweep" / "manifest.jsonl"


class TestFormat:
    def test_each_line_is_sorted_json_with_the_documented_keys(self, path: Path) -> None:
        manifest = header(entries=[entry(0)])
        manifest.save(path)
        manifest.append_entry(entry(1, stderr="é"))
        lines = path.read_bytes().split(b"\n")

        assert lines.pop() == b""
        assert all(line == json.dumps(json.loads(line), sort_keys=True).encode() for line in lines)
        assert [json.loads(line)["seq"] for line in lines] == [0, 1, 2]
        assert json.loads(lines[0]).keys() - {"seq", "~crc"} == {
            "schema_version", "script_sha256", "gmat_sweep_version", "gmat_run_version",
            "gmat_install_version", "python_version", "os_platform", "sweep_seed",
            "parameter_spec", "run_count", "backend", "postprocess",
        }  # fmt: skip
        assert json.loads(lines[2]).keys() - {"seq", "~crc"} == {
            "run_id", "overrides", "context", "status", "output_paths", "extra_outputs",
            "solver_paths", "converged", "postprocess_status", "started_at", "ended_at",
            "duration_s", "stderr", "log_path",
        }  # fmt: skip
        assert json.loads(lines[1])["started_at"] == "2026-01-02T03:04:05.060956+00:00"

    def test_the_fields_keep_their_order(self) -> None:
        positional = Manifest(
            "sha", "1", "2", "3", "4", "os", 5, {"_kind": "grid"}, 6, "Pool", "m:f", 1, [], False, 7
        )
        names = [field.name for field in dataclasses.fields(ManifestEntry)]

        assert (positional.backend, positional.postprocess, positional.schema_version) == (
            "Pool", "m:f", MANIFEST_SCHEMA_VERSION,
        )  # fmt: skip
        assert (positional.fsync_each, positional.fsync_batch) == (False, 7)
        assert names[:14] == [
            "run_id", "overrides", "status", "output_paths", "started_at", "ended_at",
            "duration_s", "stderr", "log_path", "extra_outputs",
            "postprocess_status", "solver_paths", "converged", "context",
        ]  # fmt: skip

    def test_the_script_hash_can_be_imported_from_here(self) -> None:
        assert manifest_module.canonical_script_sha256 is canonical_script_sha256

    @pytest.mark.promise("1", "a manifest as this version writes it")
    def test_a_manifest_of_this_format_is_read_by_every_later_version(self) -> None:
        path = DATA / "golden_manifest.jsonl"
        manifest = Manifest.load(path)
        retried, first, added = manifest.entries
        (failure, *_) = Manifest.iter_entries(path)

        assert (manifest.schema_version, manifest.sweep_seed, manifest.run_count) == (1, 42, 2)
        assert manifest.parameter_spec["perturb"] == {"Sat.SMA": ["normal", 7100, 50]}
        assert (manifest.backend, manifest.postprocess) == ("LocalJoblibPool", "hooks:fit")
        assert manifest.extra["created_by"] == {"user": "ana", "host": "lab"}
        assert (failure.run_id, failure.status, failure.seed) == (1, "failed", 2**63 - 1)
        assert repr(failure.overrides) == "{'Sat.INC': -0.0, 'Sat.Id': 'Ω', 'Sat.SMA': nan}"
        assert failure.stderr is not None
        assert failure.stderr.endswith("GmatRunError: époque invalide\n")
        assert (retried.run_id, retried.status) == (1, "ok")
        assert retried.run_options == {"overwrite": True}
        report = DATA / "run-0" / "report__RF.parquet"
        assert first.output_paths == {"report__RF": report}
        assert first.files == {"report__RF.parquet": {"size": 1234, "sha256": "ab" * 32}}
        assert first.solver_paths == {"DC": DATA / "run-0" / "solver__DC.parquet"}
        assert first.extra_outputs == {"fit": DATA / "run-0" / "fit.parquet"}
        assert first.log_path == DATA / "run-0" / "worker.log"
        assert (first.converged, first.postprocess_status) == ({"DC": False}, "ok")
        assert repr(first.context) == "{'truth': [1, -0.0, inf]}"
        assert [attempt["cause"] for attempt in first.attempts] == ["killed by SIGKILL"]
        assert (first.host, first.duration_s) == ("lab", 1.0625)
        assert first.started_at == datetime(2026, 1, 2, 3, 4, 5, 60956, tzinfo=UTC)
        assert (added.run_id, added.extra) == (2, {"planned_run_count": 3})

    @pytest.mark.promise("1", "manifests of version 0.6")
    def test_a_manifest_of_the_peer_is_read(self) -> None:
        manifest = Manifest.load(DATA / "peer_manifest.jsonl")
        retried, first = manifest.entries

        assert manifest.schema_version == 1
        assert manifest.backend == "LocalJoblibPool"
        assert manifest.sweep_seed is None
        assert repr(manifest.parameter_spec["Sat.SMA"]) == "[7000, 7100.5, nan]"
        assert manifest.extra == {}
        assert (retried.run_id, retried.status, retried.log_path) == (1, "ok", None)
        assert (retried.context, retried.converged, retried.postprocess_status) == ({}, {}, "none")
        assert retried.output_paths == {"report__Eph": DATA / "run-1" / "report__Eph.parquet"}
        assert first.output_paths == {
            "report__Eph": Path("/home/ana/sweep/run-0/report__Eph.parquet")
        }
        assert first.solver_paths == {"DC": Path("/home/ana/sweep/run-0/solver__DC.parquet")}
        assert first.extra_outputs == {"fit": Path("/home/ana/sweep/run-0/fit.parquet")}
        assert first.log_path == Path("/home/ana/sweep/run-0/worker.log")
        assert (first.converged, first.postprocess_status) == ({"DC": True}, "ok")
        assert repr(first.context) == "{'truth': [1, -0.0, inf]}"
        assert first.started_at == datetime(2026, 1, 2, 3, 4, 5, 500000, tzinfo=UTC)
        (failure, _, _) = Manifest.iter_entries(DATA / "peer_manifest.jsonl")
        assert (failure.status, failure.duration_s) == ("failed", 1.0625)
        assert failure.stderr is not None
        assert failure.stderr.endswith("GmatError: époque invalide\n")

    def test_a_manifest_of_the_peer_can_be_appended_to(self, tmp_path: Path) -> None:
        path = tmp_path / "manifest.jsonl"
        before = (DATA / "peer_manifest.jsonl").read_bytes()
        path.write_bytes(before)
        Manifest.load(path).append_entry(entry(2))

        assert path.read_bytes().startswith(before)
        assert ids(path) == [1, 0, 2]
        rewritten(path, 5, later="x")
        Manifest.load(path).append_entry(entry(3))
        assert ids(path) == [1, 0, 2, 3]

    def test_headers_of_older_writers_get_the_defaults(self, path: Path) -> None:
        header().save(path)
        rewritten(path, 1, schema_version=..., backend=..., postprocess=...)
        manifest = Manifest.load(path)

        assert (manifest.schema_version, manifest.backend, manifest.postprocess) == (
            1, "unknown", None,
        )  # fmt: skip

    def test_everything_comes_back(self, path: Path) -> None:
        folder = path.parent
        full = entry(
            0,
            "failed",
            stderr="GMAT says no\n",
            output_paths={"report__Eph": folder / "run-0" / "report__Eph.parquet"},
            log_path=folder / "run-0" / "worker.log",
            extra_outputs={"fit": folder / "run-0" / "fit.parquet"},
            solver_paths={"DC": folder / "run-0" / "solver__DC.parquet"},
            converged={"DC": False},
            postprocess_status="failed",
            context={"truth": [1, {"é": None}]},
            seed=2**63 - 1,
            run_options={"overwrite": True},
            attempts=[{"cause": "signal 9", "started_at": "a", "ended_at": "b"}],
            host="node1",
            files={"report__Eph.parquet": {"size": 10, "sha256": "ab"}},
            postprocess="m:f",
            output_dir=str(folder / "run-0"),
            extra={"later": [1]},
        )
        manifest = header(
            sweep_seed=3, entries=[full], extra={"created_by": {"user": "ana"}, "entropy": 2**128}
        )
        manifest.save(path)
        manifest.append_entry(entry(1, output_paths={"a": folder / "a"}))

        loaded = Manifest.load(path)
        assert loaded == manifest
        assert loaded.path == path
        loaded.save(path)
        assert Manifest.load(path) == manifest

    def test_what_decides_on_writing_is_not_compared(self, path: Path) -> None:
        saved = header(fsync_each=False, fsync_batch=3, output_dir=path.parent)
        saved.save(path)

        assert saved == header()

    def test_unknown_keys_survive_a_rewrite(self, path: Path) -> None:
        header(entries=[entry(0)]).save(path)
        rewritten(path, 1, future={"a": 1})
        rewritten(path, 2, future=[2])
        manifest = Manifest.load(path)
        manifest.save(path)

        assert Manifest.load(path).extra == {"future": {"a": 1}}
        assert Manifest.load(path).entries[0].extra == {"future": [2]}

    def test_an_entry_is_made_from_an_outcome(self) -> None:
        outcome = RunOutcome.ok(
            run_id=3,
            output_paths={"report__Eph": Path("a")},
            started_at=START,
            ended_at=START,
            duration_s=0.5,
            solver_paths={"DC": Path("b")},
            converged={"DC": True},
            extra_outputs={"fit": Path("c")},
            postprocess_status="ok",
        )
        made = ManifestEntry.from_outcome(
            outcome, overrides={"Sat.SMA": 1}, log_path=Path("d"), seed=4, host="node1"
        )

        assert made == ManifestEntry(
            3, {"Sat.SMA": 1}, "ok", {"report__Eph": Path("a")}, START, START, 0.5, None, Path("d"),
            {"fit": Path("c")}, "ok", {"DC": Path("b")}, {"DC": True}, {}, seed=4, host="node1",
        )  # fmt: skip
        assert ManifestEntry.from_dict(made.to_dict()) == made


class TestValues:
    @pytest.mark.promise("1", "NaN, infinities, -0.0, large seeds, any text")
    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda inner: (
                st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
            ),
            max_leaves=8,
        ),
        st.text(),
    )
    @settings(max_examples=60, deadline=None)
    def test_any_json_value_comes_back_bit_equal(
        self, tmp_path_factory: pytest.TempPathFactory, value: Any, name: str
    ) -> None:
        path = tmp_path_factory.mktemp("values") / "manifest.jsonl"
        manifest = header(parameter_spec={"_kind": "grid", name: value})
        manifest.save(path)
        manifest.append_entry(entry(0, context={name: value}, overrides={name: value}))
        loaded = Manifest.load(path)
        manifest.close()

        def bits(json_value: Any) -> str:
            return json.dumps(json_value, sort_keys=True)

        assert bits(loaded.entries[0].context) == bits({name: value})
        assert bits(loaded.entries[0].overrides) == bits({name: value})
        assert bits(loaded.parameter_spec) == bits({"_kind": "grid", name: value})

    def test_numpy_scalars_come_back_as_numbers(self, path: Path) -> None:
        manifest = header(sweep_seed=np.int64(3), run_count=np.int32(1))
        manifest.save(path)
        manifest.append_entry(entry(0, overrides={"a": np.float32(0.5)}, converged={"b": np.True_}))

        loaded = Manifest.load(path)
        assert (loaded.sweep_seed, loaded.run_count) == (3, 1)
        assert loaded.entries[0].overrides == {"a": 0.5}
        assert loaded.entries[0].converged == {"b": True}

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"context": {"truth": [0, np.zeros(2)]}}, r"run 7: context\.truth\[1\] is a numpy"),
            (
                {"overrides": {"Sat.Epoch": START}},
                r'run 7: overrides\["Sat\.Epoch"\] is a datetime',
            ),
            ({"overrides": {"Out": Path("a")}}, r"run 7: overrides\.Out is a .*Path"),
            ({"extra": {"status": 1}}, "run 7: extra holds status, which .* Rename"),
            ({"extra": {"seq": 1}}, "run 7: extra holds seq"),
            ({"status": "banana"}, "run 7: status must be .*banana"),
            ({"converged": {"DC": 1}}, "run 7: converged must hold bool"),
        ],
    )
    def test_what_cannot_be_read_again_is_refused_before_anything_is_written(
        self, fields: dict[str, Any], message: str, path: Path
    ) -> None:
        manifest = header()
        manifest.save(path)
        torn = path.read_bytes() + b"torn"
        path.write_bytes(torn)
        with pytest.raises(SweepConfigError, match=message):
            manifest.append_entry(entry(7, **fields))
        with pytest.raises(SweepConfigError, match=message):
            header(entries=[entry(7, **fields)]).save(path)

        assert path.read_bytes() == torn
        assert list(path.parent.iterdir()) == [path]
        assert manifest.entries == []

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"parameter_spec": {"Sat.SMA": range(3)}}, r'parameter_spec\["Sat\.SMA"\] is a range'),
            ({"extra": {"run_count": 1}}, "extra holds run_count"),
            ({"run_count": 1.5}, "run_count must be int"),
        ],
    )
    def test_a_header_that_cannot_be_read_again_is_refused(
        self, fields: dict[str, Any], message: str, path: Path
    ) -> None:
        with pytest.raises(SweepConfigError, match=message):
            header(**fields).save(path)

        assert not path.exists()


class TestPaths:
    @pytest.mark.parametrize("given_folder", [True, False])
    def test_paths_in_the_sweep_folder_are_written_relative_to_it(
        self, given_folder: bool, path: Path
    ) -> None:
        folder = path.parent
        manifest = header(output_dir=folder if given_folder else None)
        manifest.save(path)
        file = folder / "run-0" / "a.parquet"
        manifest.append_entry(
            entry(
                0,
                output_paths={"report__A": file, "report__B": folder.parent / "b.parquet"},
                extra_outputs={"fit": folder / "fit"},
                solver_paths={"DC": folder / ".." / "dc"},
                log_path=folder / "run-0" / "worker.log",
                files={str(file): {"size": 1, "sha256": "a"}},
                output_dir=str(folder / "run-0"),
            )
        )
        written = json.loads(path.read_text().splitlines()[1])
        (loaded,) = Manifest.load(path).entries

        assert written["output_paths"] == {
            "report__A": "run-0/a.parquet",
            "report__B": str(folder.parent / "b.parquet"),
        }
        assert written["extra_outputs"] == {"fit": "fit"}
        assert written["solver_paths"] == {"DC": f"{folder}/../dc"}
        assert written["log_path"] == "run-0/worker.log"
        assert written["files"] == {"a.parquet": {"size": 1, "sha256": "a"}}
        assert written["output_dir"] == "run-0"
        assert Manifest.load(path).output_dir is None
        assert loaded.files == written["files"]
        assert [dataclasses.replace(each, files=loaded.files) for each in manifest.entries] == [
            loaded
        ]

    def test_paths_that_were_read_are_absolute_wherever_the_reader_stands(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        header().save(path)
        Manifest.load(path).append_entry(entry(0, log_path=Path("run-0/worker.log")))
        monkeypatch.chdir(path.parent.parent)
        (loaded,) = Manifest.load("sweep/manifest.jsonl").entries
        (streamed,) = Manifest.iter_entries("sweep/manifest.jsonl")

        assert loaded.output_paths == {"report__Eph": path.parent / "run-0/report__Eph.parquet"}
        assert loaded.log_path == path.parent / "run-0" / "worker.log"
        assert streamed == loaded

    @given(st.text("./a", max_size=6), st.sampled_from(["", "/sweeps/mine/"]))
    def test_a_folder_is_read_in_its_plainest_form(self, written: str, anchor: str) -> None:
        record = {**entry(0).to_dict(), "output_dir": written}
        read = ManifestEntry.from_dict(record, anchor=anchor)

        assert read.output_dir == (Path(anchor) / written).as_posix()

    @pytest.mark.parametrize("named", ["sweep", "runs"])
    def test_lines_are_relative_to_the_folder_that_the_header_on_disk_names(
        self, named: str, path: Path, tmp_path: Path
    ) -> None:
        folder, other = tmp_path / named, tmp_path / "other"
        header(output_dir=folder).save(path)
        manifest = Manifest.load(path)
        manifest.output_dir = other
        manifest.append_entry(entry(0, output_paths={"a": other / "a"}))
        manifest.append_entry(entry(1, output_paths={"a": folder / "a"}))
        lines = [json.loads(line)["output_paths"] for line in path.read_text().splitlines()[1:]]

        assert lines == [{"a": str(other / "a")}, {"a": "a"}]
        assert [each.output_paths["a"] for each in Manifest.load(path).entries] == [
            other / "a",
            folder / "a",
        ]

    def test_a_sweep_folder_reached_by_a_link_is_the_same_folder(
        self, path: Path, tmp_path: Path
    ) -> None:
        path.parent.mkdir()
        (tmp_path / "link").symlink_to(path.parent)
        manifest = header()
        manifest.save(tmp_path / "link" / "manifest.jsonl")
        manifest.append_entry(entry(0, output_paths={"a": path.parent / "a"}))
        manifest.append_entry(entry(1, output_paths={"a": tmp_path / "link" / "a"}))

        lines = path.read_text().splitlines()[1:]
        assert [json.loads(line)["output_paths"] for line in lines] == [{"a": "a"}] * 2

    def test_another_sweep_folder_than_the_manifests_is_recorded(
        self, path: Path, tmp_path: Path
    ) -> None:
        manifest = header(output_dir=path.parent / "out")
        manifest.save(path)
        manifest.append_entry(entry(0, output_paths={"a": path.parent / "out" / "a"}))
        path.parent.rename(tmp_path / "moved")
        loaded = Manifest.load(tmp_path / "moved" / "manifest.jsonl")

        assert loaded.output_dir == tmp_path / "moved" / "out"
        assert loaded.entries[0].output_paths == {"a": tmp_path / "moved" / "out" / "a"}


class TestLoad:
    def test_the_last_entry_of_a_run_counts_at_the_place_of_the_first(self, path: Path) -> None:
        manifest = header()
        manifest.save(path)
        for run_id, status in ((2, "failed"), (0, "failed"), (1, "ok"), (2, "ok")):
            manifest.append_entry(entry(run_id, status))  # type: ignore[arg-type]

        assert ids(path) == [2, 0, 1]
        assert Manifest.load(path).entries[0].status == "ok"
        assert [each.run_id for each in Manifest.iter_entries(path)] == [2, 0, 1, 2]

    def test_entries_are_read_one_at_a_time(self, path: Path) -> None:
        header(entries=[entry(0)]).save(path)
        with path.open("ab") as file:
            file.write(b"garbage\n")
        entries = Manifest.iter_entries(path)

        assert next(entries).run_id == 0
        assert corrupt(lambda: next(entries)).line_number == 3

    def test_failed_and_missing_runs_are_found_in_memory_and_in_a_file(self, path: Path) -> None:
        manifest = header()
        manifest.save(path)
        for run_id, status in ((3, "failed"), (1, "failed"), (2, "skipped"), (3, "ok"), (0, "ok")):
            manifest.append_entry(entry(run_id, status))  # type: ignore[arg-type]
        other = header()

        assert manifest.find_failed() == Manifest.find_failed(path) == [1]
        assert other.find_failed(path) == Manifest.find_failed(str(path)) == [1]
        assert other.find_failed() == []
        assert manifest.find_missing([5, 3, 4]) == Manifest.find_missing(path, [5, 3, 4]) == [5, 4]
        assert manifest.find_missing(expected_run_ids=iter([5])) == [5]
        assert Manifest.find_missing(path=path, expected_run_ids=range(6)) == [4, 5]
        assert other.find_missing(path, [0]) == []
        assert other.find_missing([0]) == [0]
        with pytest.raises(TypeError, match="Pass the path"):
            Manifest.find_failed()  # type: ignore[call-arg]
        with pytest.raises(TypeError, match="Pass expected_run_ids"):
            Manifest.find_missing(path)  # type: ignore[call-arg]

    def test_runs_added_to_a_monte_carlo_sweep_are_counted(self) -> None:
        spec = {"_kind": "monte_carlo", "n": 2}
        entries = [entry(4), entry(0)]

        assert header(entries=entries).extension_run_count == 0
        assert header(parameter_spec=spec).extension_run_count == 0
        assert header(parameter_spec=spec, entries=entries).extension_run_count == 3
        assert header(entries=entries).total_run_count == 5
        assert header(run_count=9, entries=entries).total_run_count == 9
        assert header(run_count=0).total_run_count == 0

    def test_a_missing_file_is_a_missing_file(self, path: Path) -> None:
        for action in (Manifest.load, Manifest.find_failed):
            with pytest.raises(FileNotFoundError):
                action(path)

    @pytest.mark.parametrize(
        ("content", "line_number"), [(b"", None), (b"{", 1), (b'{"schema_version": 1}', 1)]
    )
    def test_a_file_without_a_whole_header_is_corrupt(
        self, content: bytes, line_number: int | None, tmp_path: Path
    ) -> None:
        path = tmp_path / "manifest.jsonl"
        path.write_bytes(content)
        error = corrupt(lambda: Manifest.load(path))

        assert (error.path, error.line_number) == (path, line_number)
        assert str(path) in str(error)

    @pytest.mark.parametrize("line_number", [1, 2])
    @pytest.mark.parametrize(
        "content",
        [b"[1, 2]", b"", b"\r", b"7", b"null", b"{", b"\xff", b"\0\0", b"[" * 100_000, b'{"a": 1}',
         b"\xef\xbb\xbf{}", b'{"a": ' + b"9" * 5000 + b"}"],
    )  # fmt: skip
    def test_a_bad_line_is_corrupt_and_its_number_is_given(
        self, content: bytes, line_number: int, path: Path
    ) -> None:
        header(entries=[entry(0), entry(1)]).save(path)
        lines = path.read_bytes().split(b"\n")
        lines[line_number - 1] = content
        path.write_bytes(b"\n".join(lines))
        error = corrupt(lambda: Manifest.load(path))

        assert (error.path, error.line_number) == (path, line_number)
        assert f"{path}, line {line_number}: " in str(error)

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"schema_version": "1"}, "schema_version must be an integer"),
            ({"schema_version": True}, "schema_version must be an integer"),
            ({"schema_version": 2}, "newer than supported"),
            ({"schema_version": 0}, "no migration path"),
            ({"script_sha256": ...}, "script_sha256 is missing"),
            ({"run_count": True}, "run_count must be int, not bool"),
            ({"parameter_spec": []}, "parameter_spec must be dict"),
            ({"postprocess": 1}, "postprocess must be str or null"),
        ],
    )
    def test_a_header_with_a_wrong_value_is_corrupt(
        self, fields: dict[str, Any], message: str, path: Path
    ) -> None:
        header(entries=[entry(0)]).save(path)
        rewritten(path, 1, **fields)
        error = corrupt(lambda: Manifest.load(path))

        assert (error.path, error.line_number) == (path, 1)
        assert re.search(message, str(error))

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"run_id": ...}, "run_id is missing"),
            ({"run_id": True}, "run_id must be int"),
            ({"run_id": 1.0}, "run_id must be int"),
            ({"status": "banana"}, "status must be one of ok, failed, skipped, got 'banana'"),
            ({"status": ["ok"]}, "status must be str"),
            ({"postprocess_status": "banana"}, "postprocess_status must be .*'banana'"),
            ({"output_paths": ["a"]}, "output_paths must be dict"),
            ({"output_paths": {"a": 1}}, "output_paths must hold text"),
            ({"output_paths": None}, "output_paths must be dict"),
            ({"solver_paths": {"a": None}}, "solver_paths must hold text"),
            ({"started_at": "yesterday"}, "started_at must be an ISO 8601 time"),
            ({"ended_at": 3}, "ended_at must be str"),
            ({"duration_s": "1"}, "duration_s must be float or int"),
            ({"log_path": 1}, "log_path must be str or null"),
            ({"context": None}, "context must be dict"),
            ({"converged": {"DC": "yes"}}, "converged must hold bool"),
            ({"attempts": [1]}, "attempts must hold dict"),
            ({"files": {"a": 1}}, "files must hold dict"),
        ],
    )
    def test_an_entry_with_a_wrong_value_is_corrupt(
        self, fields: dict[str, Any], message: str, path: Path
    ) -> None:
        header(entries=[entry(0), entry(1), entry(2)]).save(path)
        rewritten(path, 3, **fields)
        error = corrupt(lambda: Manifest.load(path))

        assert (error.path, error.line_number) == (path, 3)
        assert re.search(message, str(error))

    @pytest.mark.promise("1", "a flipped bit")
    def test_a_flipped_bit_is_found_and_its_line_given(self, path: Path) -> None:
        header(entries=[entry(0), entry(1)]).save(path)
        good = path.read_bytes()
        final_newline = len(good) - 1
        for position in range(final_newline):
            line_number = good.count(b"\n", 0, position) + 1
            for bit in range(8) if position % 5 == 0 else (position % 8,):
                bad = bytearray(good)
                bad[position] ^= 1 << bit
                path.write_bytes(bad)
                try:
                    Manifest.load(path)
                except ManifestCorruptError as error:
                    found = (error.path, error.line_number)
                else:
                    pytest.fail(f"bit {bit} of byte {position} was missed")
                assert found == (path, line_number)

    @pytest.mark.promise("1", "lost, repeated or moved lines")
    @pytest.mark.parametrize("order", [[0, 1, 3], [0, 1, 1, 2, 3], [0, 2, 1, 3], [1, 2, 3]])
    def test_a_lost_repeated_or_moved_line_is_found(self, order: list[int], path: Path) -> None:
        header(entries=[entry(0), entry(1), entry(2)]).save(path)
        lines = path.read_bytes().splitlines(keepends=True)
        path.write_bytes(b"".join(lines[number] for number in order))
        first_wrong = next(at for at, number in enumerate(order) if at != number)

        assert corrupt(lambda: Manifest.load(path)).line_number == first_wrong + 1


def test_the_latest_entry_of_each_run_counts_and_they_are_in_the_order_of_runs(
    tmp_path: Path,
) -> None:
    manifest = header()
    manifest.save(tmp_path / "manifest.jsonl")
    ended: list[tuple[int, RunStatus]] = [(2, "failed"), (0, "ok"), (2, "ok"), (1, "failed")]
    for run_id, status in ended:
        manifest.append_entry(entry(run_id, status=status), hold=run_id == 1)

    assert [(run_id, each.status) for run_id, each in manifest.latest().items()] == [
        (0, "ok"), (1, "failed"), (2, "ok"),
    ]  # fmt: skip
