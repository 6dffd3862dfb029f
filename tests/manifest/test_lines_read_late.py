"""An entry is read from its line when one of its attributes is first wanted."""

from __future__ import annotations

import copy
import json
import math
import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from gmat_sweep import Manifest, ManifestCorruptError
from gmat_sweep.manifest.entry import ManifestEntry, outline_of
from gmat_sweep.manifest.lines import checked_record, line_of, run_id_of
from manifests import entry, header


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "manifest.jsonl"


def is_unread(each: ManifestEntry) -> bool:
    return each._unread is not None


def test_a_loaded_manifest_tells_the_runs_without_reading_them(path: Path) -> None:
    written = [entry(run_id) for run_id in (2, 0, 1)]
    header(entries=written).save(path)

    loaded = Manifest.load(path)

    assert loaded.find_missing(range(4)) == [3]
    assert list(loaded.latest()) == [0, 1, 2]
    assert all(map(is_unread, loaded.entries))
    assert [each.status for each in loaded.entries] == [each.status for each in written]
    assert not any(map(is_unread, loaded.entries))


@pytest.mark.parametrize(
    "use",
    [copy.copy, copy.deepcopy, replace, lambda each: pickle.loads(pickle.dumps(each))],
    ids=["copy", "deepcopy", "replace", "pickle"],
)
def test_an_unread_entry_is_equal_and_goes_wherever_another_goes(use, path: Path) -> None:  # type: ignore[no-untyped-def]
    header(entries=[entry(7)]).save(path)
    (whole,) = map(copy.copy, Manifest.load(path).entries)
    unread = Manifest.load(path).entries[0]

    assert use(unread) == whole
    assert repr(Manifest.load(path).entries[0]) == repr(whole)
    assert Manifest.load(path).entries[0].to_dict() == whole.to_dict()
    assert not hasattr(Manifest.load(path).entries[0], "mission")
    assert not hasattr(entry(7), "mission")


def test_the_outline_of_an_unread_entry_is_that_of_a_read_one(path: Path) -> None:
    header(entries=[replace(entry(7), overrides={"Sat.SMA": 7000.0}, host="a", seed=5)]).save(path)
    unread, read = Manifest.load(path).entries[0], Manifest.load(path).entries[0]
    assert read.host == "a"

    assert outline_of(unread) == outline_of(read)
    assert outline_of(unread).seed == 5
    assert outline_of(unread).overrides == {}
    assert is_unread(unread), "an outline needs no second copy of the values"


@pytest.mark.parametrize(
    "value",
    [
        2**63 - 1,
        2**63,
        2**64,
        -(2**63) - 1,
        10**40,
        1e19,
        -1e300,
        math.inf,
        -math.inf,
        -0.0,
        5e-324,
        0.1 + 0.2,
        "\ud800",
        "a \U0001f680 \\u0000 \" ' /",
        [[{"deep": [10**30, 1.5]}]],
        {"run_id": 5, "seq": 9},
        '"run_id": 5, "seq": 9, ',
    ],
)
def test_a_line_is_read_as_json_reads_it(value: object, path: Path) -> None:
    header(entries=[replace(entry(3), context={"a": value}, seed=2**80)]).save(path)
    line = path.read_bytes().splitlines(keepends=True)[1]
    expected = json.loads(line)

    record = checked_record(line, 2)

    assert repr(record["context"]) == repr(expected["context"])
    assert record["seed"] == 2**80
    loaded = Manifest.load(path).entries[0]
    assert loaded.run_id == 3
    assert repr(loaded.context) == repr(expected["context"])


def test_nan_is_read(path: Path) -> None:
    header(entries=[replace(entry(3), context={"a": math.nan})]).save(path)

    assert math.isnan(Manifest.load(path).entries[0].context["a"])


def test_a_run_id_is_told_only_from_a_line_at_its_own_place() -> None:
    record = {"run_id": 12, "status": "ok"}

    assert run_id_of(line_of(record, 4), 5) == 12
    assert run_id_of(line_of({**record, "run_id": -1}, 4), 5) == -1
    assert run_id_of(line_of(record, 4), 6) is None, "lines are missing before it"
    assert run_id_of(line_of({**record, "run_id": "12"}, 4), 5) is None
    assert run_id_of(line_of({**record, "run_id": 1.5}, 4), 5) is None
    assert run_id_of(line_of({**record, "context": {"run_id": 3}}, 4), 5) is None
    assert run_id_of(line_of({**record, "context": {"seq": 4}}, 9), 5) is None
    assert run_id_of(json.dumps(record).encode() + b"\n", 1) is None, "no checksum"


def test_a_bad_line_with_a_right_checksum_is_an_error_when_it_is_read(path: Path) -> None:
    header(entries=[entry(0)]).save(path)
    record = checked_record(path.read_bytes().splitlines(keepends=True)[1], 2)
    with path.open("ab") as file:
        file.write(line_of({**record, "run_id": 1, "status": "fine"}, 2))

    bad = Manifest.load(path).entries[1]

    for use in (lambda: bad.status, lambda: outline_of(bad), lambda: bad.status):
        with pytest.raises(ManifestCorruptError, match=r"line 3: status must be .*fine") as caught:
            use()
        assert caught.value.line_number == 3
    with pytest.raises(ManifestCorruptError, match="line 3"):
        Manifest.outline(path)


def test_run_ids_are_those_of_the_entries_whoever_wrote_the_lines(path: Path) -> None:
    written = [entry(run_id, context={"run_id": 99, "x": '"run_id": 5, '}) for run_id in (2, -1)]
    header(entries=[*written, entry(3), entry(2)]).save(path)
    plain = json.dumps(entry(7, context={"run_id": 98}).to_dict(), separators=(",", ":"))
    # As another program may write it: the inner key alone has a blank.
    spaced = plain.replace('"run_id":98', '"run_id": 98')
    path.write_text(path.read_text() + f"{plain}\n{spaced}\n" + '{"run_id": 8')

    found = list(Manifest.iter_run_ids(path))

    assert found == [each.run_id for each in Manifest.iter_entries(path)] == [2, -1, 3, 2, 7, 7]
    path.write_text(path.read_text().replace('"run_id"', '"ran_id"'))
    with pytest.raises(ManifestCorruptError):
        list(Manifest.iter_run_ids(path))
