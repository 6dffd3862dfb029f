"""The names in a sweep folder, each written down once.

::

    <sweep folder>/
      manifest.jsonl                 the manifest
      manifest.jsonl.torn-<time>     a torn line, taken off its end
      manifest.header.json           a copy of its header line
      frames.json                    hashes of the frames that --frame wrote
      last-pass.json                 how the last pass over the sweep ended
      inputs.json                    of a night: hashes of all that it was made from
      comparison.md  comparison.json of a night: what changed since the last one
      baseline-comparison.json       of a night: what changed since the baseline
      accumulated.md  accumulated.json  of a night: verdicts on all nights until then
      rotating/                      of a night: the sweep of new draws, beside the frozen ones
      verdicts.md  verdicts.json     which requirements the runs were last shown to meet
      verification.json              requirements and plan of the first judgement
      .gmat-sweep.lock               locked by the one process that writes here
      headless/                      headless copies of scripts
      quarantine-<time>/             damaged files that the doctor moved
      compact/                       copies of the runs' tables in few files
        index.json                   which parts there are; written last
        <number>.parquet             a part: tables of one kind, one run after the other
        <number>.runs.parquet        where in the part each run's table is
      packed/                        run folders in few zip files
        <number>.zip                 those of up to 10,000 runs
      run-<id>/                      run-nominal for the nominal run
        report__<name>.parquet  ...  tables that GMAT wrote
        worker.log                   the log of the run
        outcome.seal.json            the seal: a copy of the run's manifest entry
        .attempt-<number>/           files of the attempt before this one
        .before-first-attempt.json   names that were here before any attempt
        .order-<ticket>.json         the mark of an order: a worker keeps the outcome in it

In a folder of nights, ``baseline.json`` says which of its nights was accepted, and
``earlier-draws.json`` what nights drew that were removed.

`gmat_sweep.disk` gives three of these names to whatever file it writes, so it has them itself: that
of a torn line (`append_log.TORN_MARK`), of the lock (`lock.LOCK_FILE_NAME`) and of an unfinished
file (`files.TEMPORARY_FILE`). This module imports nothing of the package.
"""

from __future__ import annotations

import re
from pathlib import Path

__all__ = [
    "ACCUMULATED_DATA_NAME",
    "ACCUMULATED_TEXT_NAME",
    "ATTEMPT_FOLDER",
    "BASELINE_COMPARISON_NAME",
    "BASELINE_NAME",
    "COMPARISON_DATA_NAME",
    "COMPARISON_TEXT_NAME",
    "EARLIER_DRAWS_NAME",
    "FRAMES_NAME",
    "HEADLESS_FOLDER",
    "INPUT_HASHES_NAME",
    "LAST_PASS_NAME",
    "MANIFEST_NAME",
    "ORDER_MARK",
    "PRESENT_BEFORE_NAME",
    "ROTATING_FOLDER",
    "RUN_FOLDER",
    "SEAL_NAME",
    "VERDICTS_DATA_NAME",
    "VERDICTS_TEXT_NAME",
    "VERIFICATION_NAME",
    "WORKER_LOG_NAME",
    "attempt_folder_name",
    "compact_folder",
    "compact_index",
    "header_copy",
    "order_mark_name",
    "output_file_name",
    "packed_folder",
    "quarantine_name",
    "run_folder",
    "run_folder_name",
    "run_folders",
]

# In the sweep folder.
MANIFEST_NAME = "manifest.jsonl"
LAST_PASS_NAME = "last-pass.json"  # noqa: S105 - no password
INPUT_HASHES_NAME = "inputs.json"
ACCUMULATED_TEXT_NAME = "accumulated.md"
ACCUMULATED_DATA_NAME = "accumulated.json"
ROTATING_FOLDER = "rotating"
COMPARISON_TEXT_NAME = "comparison.md"
BASELINE_COMPARISON_NAME = "baseline-comparison.json"
COMPARISON_DATA_NAME = "comparison.json"
FRAMES_NAME = "frames.json"
VERDICTS_TEXT_NAME = "verdicts.md"
VERDICTS_DATA_NAME = "verdicts.json"
VERIFICATION_NAME = "verification.json"
HEADLESS_FOLDER = "headless"
RUN_FOLDER = re.compile(r"run-(?:-?\d+|nominal)")

# As `gmat_sweep.spec` has it; this module imports nothing of the package.
_NOMINAL_RUN_ID = -1

# In a folder of nights.
BASELINE_NAME = "baseline.json"
EARLIER_DRAWS_NAME = "earlier-draws.json"

# In the folder of a run.
WORKER_LOG_NAME = "worker.log"
SEAL_NAME = "outcome.seal.json"
PRESENT_BEFORE_NAME = ".before-first-attempt.json"
ATTEMPT_FOLDER = re.compile(r"\.attempt-(\d+)")
ORDER_MARK = re.compile(r"\.order-[0-9a-f]+\.json")


def header_copy(manifest_path: Path) -> Path:
    """Return the path of the copy of a manifest's header line."""
    return manifest_path.with_suffix(".header.json")


def compact_folder(sweep_folder: Path) -> Path:
    """Return the folder with the copies of all runs' tables in few files."""
    return sweep_folder / "compact"


def compact_index(sweep_folder: Path) -> Path:
    """Return the file that says what the folder of `compact_folder` holds."""
    return compact_folder(sweep_folder) / "index.json"


def packed_folder(sweep_folder: Path) -> Path:
    """Return the folder with the zip files in which run folders are packed."""
    return sweep_folder / "packed"


def quarantine_name(stamp: str) -> str:
    """Return the name of the folder into which the doctor moves files at the time `stamp`."""
    return f"quarantine-{stamp}"


def run_folder_name(run_id: int) -> str:
    """Return the name of a run's folder."""
    return "run-nominal" if run_id == _NOMINAL_RUN_ID else f"run-{run_id}"


def run_folder(sweep_folder: Path, run_id: int) -> Path:
    """Return the folder of a run below its sweep's, unless the run names another."""
    return sweep_folder / run_folder_name(run_id)


def run_folders(sweep_folder: Path) -> list[Path]:
    """Return everything with a name like a run folder's, whether it is one or not."""
    return list(sweep_folder.glob("run-*"))


def output_file_name(key: str) -> str:
    """Return the name of the file with an output such as ``report__R``."""
    return f"{key}.parquet"


def attempt_folder_name(number: int) -> str:
    """Return the name of the folder for the files of an attempt; counted from 1."""
    return f".attempt-{number}"


def order_mark_name(ticket: str) -> str:
    """Return the name of the file in a run folder that is the mark of an order.

    Parameters
    ----------
    ticket : str
        Name of the order, of hexadecimal digits.
    """
    return f".order-{ticket}.json"
