"""HTML tables that notebooks show: one for a sweep, an outcome or a manifest entry.

Every text is escaped. No function here reads a file.
"""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from gmat_sweep.causes import headline
from gmat_sweep.printable import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from pathlib import Path

__all__ = ["entry_html", "outcome_html", "sweep_html"]

_STATUSES = ("ok", "failed", "skipped")
_CAUSE_WIDTH = 80
_HASH_WIDTH = 12
_NOTHING = "(none)"


class _Outcome(Protocol):
    """The attributes that an outcome and a manifest entry have in common."""

    @property
    def run_id(self) -> int: ...
    @property
    def status(self) -> str: ...
    @property
    def output_paths(self) -> Mapping[str, Path]: ...
    @property
    def extra_outputs(self) -> Mapping[str, Path]: ...
    @property
    def solver_paths(self) -> Mapping[str, Path]: ...
    @property
    def converged(self) -> Mapping[str, bool]: ...
    @property
    def postprocess_status(self) -> str: ...
    @property
    def duration_s(self) -> float: ...
    @property
    def stderr(self) -> str | None: ...
    @property
    def started_at(self) -> datetime: ...
    @property
    def ended_at(self) -> datetime: ...


class _Entry(_Outcome, Protocol):
    @property
    def overrides(self) -> Mapping[str, Any]: ...
    @property
    def context(self) -> Mapping[str, Any]: ...
    @property
    def log_path(self) -> Path | None: ...


def sweep_html(
    *,
    script_path: Path,
    script_sha256: str | None,
    run_count: int,
    kind: str,
    backend: str,
    sweep_seed: int | None,
    statuses: Iterable[str] | None,
    notes: Iterable[str] = (),
) -> str:
    """Return the table of a sweep.

    Parameters
    ----------
    script_path : Path
        The mission script.
    script_sha256 : str or None
        The script's present hash, whose first digits are shown; None if it cannot be read.
    run_count : int
        Number of runs.
    kind : str
        ``_kind`` of the sweep's ``parameter_spec``.
    backend : str
        Class name of the sweep's pool.
    sweep_seed : int or None
        The sweep's seed; without one the table lacks that row.
    statuses : iterable of str, optional
        The status of each run that is recorded; None for a sweep that has not been executed.
    notes : iterable of str
        What else there is to say of its failed runs.
    """
    rows: list[tuple[str, object]] = [
        ("script", script_path),
        (
            "script_sha256",
            "(script not readable)" if script_sha256 is None else script_sha256[:_HASH_WIDTH],
        ),
        ("run_count", run_count),
        ("parameter_spec._kind", kind),
        ("backend", backend),
    ]
    if sweep_seed is not None:
        rows.append(("sweep_seed", sweep_seed))
    if statuses is None:
        rows.append(("status", "not yet executed"))
    else:
        rows.append(("outcomes", _outcomes(statuses)))
    rows += [("failures", note) for note in notes]
    return _table("Sweep", rows)


def outcome_html(outcome: _Outcome) -> str:
    """Return the table of a `RunOutcome`."""
    return _table(
        "RunOutcome",
        [*_identity(outcome), *_products(outcome), ("stderr", _cause(outcome.stderr))],
    )


def entry_html(entry: _Entry) -> str:
    """Return the table of a `ManifestEntry`."""
    return _table(
        "ManifestEntry",
        [
            *_identity(entry),
            ("log_path", entry.log_path or _NOTHING),
            *_products(entry),
            ("overrides", entry.overrides),
            ("context", entry.context),
            ("stderr", _cause(entry.stderr)),
        ],
    )


def _identity(outcome: _Outcome) -> list[tuple[str, object]]:
    return [
        ("run_id", outcome.run_id),
        ("status", outcome.status),
        ("duration", f"{outcome.duration_s:.2f} s"),
        ("started_at", outcome.started_at.isoformat()),
        ("ended_at", outcome.ended_at.isoformat()),
    ]


def _products(outcome: _Outcome) -> list[tuple[str, object]]:
    return [
        ("output_paths", outcome.output_paths),
        ("extra_outputs", outcome.extra_outputs),
        ("solver_paths", outcome.solver_paths),
        ("converged", outcome.converged),
        ("postprocess_status", outcome.postprocess_status),
    ]


def _outcomes(statuses: Iterable[str]) -> str:
    counts = Counter(statuses)
    shown = [f"{counts[status]} {status}" for status in _STATUSES]
    other = counts.total() - sum(counts[status] for status in _STATUSES)
    return ", ".join([*shown, f"{other} other"] if other else shown)


def _cause(stderr: str | None) -> str:
    cause = headline(stderr) or "(no stderr)"
    return cause if len(cause) <= _CAUSE_WIDTH else cause[: _CAUSE_WIDTH - 3] + "..."


def _table(caption: str, rows: Iterable[tuple[str, object]]) -> str:
    body = "".join(
        f"<tr><th>{_text(name)}</th><td>{_cell(value)}</td></tr>" for name, value in rows
    )
    return f"<table><caption>{_text(caption)}</caption><tbody>{body}</tbody></table>"


def _cell(value: object) -> str:
    if not isinstance(value, Mapping):
        return _text(value)
    return "<br>".join(_text(f"{name}: {item}") for name, item in value.items()) or _NOTHING


def _text(value: object) -> str:
    return html.escape(one_line(value))
