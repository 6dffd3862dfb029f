"""A manifest in words: the one-line summary, the table of runs, one run in full."""

from __future__ import annotations

import json
import shlex
import textwrap
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from gmat_sweep.analysis.outcomes import failure_groups, run_list, unconverged_runs
from gmat_sweep.analysis.report import busy_seconds
from gmat_sweep.causes import headline
from gmat_sweep.disk.held import read_plain
from gmat_sweep.folder.last_pass import LastPass
from gmat_sweep.folder.layout import VERDICTS_DATA_NAME
from gmat_sweep.plans import implausible_size, planned_count, recorded_count
from gmat_sweep.printable import one_line, printable
from gmat_sweep.sweep.recorded_script import no_option, resume_command

if TYPE_CHECKING:
    from gmat_sweep.manifest import Manifest
    from gmat_sweep.manifest.entry import ManifestEntry

__all__ = [
    "detail_table",
    "failure_lines",
    "interruption_line",
    "missing_line",
    "run_page",
    "seconds_line",
    "summary_line",
    "sweep_folder",
    "verdict_line",
]

_STATUS_ORDER = ("failed", "skipped", "ok")
_SUMMARY_ORDER = ("ok", "failed", "skipped")
_CAUSE_WIDTH = 60
_VALUE_WIDTH = 28
_NOTHING = "—"


def summary_line(entries: Sequence[ManifestEntry], folder: Path) -> str:
    """Return ``N runs (A ok, B failed) in T s — output: FOLDER``; T adds up the runs' seconds."""
    counts: Counter[str] = Counter(entry.status for entry in entries)
    listed = [f"{counts[status]} {status}" for status in _SUMMARY_ORDER if counts[status]]
    seconds = sum(entry.duration_s for entry in entries)
    return (
        f"{len(entries)} runs ({', '.join(listed) or '0 ok'}) in {seconds:.2f} s — output: "
        f"{one_line(folder)}"
    )


def sweep_folder(manifest: Manifest, path: Path) -> Path:
    """Return the sweep folder that the manifest at `path` names, or else its own as typed."""
    return manifest.output_dir or path.parent


def missing_line(manifest: Manifest, path: str) -> str:
    """Return ``N of M runs are recorded`` and how to run the rest; empty when none is missing.

    A number of runs that no sweep has is told instead.
    """
    if problem := implausible_size(manifest):
        return one_line(f"{path}: {problem}")
    recorded, planned = recorded_count(manifest), planned_count(manifest)
    if recorded >= planned:
        return ""
    command = resume_command(manifest, path)
    return one_line(f"{recorded} of {planned} runs are recorded; run the rest with `{command}`")


def interruption_line(folder: Path) -> str:
    """Return when and why the last pass over the sweep was interrupted; empty when it was not."""
    last = LastPass.of(folder)
    if last is None or last.state != "interrupted":
        return ""
    at = datetime.fromisoformat(last.at).astimezone(UTC)
    reason = " ".join(last.reason.split())
    return one_line(f"the last {last.action} was interrupted {at:%Y-%m-%d %H:%M} UTC: {reason}")


def verdict_line(typed: str, path: Path) -> str:
    """Return the last verdict, and how to have the worst runs; empty if there is none to be read.

    Parameters
    ----------
    typed : str
        The manifest as the command is to name it.
    path : Path
        Its file.
    """
    try:
        told = json.loads(read_plain(path.parent / VERDICTS_DATA_NAME))
        verdict = str(told["verdict"])
        names = [str(each["name"]) for each in told["requirements"] if each["worst_runs"]]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        # It tells of the sweep and is no part of it: `verify` writes it anew.
        return ""
    if not names:
        return one_line(f"last verdict: {verdict}")
    words = ["gmat-sweep", "replay", no_option(typed), "--worst", "5", "--requirement", names[0]]
    others = f" (or {', '.join(names[1:])})" if names[1:] else ""
    return one_line(
        f"last verdict: {verdict}; `{shlex.join(words)}`{others} writes the scripts of the worst "
        "runs"
    )


def seconds_line(entries: Sequence[ManifestEntry]) -> str:
    """Return what the seconds of `summary_line` are; empty if a single run says it by itself."""
    if len(entries) < 2:
        return ""
    busy = busy_seconds(entries)
    return f"the seconds are those of all runs added up; runs were under way for {busy:.2f} s"


def failure_lines(
    entries: Iterable[ManifestEntry], most: int | None = 5, *, cut_in_table: bool = False
) -> list[str]:
    """Return one line per cause of failure with its runs, the commonest cause first.

    Causes are whole. Those after the first `most` are counted only; None gives all of them. With
    `cut_in_table` there are only those that `detail_table` has no room for.
    """
    groups = failure_groups(entries)
    if cut_in_table:
        groups = [group for group in groups if len(group.cause) > _CAUSE_WIDTH]
    lines = [
        f"{len(group.run_ids)} x {group.cause} (run {run_list(group.run_ids)})"
        for group in groups[:most]
    ]
    if most is not None and len(groups) > most:
        lines.append(f"... and {len(groups) - most} further causes")
    return lines


def detail_table(
    entries: Iterable[ManifestEntry], status: str | None = None, width: int | None = None
) -> tuple[str, int]:
    """Return a table of runs, failed first, and how many varied fields it has no room for.

    Parameters
    ----------
    entries : iterable of ManifestEntry
        The runs.
    status : str, optional
        Keeps only runs of that status.
    width : int, optional
        Of the terminal. Where the columns do not fit, the path of the log is left out, then further
        fields, all but the first; by default all are there.
    """
    chosen = [entry for entry in entries if status in (None, entry.status)]
    fields = list(dict.fromkeys(name for entry in chosen for name in entry.overrides))
    varied = {
        name: [one_line(name), *(_value(entry.overrides.get(name)) for entry in _sorted(chosen))]
        for name in fields
    }
    rows = _ends(chosen)
    shown = fields
    if width is not None and fields and len(_that_fit(varied, width - _width(rows))) < len(fields):
        rows = [row[:-1] for row in rows]
        shown = _that_fit(varied, width - _width(rows))
    # Beside the status: causes and paths are long.
    rows = [
        (*row[:3], *(varied[name][number] for name in shown), *row[3:])
        for number, row in enumerate(rows)
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    table = "\n".join(
        "  ".join(cell.ljust(size) for cell, size in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
    return table, len(fields) - len(shown)


def _that_fit(columns: dict[str, list[str]], room: int) -> list[str]:
    """Return the first columns that fit, at least one."""
    fitting: list[str] = []
    for name, cells in columns.items():
        room -= max(map(len, cells)) + 2
        if room < 0 and fitting:
            break
        fitting.append(name)
    return fitting


def _width(rows: Sequence[tuple[str, ...]]) -> int:
    columns = range(len(rows[0]))
    return sum(max(len(row[column]) for row in rows) + 2 for column in columns) - 2


def _value(value: object) -> str:
    """Return the value of a field as text; numbers with as many digits as they need, at most 9."""
    if value is None:
        return _NOTHING
    text = f"{value:.9g}" if isinstance(value, float) else one_line(value)
    return text if len(text) <= _VALUE_WIDTH else text[: _VALUE_WIDTH - 3] + "..."


def _sorted(entries: Iterable[ManifestEntry]) -> list[ManifestEntry]:
    return sorted(entries, key=lambda entry: (_STATUS_ORDER.index(entry.status), entry.run_id))


def _ends(entries: Iterable[ManifestEntry]) -> list[tuple[str, ...]]:
    """Return the heading and how each run ended."""
    rows: list[tuple[str, ...]] = [("run_id", "status", "duration_s", "stderr_summary", "log_path")]
    rows += [
        (
            str(entry.run_id),
            entry.status,
            f"{entry.duration_s:.2f}",
            _cut(headline(entry.stderr) or _unconverged(entry)) or _NOTHING,
            one_line(entry.log_path) if entry.log_path else _NOTHING,
        )
        for entry in _sorted(entries)
    ]
    return rows


def run_page(entry: ManifestEntry) -> str:
    """Return everything the manifest says of one run."""
    facts: list[tuple[str, object]] = [
        ("status", entry.status),
        ("cause", headline(entry.stderr) or None),
        ("warning", _unconverged(entry) or None),
        ("duration_s", f"{entry.duration_s:.2f}"),
        ("started_at", entry.started_at.isoformat()),
        ("ended_at", entry.ended_at.isoformat()),
        ("host", entry.host),
        ("postprocess_status", entry.postprocess_status),
        ("attempts", len(entry.attempts) + 1),
        ("log_path", entry.log_path or _NOTHING),
    ]
    shown = [(name, value) for name, value in facts if value is not None]
    width = max(len(name) for name, _ in shown) + 1
    lines = [f"run_id: {entry.run_id}"]
    lines += [f"{name + ':':<{width}} {one_line(value)}" for name, value in shown]
    lines += ["", "overrides:"]
    lines += _mapping_lines({name: repr(value) for name, value in entry.overrides.items()})
    for title, paths in (
        ("output_paths", entry.output_paths),
        ("solver_paths", entry.solver_paths),
        ("extra_outputs", entry.extra_outputs),
    ):
        if paths:
            lines += ["", f"{title}:", *_mapping_lines(paths)]
    if entry.notes:
        lines += ["", "notes:", *(f"  {one_line(note)}" for note in entry.notes)]
    if entry.converged:
        lines += ["", "converged:", *_mapping_lines(entry.converged)]
    if entry.context:
        context = {name: repr(value) for name, value in entry.context.items()}
        lines += ["", "context:", *_mapping_lines(context)]
    for number, attempt in enumerate(entry.attempts, 1):
        cause = attempt.get("cause", "no cause recorded")
        lines += ["", f"attempt {number}:", textwrap.indent(printable(cause), "  ")]
    lines += ["", "stderr:", printable(entry.stderr).rstrip() if entry.stderr else "(no stderr)"]
    return "\n".join(lines)


def _unconverged(entry: ManifestEntry) -> str:
    """Return which solvers of an ``ok`` run did not converge; empty if all of them did."""
    solvers = list(unconverged_runs([entry]))
    if not solvers:
        return ""
    return f"solver{'s' * (len(solvers) > 1)} {one_line(', '.join(solvers))} did not converge"


def _mapping_lines(mapping: object) -> list[str]:
    assert isinstance(mapping, dict)
    listed = [f"  {one_line(name)} = {one_line(mapping[name])}" for name in sorted(mapping)]
    return listed or ["  (none)"]


def _cut(text: str) -> str:
    return text if len(text) <= _CAUSE_WIDTH else text[: _CAUSE_WIDTH - 3] + "..."
