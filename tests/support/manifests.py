"""Manifests without a sweep, and functions that damage and read them."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gmat_sweep.errors import ManifestCorruptError
from gmat_sweep.manifest import Manifest, ManifestEntry
from gmat_sweep.spec import RunStatus

START = datetime(2026, 1, 2, 3, 4, 5, 60956, tzinfo=UTC)


def entry(run_id: int, status: RunStatus = "ok", **fields: Any) -> ManifestEntry:
    values: dict[str, Any] = {
        "overrides": {"Sat.SMA": 7000.0 + run_id},
        "output_paths": {"report__Eph": Path(f"run-{run_id}/report__Eph.parquet")},
        "started_at": START,
        "ended_at": START + timedelta(seconds=2),
        "duration_s": 1.0625,
        "stderr": None,
        "log_path": None,
    }
    return ManifestEntry(run_id=run_id, status=status, **(values | fields))


def header(**fields: Any) -> Manifest:
    values: dict[str, Any] = {
        "script_sha256": "79ec",
        "gmat_sweep_version": "0.1.0",
        "gmat_run_version": "0.6.0",
        "gmat_install_version": "R2026a",
        "python_version": "3.12.3",
        "os_platform": "Linux",
        "sweep_seed": None,
        "parameter_spec": {"_kind": "grid", "Sat.SMA": [7000.0, 7001.0]},
        "run_count": 2,
    }
    return Manifest(**(values | fields))


def ids(path: Path) -> list[int]:
    return [each.run_id for each in Manifest.load(path).entries]


def corrupt(action: Callable[[], object]) -> ManifestCorruptError:
    with pytest.raises(ManifestCorruptError) as caught:
        action()
    return caught.value


def rewritten(path: Path, line_number: int, **fields: Any) -> None:
    """Change keys of a line and remove its position and checksum, as with an editor."""
    lines = path.read_text().splitlines(keepends=True)
    record = json.loads(lines[line_number - 1]) | fields
    for key in ("~crc", "seq"):
        record.pop(key, None)
    kept = {key: value for key, value in record.items() if value is not ...}
    lines[line_number - 1] = json.dumps(kept) + "\n"
    path.write_text("".join(lines))
