"""`begin`: a folder with an example mission, a study of it and its deployment."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

from gmat_sweep.disk.files import write_file
from gmat_sweep.errors import SweepConfigError

__all__ = ["EXAMPLE", "begin"]

EXAMPLE = ("injection.script", "study.toml", "prefect.yaml")
"""The files of the example."""


def begin(folder: Path) -> tuple[Path, ...]:
    """Write the example into a folder, which is made if need be, and return its files.

    Parameters
    ----------
    folder : Path
        The folder.

    Raises
    ------
    SweepConfigError
        A file of one of these names is there already, or the folder cannot be made; nothing is
        written.
    """
    taken = [name for name in EXAMPLE if (folder / name).exists()]
    if taken:
        raise SweepConfigError(
            f"{folder} has {', '.join(taken)} already. Name another folder, or move them away."
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SweepConfigError(
            f"The folder {folder} cannot be made: {error.strerror}. Name another."
        ) from error
    source = files("gmat_sweep.study") / "example"
    for name in EXAMPLE:
        text = (source / name).read_text(encoding="utf-8")
        if name == "prefect.yaml":
            # A Prefect worker starts its flow runs elsewhere. A text of JSON is one of YAML.
            study = json.dumps(str((folder / "study.toml").absolute()), ensure_ascii=False)
            text = text.replace("study: study.toml", f"study: {study}")
        write_file(folder / name, text.encode())
    return tuple(folder / name for name in EXAMPLE)
