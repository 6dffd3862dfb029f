"""Whose manifest it is costs nothing to ask for one's own, and little for somebody else's."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from counted_calls import calls_of
from gmat_sweep.disk.owner import origin
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.spec import RunSpec
from gmat_sweep.sweep.trust import check_trust
from manifests import header
from repository import DATA
from resumed_sweeps import run_of

SHORT = DATA / "leo_short.script"
STRANGER = {**origin(), "user": "mallory"}


def checked(writer: dict[str, Any], runs: list[RunSpec], folder: Path) -> None:
    manifest = header(run_count=len(runs), extra={"created_by": writer})
    check_trust(manifest, runs, SHORT, folder, named=None, script_named=True, trusted=False)


@pytest.mark.parametrize(("writer", "most"), [(origin(), 0), (STRANGER, 1)])
def test_no_folder_of_a_run_is_resolved_unless_it_lies_oddly(
    writer: dict[str, Any], most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolved: list[Path] = []

    def resolve(self: Path, strict: bool = False) -> Path:
        resolved.append(self)
        return original(self, strict)

    original = Path.resolve
    monkeypatch.setattr(Path, "resolve", resolve)

    checked(writer, [run_of(n, tmp_path) for n in range(200)], tmp_path)

    assert len(resolved) <= most


def test_the_work_grows_as_the_number_of_runs(tmp_path: Path) -> None:
    few, many = (
        calls_of(partial(checked, STRANGER, [run_of(n, tmp_path) for n in range(count)], tmp_path))
        for count in (50, 200)
    )

    assert many < 5 * few


@pytest.mark.promise("folders from somebody else", "run folders that links or .. lead outside")
@pytest.mark.parametrize("place", ["run-1", "run-1/below", "..", "run-0/../../elsewhere"])
def test_a_folder_that_leads_out_of_the_sweeps_is_told(place: str, tmp_path: Path) -> None:
    folder = tmp_path / "sweep"
    folder.mkdir()
    (folder / "run-1").symlink_to(tmp_path / "elsewhere")
    runs = [run_of(0, folder), run_of(1, folder, output_dir=folder / place)]

    with pytest.raises(SweepConfigError, match="folders outside of the sweep's"):
        checked(STRANGER, runs, folder)
    checked(origin(), runs, folder)


def test_very_many_names_make_no_very_long_message(tmp_path: Path) -> None:
    runs = [
        run_of(n, tmp_path, output_dir=Path(f"/elsewhere/{n}"), postprocess=f"trap:h{n}")
        for n in range(100)
    ]

    with pytest.raises(SweepConfigError, match="and 95 more") as caught:
        checked(STRANGER, runs, tmp_path)

    assert len(str(caught.value)) < 1000
