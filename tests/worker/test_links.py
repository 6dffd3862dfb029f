"""A run writes nothing through a link in its folder, and leaves nothing to GMAT that would."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from pathlib import Path
from typing import Any, cast

import pytest

from gmat_sweep.backends.cluster.orders import RunMark
from gmat_sweep.errors import NotPlainFileError
from gmat_sweep.folder.layout import SEAL_NAME, WORKER_LOG_NAME, order_mark_name
from gmat_sweep.mission.output_places import OutputPlace
from gmat_sweep.worker import confinement
from gmat_sweep.worker.confinement import ENGINE_LOG_NAME, confined
from gmat_sweep.worker.run import run_one
from resumed_sweeps import run_of

LOG = logging.getLogger("gmat_sweep.test")


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "mine").write_text("mine")
    return outside


@pytest.mark.promise("folders from somebody else", "a run whose folder or log is a link")
def test_a_run_whose_folder_or_log_is_a_link_fails_before_gmat(
    tmp_path: Path, outside: Path
) -> None:
    sweep = tmp_path / "sweep"
    sweep.mkdir()
    (sweep / "run-0").symlink_to(outside)
    (sweep / "run-1").mkdir()
    (sweep / "run-1" / WORKER_LOG_NAME).symlink_to(outside / "mine")

    for run_id, link in ((0, "run-0"), (1, f"run-1/{WORKER_LOG_NAME}")):
        outcome = run_one(run_of(run_id, sweep))

        assert outcome.status == "failed"
        assert f"{link} is a symbolic link" in str(outcome.stderr)
    assert [path.name for path in outside.iterdir()] == ["mine"]
    assert (outside / "mine").read_text() == "mine"
    assert (sweep / "run-1" / SEAL_NAME).is_file()


@pytest.mark.promise("folders from somebody else", "links where GMAT writes its log and outputs")
@pytest.mark.parametrize("name", [ENGINE_LOG_NAME, "RF.txt", "deep/RF.txt", "new/RF.txt"])
def test_gmat_is_not_started_where_it_would_write_through_a_link(
    name: str, tmp_path: Path, outside: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The names are those that the loaded mission has; here it is only asked for them."""
    folder = tmp_path / "run-0"
    folder.mkdir()
    (folder / "deep").symlink_to(outside)
    if name in (ENGINE_LOG_NAME, "RF.txt"):
        (folder / name).symlink_to(outside / "mine")
    if name == "new/RF.txt":
        (folder / "new").write_text("a file")
    written = [] if name == ENGINE_LOG_NAME else [("RF", "Filename", name)]
    monkeypatch.setattr(confinement, "_written_files", lambda mission: written)
    monkeypatch.setattr(confinement, "progress_shown", nullcontext)
    places = {"RF.Filename": OutputPlace(name, name, name)}

    with (
        pytest.raises(NotPlainFileError, match=r"is a symbolic link|is no plain"),
        confined(cast("Any", None), places, folder, LOG),
    ):
        pytest.fail("the run went on")
    assert [path.name for path in outside.iterdir()] == ["mine"]


def test_the_mark_of_an_order_is_written_through_no_link(tmp_path: Path, outside: Path) -> None:
    sweep = tmp_path / "sweep"
    (sweep / "run-0").mkdir(parents=True)
    mark = sweep / "run-0" / order_mark_name("0a")
    mark.symlink_to(outside / "mine")
    (sweep / "run-1").symlink_to(outside)

    with pytest.raises(NotPlainFileError):
        RunMark(sweep / "run-0", "0a").finish({})
    with pytest.raises(NotPlainFileError):
        RunMark(sweep / "run-1", "0a").begin()
    RunMark(sweep / "run-0", "0a").remove()

    assert not mark.is_symlink()
    assert (outside / "mine").read_text() == "mine"
    assert [path.name for path in outside.iterdir()] == ["mine"]
