"""Prefect's settings in somebody else's sweep folder set nothing up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gmat_sweep.disk.owner import origin
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.sweep.current_settings import refuse_settings_of_a_strangers_folder
from manifests import header
from resumed_sweeps import hand_made, run_of

STRANGER = {**origin(), "user": "mallory"}
FILES = {
    "prefect.toml": '[logging]\nsettings_path = "log.yml"\n',
    ".env": "PREFECT_LOGGING_SETTINGS_PATH=log.yml\n",
    "pyproject.toml": '[tool.prefect.logging]\nsettings_path = "log.yml"\n',
}


def begun(folder: Path, writer: dict[str, Any]) -> None:
    manifest = header(extra={"created_by": writer})
    manifest.save(folder / "manifest.jsonl")
    manifest.close()


@pytest.mark.promise("folders from somebody else", "settings of Prefect's in the folder")
@pytest.mark.parametrize("below", [".", "run-0"])
@pytest.mark.parametrize("name", FILES)
def test_they_are_refused_with_their_name(
    name: str, below: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(tmp_path, STRANGER)
    here = tmp_path / below
    here.mkdir(exist_ok=True)
    (here / name).write_text(FILES[name])
    monkeypatch.chdir(here)

    with pytest.raises(SweepConfigError, match=f"{name} would set up Prefect"):
        refuse_settings_of_a_strangers_folder()


def test_a_sweep_does_not_begin_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pool: Any
) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    begun(theirs, STRANGER)
    (theirs / "prefect.toml").touch()
    monkeypatch.chdir(theirs)

    with pytest.raises(SweepConfigError, match="would set up Prefect"):
        hand_made([run_of(0, tmp_path / "mine")], tmp_path / "mine", pool).run()
    assert not (tmp_path / "mine").exists()


@pytest.mark.parametrize("writer", [origin(), None])
def test_those_of_a_folder_of_ones_own_count(
    writer: dict[str, Any] | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if writer is not None:
        begun(tmp_path, writer)
    (tmp_path / "prefect.toml").touch()
    monkeypatch.chdir(tmp_path)

    refuse_settings_of_a_strangers_folder()


def test_a_project_of_another_purpose_is_no_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun(tmp_path, STRANGER)
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    (tmp_path / ".env").write_text("HOME=here\n")
    monkeypatch.chdir(tmp_path)

    refuse_settings_of_a_strangers_folder()
