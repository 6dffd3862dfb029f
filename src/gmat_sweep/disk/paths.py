"""Paths as users give them: checked, with ``~`` expanded and absolute, before anything is made.

A path that no file system takes is an error in one line that names the argument. Python would raise
a different exception for each fault, some of them only when half of a sweep folder is there.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from gmat_sweep.errors import SweepConfigError
from gmat_sweep.limits import shown

__all__ = ["HOME_VARIABLE", "absolute_path", "current_folder", "user_path"]

# The limits of Linux, in bytes.
_LONGEST_NAME = 255
_LONGEST_PATH = 4095

HOME_VARIABLE = "GMAT_SWEEP_HOME"
"""Environment variable: the folder that relative paths of flows, and nights, start from."""


def user_path(path: Any, what: str) -> Path:
    """Return a path that a user gives, with a leading ``~`` expanded.

    Parameters
    ----------
    path : str or os.PathLike
        The path; a relative one stays relative.
    what : str
        The argument or flag, for the message of an error.

    Raises
    ------
    SweepConfigError
        It is no path, is empty, is longer than file systems take, holds a NUL, or begins with ``~``
        and the name of nobody.
    """
    if not isinstance(path, str | os.PathLike) or isinstance(os.fspath(path), bytes):
        raise SweepConfigError(
            f"{what} is a {type(path).__name__}, {shown(path)}. Give a path, as text or as a Path."
        )
    text = os.fspath(path)
    if not text:
        # A shell makes it of a variable that is not set; pathlib takes it for the current folder.
        raise SweepConfigError(f"{what} is empty. Give a path; `.` is the current folder.")
    if "\0" in text:
        raise SweepConfigError(f"{what} {shown(text)} holds a NUL. Give a path without it.")
    # Look at the length first: it takes pathlib seconds to take a long path apart.
    _check_length(len(os.fsencode(text)), _LONGEST_PATH, f"{what} {shown(text)} has")
    given = Path(text)
    try:
        given = given.expanduser()
    except RuntimeError:
        raise SweepConfigError(
            f"{what} {shown(text)} begins with the home of a user who is not known here. If it is "
            "the name of a file, give its whole path."
        ) from None
    for name in given.parts:
        _check_length(
            len(os.fsencode(name)), _LONGEST_NAME, f"{what} has the name {shown(name)} of"
        )
    return given


def _check_length(length: int, most: int, has: str) -> None:
    if length > most:
        raise SweepConfigError(f"{has} {length:,} bytes, and {most:,} are the most. Shorten it.")


def absolute_path(path: Any, what: str) -> Path:
    """Return a path that a user gives as an absolute one, with a leading ``~`` expanded.

    Raises
    ------
    SweepConfigError
        As `user_path`, or it is relative and the current folder is no longer there.
    """
    given = user_path(path, what)
    return given if given.is_absolute() else current_folder() / given


def current_folder() -> Path:
    """Return the current folder.

    Raises
    ------
    SweepConfigError
        It has been deleted.
    """
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise SweepConfigError(
            "The current folder has been deleted. Go to another one, and try again."
        ) from None
