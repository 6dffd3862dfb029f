"""``gmat-sweep runs-needed``: the table, what runs take, and what is said of mistakes."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cli_sweeps import manifest, refused, usage_error
from gmat_sweep.cli import EXIT_CONFIG, EXIT_MANIFEST, EXIT_OK, main
from gmat_sweep.cli.runs_needed import Pace, pace_of
from gmat_sweep.manifest import ManifestEntry
from gmat_sweep.spec import NOMINAL_RUN_ID
from oracles import ORACLES

_START = datetime(2026, 1, 1, tzinfo=UTC)
_ASKED = ("--probability", "99.7%", "--confidence", "90%")


def _printed(capsys: pytest.CaptureFixture[str], *words: object) -> list[str]:
    assert main(["runs-needed", *map(str, words)]) == EXIT_OK
    out, err = capsys.readouterr()
    assert err == ""
    return out.splitlines()


def _rows(lines: list[str]) -> list[list[str]]:
    """Return the cells of the table's rows; cells have two blanks between them."""
    return [re.split(" {2,}", line.strip()) for line in lines if re.match(r" *\d+ {2}", line)]


def _sweep(folder: Path, *, runs: int, seconds_each: float, folders: bool = True) -> Path:
    """Write a sweep of two runs at once, each of 1000 bytes in two files."""
    entries = [
        ManifestEntry(
            run_id, {}, "failed" if run_id == 1 else "ok", {},
            _START + timedelta(seconds=seconds_each * (run_id // 2)),
            _START + timedelta(seconds=seconds_each * (run_id // 2 + 1)),
            seconds_each, None, None,
        )
        for run_id in range(runs)
    ]  # fmt: skip
    # The nominal run took long, and counts for nothing.
    entries.append(
        ManifestEntry(
            NOMINAL_RUN_ID, {}, "ok", {}, _START - timedelta(hours=1), _START, 3600.0, None, None
        )
    )
    path = folder / "manifest.jsonl"
    record = manifest(entries=entries, run_count=runs)
    record.save(path)
    record.close()
    for run_id in range(runs * folders):
        outputs = folder / f"run-{run_id}" / "deeper"
        outputs.mkdir(parents=True)
        (outputs / "a.parquet").write_bytes(b"a" * 700)
        (outputs.parent / "worker.log").write_bytes(b"b" * 300)
    return path


def test_the_table_has_the_numbers_of_the_oracles(capsys: pytest.CaptureFixture[str]) -> None:
    fixed = {
        oracle["allowed"]: oracle["n"]
        for oracle in ORACLES["planner_fixed"]
        if (oracle["q"], oracle["conf"]) == ("0.003", "0.90")
    }
    anytime = next(o for o in ORACLES["anytime_pass_boundary"] if o["q"] == "0.003")
    wanted = [[str(x), str(fixed[x]), str(anytime["n_for_violations"][x])] for x in (0, 1, 2, 3, 5)]

    lines = _printed(capsys, *_ASKED)

    assert lines[0] == "to show that 99.7 % of runs meet a requirement, with 90 % confidence:"
    assert lines[1].split() == ["violations", "fixed", "anytime"]
    assert _rows(lines) == wanted
    assert _printed(capsys, "--probability", "0.997", "--confidence", ".9") == lines


def test_what_is_expected_names_the_smallest_sample_that_passes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    # 14 violations of 6707: of the oracles; it has a row of its own.
    lines = _printed(capsys, *_ASKED, "--expect", "0.15%")

    assert "passes if 0.15 % violate" in lines[1]
    assert _rows(lines)[-1][:3] == ["14", "6707", "91.4 %"]
    assert (
        "if 0.15 % violate: fly 6707 runs, which pass with at most 14 violations, and 91.4 % of "
        "such samples do"
    ) in lines
    lines = _printed(
        capsys, "--probability", "95%", "--confidence", "95%", "--expect", "0.5%", "--power", "80%"
    )
    assert "fly 93 runs, which pass with at most 1 violation, and 92.1 %" in lines[-1]


def test_time_and_disk_are_those_of_a_sweep(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # 8 runs, two at once, of 2 s each: one run per second.
    path = _sweep(tmp_path, runs=8, seconds_each=2.0)

    assert pace_of(str(path)) == Pace(1.0, 1000.0)
    lines = _printed(capsys, *_ASKED, "--expect", "0.03%", "--from", tmp_path)

    title = "violations fixed time disk passes if 0.03 % violate anytime time disk"
    assert " ".join(lines[1].split()) == title
    assert _rows(lines)[0] == [
        "0", "767", "13 min", "767 kB", "79.4 %", "994", "17 min", "994 kB",
    ]  # fmt: skip
    assert (
        "if 0.03 % violate: fly 1296 runs, 22 min, 1.3 MB, which pass with at most 1" in lines[-2]
    )
    assert lines[-1] == f"by {path}: 1 runs per second, 1 kB per run"


def test_a_manifest_without_its_run_folders_tells_the_time_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = _sweep(tmp_path, runs=4, seconds_each=5.0, folders=False)

    lines = _printed(capsys, *_ASKED, "--from", path)

    assert lines[1].split() == ["violations", "fixed", "time", "anytime", "time"]
    assert _rows(lines)[0] == ["0", "767", "32 min", "994", "41 min"]
    assert lines[-1].endswith("its run folders are not there to tell the disk space")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("--probability", "3 sigma", "--confidence", "90%"),
            (
                "--probability '3 sigma' means two things. Write 0.9973 (two-sided) or 0.99865 "
                "(one-sided)."
            ),
        ),
        (
            ("--probability", "99.7", "--confidence", "90%"),
            (
                "--probability '99.7' is not between 0 and 1. Write it such as 0.997 or 99.7%. "
                "For 99.7 percent write 99.7%."
            ),
        ),
        (
            ("--probability", "99.7%", "--confidence", "high"),
            "--confidence 'high' is no share of runs. Write it such as 0.997 or 99.7%.",
        ),
        ((*_ASKED, "--expect", "-1%"), "--expect '-1%' is no share of runs."),
        ((*_ASKED, "--expect", "0.3%"), "expect 0.003: a requirement of 99.7 % allows 0.3 %"),
        ((*_ASKED, "--expect", "0.1%", "--power", "1"), "--power '1' is not between 0 and 1."),
    ],
)
def test_mistakes_are_told_in_a_line(
    words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = tuple(f"{name}={value}" for name, value in zip(words[::2], words[1::2], strict=True))

    assert refused(capsys, EXIT_CONFIG, "runs-needed", *words).startswith(said)


def test_both_shares_must_be_given(capsys: pytest.CaptureFixture[str]) -> None:
    assert "--confidence" in usage_error(capsys, "runs-needed", "--probability", "99.7%")


def test_a_sweep_that_tells_no_time_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "manifest.jsonl"
    assert "manifest not found" in refused(
        capsys, EXIT_MANIFEST, "runs-needed", *_ASKED, "--from", path
    )

    _sweep(tmp_path, runs=0, seconds_each=1.0)
    said = refused(capsys, EXIT_MANIFEST, "runs-needed", *_ASKED, "--from", path)

    assert "has no run from which to tell how long one takes" in said


def test_more_runs_than_a_sweep_may_have_are_said_to_be_so(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["runs-needed", "--probability", "99.99999%", "--confidence", "90%"]) == EXIT_OK

    out, err = capsys.readouterr()
    assert _rows(out.splitlines())[0][1] == "23025850"
    assert err == "gmat-sweep: a sweep may have 10,000,000 runs\n"
