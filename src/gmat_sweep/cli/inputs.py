"""The files that a command reads: a mission script, a manifest, a table of samples."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gmat_sweep.cli.endings import ManifestProblemError
from gmat_sweep.errors import SweepConfigError

if TYPE_CHECKING:
    import pandas as pd

    from gmat_sweep.manifest import Manifest

__all__ = ["existing_script", "loaded_manifest", "loaded_samples"]


def existing_script(name: str) -> Path:
    """Return the absolute path of a mission script.

    Raises
    ------
    SweepConfigError
        There is no such file, or it cannot be read.
    """
    script = Path(name).expanduser()
    if not script.is_file():
        raise SweepConfigError(f"script not found: {name}")
    try:
        with script.open("rb"):
            pass
    except OSError as error:
        raise SweepConfigError(f"script cannot be read: {name}: {error.strerror}") from error
    return script.absolute()


def loaded_manifest(path: str) -> Manifest:
    """Read a manifest.

    Raises
    ------
    ManifestProblemError
        There is no such file, or it cannot be read.
    ManifestCorruptError
        It is damaged.
    """
    from gmat_sweep.manifest import Manifest

    try:
        return Manifest.load(Path(path))
    except FileNotFoundError:
        raise ManifestProblemError(f"manifest not found: {path}") from None
    except OSError as error:
        raise ManifestProblemError(f"manifest cannot be read: {path}: {error.strerror}") from error


def loaded_samples(name: str) -> pd.DataFrame:
    """Read a table of one run per row.

    Raises
    ------
    SweepConfigError
        It is neither .csv nor .parquet, is not there, or cannot be read.
    """
    path = Path(name)
    kind = path.suffix.lower()
    if kind not in (".csv", ".parquet"):
        raise SweepConfigError(
            f"--samples {path} is not supported. Give a .csv or a .parquet file."
        )
    if not path.is_file():
        raise SweepConfigError(f"--samples {path} was not found. Check the path.")
    import pandas as pd

    try:
        return pd.read_csv(path) if kind == ".csv" else pd.read_parquet(path)
    except (ValueError, OSError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise SweepConfigError(
            f"--samples {path} cannot be read: {reason}. Give a table with one run per row."
        ) from error
