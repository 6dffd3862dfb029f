"""Helpers of the tests of the command line: manifests, sweeps that end at once, refusals."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from gmat_sweep.cli import main
from gmat_sweep.manifest import Manifest, ManifestEntry
from gmat_sweep.mission.script import canonical_script_sha256
from gmat_sweep.sweep import Sweep
from repository import DATA

if TYPE_CHECKING:
    from gmat_sweep.spec import RunStatus

SCRIPT = DATA / "leo_short.script"
MONTE_CARLO = {
    "_kind": "monte_carlo", "perturb": {"Sat.SMA": ["normal", 7000, 1]}, "n": 2, "seed": 42,
}  # fmt: skip
GRID = ("--grid", "Sat.SMA=7000,7100")
PERTURB = ("--n", "2", "--perturb", "Sat.SMA=normal:7000:1")

_START = datetime(2026, 1, 1, tzinfo=UTC)


def manifest(*statuses: RunStatus, **fields: Any) -> Manifest:
    """Return the manifest of a grid over `SCRIPT` whose runs ended with these statuses."""
    values: dict[str, Any] = {
        "script_sha256": canonical_script_sha256(SCRIPT),
        "gmat_sweep_version": "0.1.0",
        "gmat_run_version": "0.6.0",
        "gmat_install_version": "R2026a",
        "python_version": "3.12.3",
        "os_platform": "Linux",
        "sweep_seed": None,
        "parameter_spec": {"_kind": "grid", "Sat.SMA": [7000, 7100]},
        "run_count": len(statuses),
        "entries": [
            ManifestEntry(
                run_id, {}, status, {}, _START, _START, 0.5,
                "ValueError: no such orbit" if status == "failed" else None, None,
            )
            for run_id, status in enumerate(statuses)
        ],
    }  # fmt: skip
    return Manifest(**(values | fields))


def let_sweeps_end(monkeypatch: pytest.MonkeyPatch, *statuses: RunStatus) -> list[Sweep]:
    """Let sweeps end at once with runs of these statuses, without GMAT and Prefect.

    Each sweep that is run, resumed or extended is appended to the returned list.
    """
    done: list[Sweep] = []

    def end(sweep: Sweep, **_: object) -> Sweep:
        record = manifest(*statuses)
        record.save(sweep.manifest_path)
        record.close()
        done.append(sweep)
        return sweep

    monkeypatch.setattr(Sweep, "to_manifest", lambda sweep: Manifest.load(sweep.manifest_path))
    for name in ("run", "resume", "extend"):
        monkeypatch.setattr(Sweep, name, end)
    return done


def refused(capsys: pytest.CaptureFixture[str], code: int, *words: object) -> str:
    """Return the one line of standard error with which a command ends."""
    assert main([str(word) for word in words]) == code
    printed, err = capsys.readouterr()
    assert printed == ""
    assert err.startswith("gmat-sweep: ")
    assert err.endswith("\n")
    assert err.count("\n") == 1
    return err.removeprefix("gmat-sweep: ").removesuffix("\n")


def usage_error(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    """Return the message of argparse on words that it refuses."""
    with pytest.raises(SystemExit) as stopped:
        main([str(word) for word in words])
    assert stopped.value.code == 2
    printed, err = capsys.readouterr()
    assert printed == ""
    assert err.startswith("gmat-sweep")
    assert err.count("\n") == 1
    return err
