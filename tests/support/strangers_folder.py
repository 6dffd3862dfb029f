"""A current folder that has a module of every library's name, each of which notes that it ran."""

from __future__ import annotations

import sys
from importlib.metadata import packages_distributions
from pathlib import Path

__all__ = ["ran_there", "strangers_folder"]

# Optional parts of libraries, which need not be installed: others would fill the gap.
_OPTIONAL = {"bottleneck", "numexpr", "uvloop", "httptools", "sitecustomize", "lz4"}


def strangers_folder(folder: Path) -> Path:
    """Make the folder and return it."""
    folder.mkdir(parents=True)
    installed = {name for name in packages_distributions() if name.isidentifier()}
    # The tests' own helpers are found by name, as a user's hooks are.
    names = (sys.stdlib_module_names | installed | _OPTIONAL) - {"gmat_sweep"}
    for name in names:
        (folder / f"{name}.py").write_text(
            f"open({str(folder / 'RAN')!r}, 'a').write('{name} ')\n"
            "raise ImportError('imported from the current folder')\n"
        )
    return folder


def ran_there(folder: Path) -> str:
    """Return the names of the modules that were imported from the folder."""
    noted = folder / "RAN"
    return noted.read_text() if noted.exists() else ""
