"""Which quantities a sweep is about, said by whoever judges or compares it, for its pictures."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gmat_sweep.verdicts.requirement import Requirement

__all__ = ["Wanted", "wanted", "wanted_now"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """The quantities that come first in pictures.

    Attributes
    ----------
    requirements : tuple of Requirement
        What the mission must do.
    names : tuple of str
        Chosen columns of reports, by GMAT's name.
    """

    requirements: tuple[Requirement, ...] = ()
    names: tuple[str, ...] = ()


_wanted: ContextVar[Wanted] = ContextVar("wanted", default=Wanted())  # noqa: B039 - frozen


@contextlib.contextmanager
def wanted(
    requirements: tuple[Requirement, ...] | None = None, names: tuple[str, ...] | None = None
) -> Iterator[None]:
    """Have sweeps that are flown in the block show these first; None leaves what was said before.

    Parameters
    ----------
    requirements : tuple of Requirement, optional
        What the mission must do.
    names : tuple of str, optional
        Columns of reports, by GMAT's name.
    """
    before = _wanted.get()
    token = _wanted.set(
        Wanted(
            before.requirements if requirements is None else requirements,
            before.names if names is None else names,
        )
    )
    try:
        yield
    finally:
        _wanted.reset(token)


def wanted_now() -> Wanted:
    """Return what was said of the sweep that is flown here."""
    return _wanted.get()
