"""The frames that a sweep has written as files: which file may be replaced by a newer frame.

`note_frame` notes the hash of each frame in the sweep folder before the file gets its name. A file
with a hash that is noted there is a frame of the sweep as the sweep wrote it, wherever it lies. Any
other file is the user's: one of another origin, a frame of another sweep, or a frame that was
changed since.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from gmat_sweep.disk.files import write_file
from gmat_sweep.disk.held import read_plain
from gmat_sweep.folder.layout import FRAMES_NAME

__all__ = ["hash_of", "note_frame", "why_not_replace"]

_MOST_KEPT = 100


def note_frame(folder: Path, path: Path, sha256: str) -> None:
    """Note a frame in the sweep folder, on disk before this returns.

    Parameters
    ----------
    folder : Path
        The folder of the sweep's manifest.
    path : Path
        The file that is about to get the frame.
    sha256 : str
        Hash of the file's content, as `hash_of` returns it.

    Raises
    ------
    DurabilityError
        The note could not be written.
    """
    frames = _noted(folder)
    frames.pop(sha256, None)
    kept = [*frames.items(), (sha256, str(path.resolve()))][-_MOST_KEPT:]
    write_file(folder / FRAMES_NAME, json.dumps(dict(kept), indent=1).encode() + b"\n")


def why_not_replace(folder: Path, path: Path) -> str:
    """Say why a file must not be replaced by a frame of a sweep; empty if it may be, or is absent.

    Parameters
    ----------
    folder : Path
        The folder of the sweep's manifest; it need not exist.
    path : Path
        The file.

    Raises
    ------
    OSError
        The file cannot be read.
    """
    if path.is_symlink():
        return "is a symbolic link" if path.exists() else "is a link to nothing"
    if not path.exists():
        return ""
    if not path.is_file():
        return "is no file"
    if not path.stat().st_mode & 0o222:
        return "is there already and is read-only"
    frames = _noted(folder)
    if frames and hash_of(path) in frames:
        return ""
    if str(path.resolve()) in frames.values():
        return "has changed since this sweep wrote it"
    return "is there already and is no frame of this sweep"


def hash_of(path: Path) -> str:
    """Return the SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _noted(folder: Path) -> dict[str, str]:
    """Return the paths of the frames by their hashes; a note that is damaged knows of no frame."""
    try:
        frames = json.loads(read_plain(folder / FRAMES_NAME))
    except (OSError, ValueError, RecursionError):
        return {}
    return frames if isinstance(frames, dict) else {}
