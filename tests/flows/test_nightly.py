"""The nightly flow's own files, without a night."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gmat_sweep.analysis.nightly.inputs import InputHashes
from gmat_sweep.errors import NotPlainFileError
from gmat_sweep.flows import nightly
from resumed_sweeps import SHORT


@pytest.mark.promise("folders from somebody else", "a night's folder or records that are links")
def test_a_night_is_written_through_no_link(tmp_path: Path) -> None:
    nights, outside = tmp_path / "nights", tmp_path / "outside"
    nights.mkdir()
    outside.mkdir()
    (outside / "mine").write_text("mine")
    tonight = nights / "2026-01-01"
    comparison = cast("Any", SimpleNamespace(to_markdown=lambda: "x", to_dict=dict))
    tonight.symlink_to(outside)
    with pytest.raises(NotPlainFileError, match="2026-01-01 is a symbolic link"):
        nightly._note_inputs(tonight, SHORT, None)
    with pytest.raises(NotPlainFileError, match="2026-01-01 is a symbolic link"):
        nightly._keep(tonight, comparison)
    tonight.unlink()
    tonight.mkdir()
    for name in ("comparison.md", "inputs.json"):
        (tonight / name).symlink_to(outside / "mine")
    with pytest.raises(NotPlainFileError, match="comparison"):
        nightly._keep(tonight, comparison)
    with pytest.raises(NotPlainFileError, match="inputs"):
        InputHashes({}).write(tonight)
    with pytest.raises(NotPlainFileError, match="inputs"):
        InputHashes.read(tonight)

    assert [(path.name, path.read_text()) for path in outside.iterdir()] == [("mine", "mine")]
