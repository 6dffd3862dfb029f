"""What the files of a sweep folder are called: every name once.

::

    <sweep folder>/
      manifest.jsonl                 the manifest
      manifest.jsonl.torn-<time>     what a killed writer left at its end
      manifest.header.json           a copy of its header line
      last-pass.json                 how the last pass over the sweep ended
      inputs.json                    of a night: hashes of all that it was made from
      comparison.md  comparison.json of a night: what changed since the last one
      .gmat-sweep.lock               held by the one process that writes here
      headless/                      copies of scripts without what needs a display
      quarantine-<time>/             what the doctor has set aside
      run-<id>/
        report__<name>.parquet  ...  what GMAT wrote, as tables
        worker.log                   the log of the run
        outcome.seal.json            the seal: what the run's manifest entry says
        .attempt-<number>/           what the attempt before this one left
        .before-first-attempt.json   names of what was there before any attempt
        .order-<ticket>.json         a worker of a cluster writes here
"""

from __future__ import annotations

import re
from pathlib import Path

from gmat_sweep.disk.append_log import TORN_MARK
from gmat_sweep.disk.lock import LOCK_FILE_NAME

__all__ = [
    "ATTEMPT_FOLDER",
    "COMPARISON_DATA_NAME",
    "COMPARISON_TEXT_NAME",
    "HEADLESS_FOLDER",
    "INPUT_HASHES_NAME",
    "LAST_PASS_NAME",
    "LOCK_FILE_NAME",
    "MANIFEST_NAME",
    "ORDER_MARK",
    "PRESENT_BEFORE_NAME",
    "RUN_FOLDER",
    "SEAL_NAME",
    "TEMPORARY_FILE",
    "WORKER_LOG_NAME",
    "attempt_folder_name",
    "header_copy",
    "order_mark_name",
    "output_file_name",
    "quarantine_name",
    "run_folder",
    "run_folder_name",
    "run_folders",
    "torn_ends",
]

# In the sweep folder.
MANIFEST_NAME = "manifest.jsonl"
LAST_PASS_NAME = "last-pass.json"  # noqa: S105 - no password
INPUT_HASHES_NAME = "inputs.json"
COMPARISON_TEXT_NAME = "comparison.md"
COMPARISON_DATA_NAME = "comparison.json"
HEADLESS_FOLDER = "headless"
RUN_FOLDER = re.compile(r"run-\d+")

# In the folder of a run.
WORKER_LOG_NAME = "worker.log"
SEAL_NAME = "outcome.seal.json"
PRESENT_BEFORE_NAME = ".before-first-attempt.json"
ATTEMPT_FOLDER = re.compile(r"\.attempt-(\d+)")
ORDER_MARK = re.compile(r"\.order-[0-9a-f]+\.json")

TEMPORARY_FILE = re.compile(r"\..+\.tmp-\d+-[0-9a-f]{8}")
"""A file that `gmat_sweep.disk.files.atomic_path` had not finished when its process was killed."""


def header_copy(manifest_path: Path) -> Path:
    """Return where the copy of a manifest's header line is kept."""
    return manifest_path.with_suffix(".header.json")


def torn_ends(manifest_path: Path) -> list[Path]:
    """Return the files with what killed writers left at a manifest's end."""
    return list(manifest_path.parent.glob(f"{manifest_path.name}{TORN_MARK}*"))


def quarantine_name(stamp: str) -> str:
    """Return the name of the folder for what the doctor sets aside at a time."""
    return f"quarantine-{stamp}"


def run_folder_name(run_id: int) -> str:
    """Return the name of a run's folder."""
    return f"run-{run_id}"


def run_folder(sweep_folder: Path, run_id: int) -> Path:
    """Return the folder of a run below its sweep's, unless the run names another."""
    return sweep_folder / run_folder_name(run_id)


def run_folders(sweep_folder: Path) -> list[Path]:
    """Return what is called like the folder of a run, whether it is one or not."""
    return list(sweep_folder.glob("run-*"))


def output_file_name(key: str) -> str:
    """Return the name of the file with an output such as ``report__R``."""
    return f"{key}.parquet"


def attempt_folder_name(number: int) -> str:
    """Return the name of the folder for what an attempt has left; counted from 1."""
    return f".attempt-{number}"


def order_mark_name(ticket: str) -> str:
    """Return the name of the file that marks a run's folder as written to for an order.

    Parameters
    ----------
    ticket : str
        Name of the order, of hexadecimal digits.
    """
    return f".order-{ticket}.json"
