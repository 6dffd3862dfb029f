"""What a page about a sweep says, gathered from its folder: plain data for the template."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmat_sweep.aggregate.entries import anchors_of
from gmat_sweep.analysis.recorded import RecordedSweep, latest_entries
from gmat_sweep.analysis.report import FinalReport, figures_of, report_of
from gmat_sweep.analysis.runs_table import UNITS, runs_and_final_values
from gmat_sweep.analysis.varied import flown_with, varied_text
from gmat_sweep.disk.held import read_plain
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.failure_kinds import kind_of
from gmat_sweep.folder.layout import VERDICTS_DATA_NAME
from gmat_sweep.plans.header import NOMINAL_KEY
from gmat_sweep.plans.independence import are_independent, no_independent_draws
from gmat_sweep.printable import one_line, printable
from gmat_sweep.reporting.columns import PageColumn, chosen_rows, packed, page_column, ranked
from gmat_sweep.spec import NOMINAL_RUN_ID
from gmat_sweep.sweep.recorded_script import no_option, recorded_script
from gmat_sweep.verdicts.results import share

if TYPE_CHECKING:
    import pandas as pd

    from gmat_sweep.analysis.recorded import SweepSource
    from gmat_sweep.manifest import Manifest
    from gmat_sweep.manifest.entry import ManifestEntry
    from gmat_sweep.verdicts.requirement import PlanName, Requirement, Requirements

__all__ = ["Content", "collect"]

MOST_ROWS = 20_000
"""The most runs in the table and the plots of a page."""
MOST_BYTES = 9_000_000
"""About how much the columns of a page may take, in characters of base64."""

_BYTES_A_NUMBER = 32 / 3
_CAUSES = 50
_EXTREMES = 12
_WORST = 5
_LONGEST_SCRIPT = 300_000
# A table of samples in the header is in the table of runs anyway.
_LONGEST_LIST = 100
_STANDARD = ("status", "cause", "duration_s")


@dataclass(frozen=True, slots=True)
class Content:
    """What the page says.

    Attributes
    ----------
    said : mapping
        What the template shows as text, by the template's names.
    data : mapping
        What the page's program reads, as JSON has it.
    """

    said: Mapping[str, Any]
    data: Mapping[str, Any] = field(repr=False)


def collect(
    source: SweepSource, requirements: Requirements | None = None, plan: PlanName | None = None
) -> Content:
    """Return all that a page says of a sweep.

    Parameters
    ----------
    source : str, Path, Manifest or Sweep
        A sweep folder, its manifest, or a sweep that has run.
    requirements : Requirements, optional
        What the sweep is judged by. By default the page has the verdicts of ``verdicts.json``
        beside the manifest, if it is there.
    plan : {"fixed", "anytime"}, optional
        The rule, as for `judge`.

    Raises
    ------
    FileNotFoundError, ManifestCorruptError, SweepConfigError
        As `gmat_sweep.analysis.sweep_report` and `judge`.
    """
    sweep = RecordedSweep.outline(source)
    table, ends = runs_and_final_values(source)
    report = report_of(source, sweep, ends)
    verdicts = _verdicts(source, sweep, requirements, plan)
    columns = _columns(table, list(latest_entries(source, nominal=True)), sweep, requirements)
    replay = shlex.join(["gmat-sweep", "replay", no_option(sweep.path), "--run"])
    worst = _worst(verdicts, columns, table)
    violating = {each["name"]: each["violating_runs"] for each in _judged(verdicts)}
    needed = {NOMINAL_RUN_ID, *(run_id for row in worst for run_id, _ in row["runs"])}
    needed |= {run_id for listed in violating.values() for run_id in listed}
    needed |= {run_id for group in report.failures for run_id in group.run_ids}
    run_ids = table.index.to_numpy()
    most = int(MOST_BYTES / (_BYTES_A_NUMBER * max(1, _long(columns))))
    rows = chosen_rows(run_ids, needed, min(MOST_ROWS, most))
    start = _first_axes(columns)
    data = {
        "runs": packed(run_ids[rows].astype("<i4")),
        "columns": [each.to_dict(rows) for each in columns],
        "violating": violating,
        "start": start,
        "replay": one_line(replay),
        "recorded": len(table),
        # Why the mean of the runs has no standard error; empty if it has one.
        "why": "" if are_independent(report.design) else no_independent_draws(report.design),
    }
    said = {
        "mission": one_line(report.mission or sweep.path.parent.name),
        "headline": report.headline(),
        "report": report,
        "rate": one_line(report.rate.text()),
        "verdict": None if verdicts is None else one_line(verdicts["verdict"]),
        "verdict_headline": None if verdicts is None else verdicts.get("headline"),
        "verdict_notes": [one_line(each) for each in (verdicts or {}).get("notes", ())],
        "verdict_rows": [_verdict_row(each) for each in _judged(verdicts)],
        "judged_less": _judged_less(verdicts, report),
        "where_failed": report.where_failed,
        "failures": _failures(report),
        "quantities": _quantities(report),
        "worst": worst,
        "replay": one_line(replay),
        "resume": one_line(report.resume_command),
        "shown": len(rows),
        "recorded": len(table),
        "unreadable": [(run, one_line(why)) for run, why in list(report.unreadable.items())[:5]],
        "has_requirement_columns": any(each.group == "requirement" for each in columns),
        **_repeat(sweep.manifest, sweep, requirements),
    }
    return Content(said, data)


def _long(columns: Iterable[PageColumn]) -> float:
    """Return how many columns of float64 the page's columns are as long as."""
    return sum(0.5 if each.kind == "text" else float(each.is_block) for each in columns)


def _verdicts(
    source: SweepSource,
    sweep: RecordedSweep,
    requirements: Requirements | None,
    plan: PlanName | None,
) -> dict[str, Any] | None:
    """Return the verdicts as ``verdicts.json`` has them: new ones, or those of that file."""
    if requirements is not None:
        from gmat_sweep.verdicts.judging import Judge

        judged = Judge(requirements, plan).look(source)
        notes = {each.name: [each.text, each.advice, *each.notes] for each in judged.requirements}
        told = judged.to_dict() | {"headline": judged.headline, "notes": list(judged.notes)}
        for each in told["requirements"]:
            each["told"] = [one_line(note) for note in notes[each["name"]] if note]
        return told
    path = sweep.path.parent / VERDICTS_DATA_NAME
    try:
        found = json.loads(read_plain(path))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(path, str(error)) from error
    try:
        # Whatever the page will ask of it is asked here, where the file can be named.
        for each in found["requirements"]:
            _verdict_row(each)
            for run_id in (*each["violating_runs"], *(run_id for run_id, _ in each["worst_runs"])):
                int(run_id)
            for _, value in each["worst_runs"]:
                float(value or 0)
        return {**found, "verdict": str(found["verdict"])}
    except (TypeError, KeyError, AttributeError, ValueError, ArithmeticError) as error:
        raise _damaged(path, f"{type(error).__name__}: {error}") from error


def _damaged(path: Path, problem: str) -> SweepConfigError:
    return SweepConfigError(
        f"{path}: the verdicts cannot be read ({problem}). Judge the sweep again with gmat-sweep "
        "verify, or move the file away."
    )


def _judged(verdicts: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    return [] if verdicts is None else list(verdicts["requirements"])


def _judged_less(verdicts: Mapping[str, Any] | None, report: FinalReport) -> str:
    """Return what is to be said if runs were recorded after the verdicts; empty if none were."""
    judged = None if verdicts is None else verdicts.get("prefix")
    if not isinstance(judged, int) or judged >= report.recorded:
        return ""
    return f"{judged} of {report.recorded} recorded runs were judged"


def _verdict_row(each: Mapping[str, Any]) -> dict[str, Any]:
    bound = ""
    if each["verdict"] == "FAIL" and each["violation_lower"] is not None:
        bound = f"at least {share(each['violation_lower'], up=False)} violate"
    elif each["violation_upper"] is not None:
        bound = f"at most {share(each['violation_upper'], up=True)} violate"
    return {
        "name": one_line(each["name"]),
        "verdict": one_line(each["verdict"]),
        "statement": one_line(each["statement"]),
        "runs": each["n"],
        "violations": each["violations"],
        "unknown": each["unknown"],
        "bound": bound,
        "margin": "" if each["margin"] is None else f"{each['margin']:.6g}",
        "told": each.get("told") or [one_line(text) for text in [each.get("reason", "")] if text],
    }


def _columns(
    table: pd.DataFrame,
    entries: Sequence[ManifestEntry],
    sweep: RecordedSweep,
    requirements: Requirements | None,
) -> list[PageColumn]:
    """Return the columns of the page, those of the run's record first."""
    varied = {name for entry in entries for name in entry.overrides}
    kinds = {
        entry.run_id: kind_of(entry) or "unknown" for entry in entries if entry.status == "failed"
    }
    units = table.attrs[UNITS]
    columns = [page_column(name, "run", table[name]) for name in ("status", "cause")]
    if kinds:
        listed = [kinds.get(run_id) for run_id in table.index.tolist()]
        columns.append(PageColumn("failed in", "run", "text", listed))
    columns += _measured(table, entries, sweep, requirements)
    own = sweep.manifest.parameter_spec.get(NOMINAL_KEY)
    for name in table.columns:
        if name in _STANDARD:
            continue
        unit = units.get(name, "")
        if name in varied:
            columns.append(page_column(name, "input", _with_nominal(table[name], own), unit))
        elif name.startswith("converged."):
            columns.append(page_column(name, "run", table[name]))
        else:
            quantity = name.partition(".")[2]
            columns.append(page_column(name, "output", table[name], unit, quantity))
    columns.append(page_column("duration_s", "run", table["duration_s"], "s"))
    return _with_own_names(columns)


def _with_own_names(columns: Iterable[PageColumn]) -> list[PageColumn]:
    """Return columns of which no two have one name: long names are cut, and may then be alike."""
    seen: Counter[str] = Counter()
    found = []
    for each in columns:
        seen[each.name] += 1
        again = seen[each.name]
        found.append(each if again == 1 else replace(each, name=f"{each.name} [{again}]"))
    return found


def _with_nominal(values: pd.Series[Any], own: Any) -> pd.Series[Any]:
    """Return a varied field with what the script itself gives the nominal run, if it is known."""
    known = own.get(values.name) if isinstance(own, dict) else None
    if known is None or NOMINAL_RUN_ID not in values.index:
        return values
    filled = values.copy()
    filled[NOMINAL_RUN_ID] = known
    return filled


def _measured(
    table: pd.DataFrame,
    entries: Sequence[ManifestEntry],
    sweep: RecordedSweep,
    requirements: Requirements | None,
) -> list[PageColumn]:
    """Return what each requirement measures of each run, with its limits."""
    asked = () if requirements is None else requirements.requirements
    numeric = [each for each in asked if not each.all_of]
    if not numeric:
        return []
    import numpy as np

    from gmat_sweep.verdicts.metrics import metrics_of

    found = metrics_of(numeric, entries, anchors_of(sweep.manifest, sweep.folder))
    places = {int(run_id): place for place, run_id in enumerate(found.run_ids)}
    rows = np.array([places.get(run_id, -1) for run_id in table.index.tolist()])
    columns = []
    for each in numeric:
        values = np.append(found.numbers[each.name], np.nan)[rows]
        columns.append(
            PageColumn(
                one_line(f"{each.name}: {each.quantity}"),
                "requirement",
                "number",
                values,
                each.unit or "",
                _limits(each),
                requirement=one_line(each.name),
            )
        )
    return columns


def _limits(each: Requirement) -> tuple[float | None, float | None]:
    if each.within is not None:
        return each.within
    if each.target is not None and each.tolerance is not None:
        return each.target - each.tolerance, each.target + each.tolerance
    if each.limit is None:
        return None, None
    value = float(each.limit.lstrip("<>= "))
    return (None, value) if each.limit.startswith("<") else (value, None)


def _first_axes(columns: Sequence[PageColumn]) -> dict[str, str]:
    """Return what the plots show first: what is required, against the input it hangs on most."""
    import numpy as np

    ranks = ranked(columns)
    groups = {each.name: each.group for each in columns}
    of = {
        group: [name for name in ranks if groups[name] == group]
        for group in ("requirement", "output", "input", "run")
    }
    outputs = of["requirement"] or of["output"] or of["input"] or of["run"]
    inputs = of["input"] or of["output"]
    if not outputs or not inputs:
        return {}

    def strength(one: str, other: str) -> float:
        told = np.isfinite(ranks[one]) & np.isfinite(ranks[other])
        if one == other or told.sum() < 3:
            return 0.0
        first, second = ranks[one][told], ranks[other][told]
        if first.min() == first.max() or second.min() == second.max():
            return 0.0
        return abs(float(np.corrcoef(first, second)[0, 1]))

    y = outputs[0]
    if not of["requirement"]:
        # Epochs and clocks come first in many reports, and depend on nothing.
        y = max(outputs[:40], key=lambda name: max(strength(name, each) for each in inputs[:40]))
    x = max(inputs, key=lambda name: strength(name, y))
    return {"x": x, "y": y, "quantity": y}


def _worst(
    verdicts: Mapping[str, Any] | None, columns: Sequence[PageColumn], table: pd.DataFrame
) -> list[dict[str, Any]]:
    """Return the runs to look at: the worst of each requirement, else the ends of quantities."""
    if verdicts is not None:
        measured = {each.requirement: each for each in columns if each.requirement}
        units = {name: each.unit for name, each in measured.items()}
        return [
            {
                "what": one_line(each["name"]),
                "why": "nearest to the limit or farthest beyond it",
                "unit": units.get(one_line(each["name"]), ""),
                "runs": [
                    (int(run_id), "" if value is None else f"{value:.6g}")
                    for run_id, value in each["worst_runs"][:_WORST]
                ],
            }
            for each in _judged(verdicts)
            if each["worst_runs"]
        ]
    import numpy as np

    run_ids = table.index.to_numpy()
    rows = []
    for each in columns:
        if each.group != "output" or each.kind != "number" or each.is_constant:
            continue
        told = np.flatnonzero(np.isfinite(each.by_row) & (run_ids != NOMINAL_RUN_ID))
        if len(told):
            values = each.by_row[told]
            ends = [told[values.argmin()], told[values.argmax()]]
            rows.append(
                {
                    "what": each.name,
                    "why": "lowest and highest",
                    "unit": each.unit,
                    "runs": [(int(run_ids[at]), f"{each.by_row[at]:.10g}") for at in ends],
                }
            )
    return rows[:_EXTREMES]


def _failures(report: FinalReport) -> list[dict[str, Any]]:
    return [
        {
            "runs": row["runs"],
            "share": row["share"],
            "cause": one_line(str(row["cause"])),
            "first": group.run_ids[0] if (group := _group_at(report, number)) else None,
            "examples": row["examples"],
        }
        for number, row in enumerate(report.failure_rows(_CAUSES))
    ]


def _group_at(report: FinalReport, number: int) -> Any:
    return report.failures[number] if number < _CAUSES else None


def _quantities(report: FinalReport) -> dict[str, Any]:
    heads = report.figure_names()
    return {
        "heads": heads,
        "rows": [
            {
                "report": one_line(each.report),
                "quantity": one_line(each.quantity),
                "unit": each.unit,
                "runs": each.runs,
                # The bounds of a percentile stand below it.
                "figures": [
                    (figure, f"{paren}{bounds}")
                    for figure, paren, bounds in (
                        figures_of(each)[head].partition("(") for head in heads
                    )
                ],
            }
            for each in report.quantities
        ],
        "notes": report.about_percentiles(),
    }


def _repeat(
    manifest: Manifest, sweep: RecordedSweep, requirements: Requirements | None
) -> dict[str, Any]:
    """Return what it takes to fly the sweep again: versions, hashes, the plan, the script."""
    header = {
        "script_sha256": manifest.script_sha256,
        "gmat_sweep_version": manifest.gmat_sweep_version,
        "gmat_run_version": manifest.gmat_run_version,
        "gmat_install_version": manifest.gmat_install_version,
        "python_version": manifest.python_version,
        "os_platform": manifest.os_platform,
        "sweep_seed": manifest.sweep_seed,
        "parameter_spec": manifest.parameter_spec,
        "run_count": manifest.run_count,
        "backend": manifest.backend,
        "postprocess": manifest.postprocess,
        **manifest.extra,
    }
    name, text, why = _script(manifest, sweep.folder)
    asked_in, asked = ("", None) if requirements is None else _asked(requirements)
    return {
        "manifest": one_line(sweep.path),
        "seed": manifest.sweep_seed,
        "script_sha256": one_line(manifest.script_sha256),
        "manifest_sha256": _hash_of(sweep.path),
        "platform": one_line(manifest.os_platform),
        "versions": {one_line(key): one_line(value) for key, value in flown_with(manifest).items()},
        "varied": varied_text(manifest),
        "header": _json(_shortened(header)),
        "requirements": asked,
        "requirements_name": asked_in,
        "script": text,
        "script_name": name,
        "why_no_script": why,
    }


def _script(manifest: Manifest, folder: Path) -> tuple[str, str | None, str]:
    """Return the mission script's name and text, or why the page has no text."""
    try:
        path = recorded_script(manifest, folder)
        content = path.read_bytes()
    except (SweepConfigError, OSError):
        return "", None, "It was not found with its recorded hash."
    if len(content) > _LONGEST_SCRIPT:
        return one_line(path.name), None, f"It has {len(content):,} bytes: send it beside the page."
    return one_line(path.name), printable(content.decode("utf-8", "backslashreplace")), ""


def _asked(requirements: Requirements) -> tuple[str, str]:
    """Return the requirements as their file has them, with its name; else as JSON."""
    if requirements.source is not None:
        path = Path(requirements.source)
        try:
            content = path.read_bytes()
        except OSError:
            content = b""
        if 0 < len(content) <= _LONGEST_SCRIPT:
            return one_line(path.name), printable(content.decode("utf-8", "backslashreplace"))
    return "", _json(requirements.to_dict())


def _hash_of(path: Path) -> str:
    import hashlib

    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _json(content: Any) -> str:
    return printable(json.dumps(content, indent=1, ensure_ascii=False, default=str))


def _shortened(content: Any) -> Any:
    """Return JSON without the middle of its long lists."""
    if isinstance(content, Mapping):
        return {key: _shortened(value) for key, value in content.items()}
    if isinstance(content, list):
        if len(content) > _LONGEST_LIST:
            return f"{len(content)} values, in the manifest"
        return [_shortened(each) for each in content]
    return content
