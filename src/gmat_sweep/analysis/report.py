"""The report of one sweep, for a person: counts, failures by cause, spread of every quantity."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmat_sweep.analysis.angles import circular_mean, unwrapped, wraps
from gmat_sweep.analysis.final_values import UNREADABLE, final_values
from gmat_sweep.analysis.markdown import LONGEST_CAUSE, narrow_tables, number, percent, plain, table
from gmat_sweep.analysis.outcomes import (
    FailureGroup,
    FailureRate,
    failure_groups,
    failure_rate,
    run_list,
    unconverged_runs,
    where_failed,
)
from gmat_sweep.analysis.percentiles import Bounds, bounds_of, runs_for_bounds, tells
from gmat_sweep.analysis.recorded import RecordedSweep, SweepSource, latest_entries
from gmat_sweep.analysis.scaling import common_exponent, scaled, unscaled
from gmat_sweep.analysis.units import unit_of
from gmat_sweep.analysis.varied import varied_lines
from gmat_sweep.plans import planned_count
from gmat_sweep.plans.header import kind_of
from gmat_sweep.plans.independence import are_independent, design_name, no_independent_draws
from gmat_sweep.printable import one_line
from gmat_sweep.sweep.recorded_script import resume_command

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from gmat_sweep.manifest.entry import ManifestEntry

__all__ = [
    "FinalReport",
    "QuantitySummary",
    "busy_seconds",
    "figures_of",
    "report_of",
    "sweep_report",
]

# A longer gap between runs separates two passes; between the runs of one pass gaps are shorter.
_PAUSE_S = 60.0
_CAUSES_SHOWN = 20
_CLUSTERS_SHOWN = 3
_QUANTILES = (0.05, 0.5, 0.95)
_PERCENTILES = {"5 %": "p5", "50 %": "p50", "95 %": "p95"}


@dataclass(frozen=True, slots=True)
class QuantitySummary:
    """How one reported quantity is spread over the runs that are ``ok``, at the end of each.

    Attributes
    ----------
    report, quantity : str
        GMAT's names of the ReportFile and of the column.
    unit : str
        As GMAT reports it; empty if the quantity has none, or it is not known.
    runs : int
        Runs with a finite value, from which the statistics are made.
    mean, sigma : float or None
        Mean and standard deviation, the latter divided by n - 1. None if there are too few values;
        `sigma` also for a grid. The mean of an angle is the circular one, and `sigma` is that about
        it; both are None if the angles cancel.
    p5, p50, p95 : float or None
        Percentiles, by linear interpolation; those of an angle in the turn about its mean. None for
        a grid, and if there are too few runs: for independent draws too few for bounds.
    low, high : float or None
        The lowest and the highest value; those of an angle in the turn about its mean.
    p5_bounds, p50_bounds, p95_bounds : Bounds or None
        The 95 % confidence interval of each percentile of independent draws; None for others.
    """

    report: str
    quantity: str
    unit: str
    runs: int
    mean: float | None = None
    sigma: float | None = None
    p5: float | None = None
    p50: float | None = None
    p95: float | None = None
    low: float | None = None
    high: float | None = None
    p5_bounds: Bounds | None = None
    p50_bounds: Bounds | None = None
    p95_bounds: Bounds | None = None


@dataclass(frozen=True, slots=True)
class FinalReport:
    """The report of a sweep.

    Attributes
    ----------
    manifest_path : Path
        The manifest.
    mission : str
        Name of the mission script; empty if the manifest does not say.
    kind : str
        ``_kind`` of the sweep's ``parameter_spec``, such as ``"monte_carlo"``.
    planned : int
        Runs of the plan.
    ok, failed, skipped : int
        Runs by status.
    rate : FailureRate
        Share of failures of the mission among the runs that say something of it.
    duration_s : float
        Seconds, by the clock, in which runs were under way; pauses between two passes over the
        sweep do not count.
    quantities : tuple of QuantitySummary
        Each numeric column of each report.
    failures : tuple of FailureGroup
        Failed runs by cause, the commonest first.
    not_converged : mapping of str to tuple of int
        For each solver, the runs that are ``ok`` although the solver did not reach its goal.
    unreadable : mapping of int to str
        Runs whose report files could not be read, and why. Their values are missing.
    resume_command : str
        The shell command that runs what is missing, failed or damaged.
    varied : tuple of str
        What was varied, and with what it was flown: lines of Markdown.
    design : str
        As `design_name` gives it: the kind, or ``sobol_sample``.
    where_failed : tuple of str
        Where the failures of the mission lie among the varied fields, in words; empty if they may
        lie there by chance.
    """

    manifest_path: Path
    mission: str
    kind: str
    planned: int
    ok: int
    failed: int
    skipped: int
    rate: FailureRate
    duration_s: float
    quantities: tuple[QuantitySummary, ...]
    failures: tuple[FailureGroup, ...]
    not_converged: Mapping[str, tuple[int, ...]]
    unreadable: Mapping[int, str]
    resume_command: str
    varied: tuple[str, ...] = ()
    design: str = ""
    where_failed: tuple[str, ...] = ()

    @property
    def recorded(self) -> int:
        """How many runs have an entry."""
        return self.ok + self.failed + self.skipped

    @property
    def unconverged(self) -> int:
        """How many runs are ``ok`` although a solver did not reach its goal."""
        return len({run_id for run_ids in self.not_converged.values() for run_id in run_ids})

    @property
    def missing(self) -> int:
        """How many runs have no entry yet."""
        return max(0, self.planned - self.recorded)

    @property
    def runs_per_s(self) -> float | None:
        """Recorded runs per second of `duration_s`; None if that is zero."""
        return self.recorded / self.duration_s if self.duration_s > 0 else None

    def headline(self) -> str:
        """Return one sentence that says how the sweep ended, as plain text."""
        parts = [f"{self.ok} of {self.planned} runs ok"]
        if self.unconverged:
            parts[0] += f" ({self.unconverged} with a solver that did not converge)"
        if self.failed:
            parts.append(f"{self.failed} failed")
        if self.skipped:
            parts.append(f"{self.skipped} skipped")
        if self.missing:
            parts.append(f"{self.missing} not run yet")
        mission = f"{self.mission}, " if self.mission else ""
        return one_line(f"{mission}{self.kind.replace('_', ' ')}: {', '.join(parts)}.")

    def to_markdown(self, *, narrow: bool = False) -> str:
        """Return the report as Markdown: a headline, the facts, failures, quantities.

        Parameters
        ----------
        narrow : bool
            For a page that cuts wide tables off, as Prefect's UI does: causes of failure as a list,
            with their whole text, and quantities in several tables where one would be too
            wide.
        """
        parts = [f"**{plain(self.headline())}**", self._facts()]
        if self.varied:
            parts += ["## What was varied", "\n".join(f"- {line}" for line in self.varied)]
        if self.failures:
            parts += ["## Failures", self.failure_list() if narrow else self._failure_table()]
        if self.not_converged:
            parts += ["## Solvers that did not converge", self._solver_table()]
        if self.quantities:
            heading = f"## At the end of the run, over {self.ok} runs"
            parts += [heading, *self._survivors(), self._quantity_table(narrow=narrow)]
            parts += self.about_percentiles()
        if self.unreadable:
            run_id, reason = next(iter(self.unreadable.items()))
            parts.append(
                f"The files of {len(self.unreadable)} runs could not be read, and are not in these "
                f"numbers; run {run_id}: {plain(reason)}"
            )
        return "\n\n".join(parts) + "\n"

    def failure_rows(self, most: int = 100) -> list[dict[str, str | int]]:
        """Return a row for each cause of failure: ``runs``, ``share``, ``examples``, ``cause``.

        Parameters
        ----------
        most : int
            Number of causes with a row of their own; the other causes share one more row.

        Returns
        -------
        list of dict
            JSON-safe, the commonest cause first. ``share`` is of all failed runs; ``examples``
            are run ids.
        """
        rows: list[dict[str, str | int]] = [
            self._failure_row(group.cause, group.run_ids) for group in self.failures[:most]
        ]
        rest = [run_id for group in self.failures[most:] for run_id in group.run_ids]
        if rest:
            rows.append(self._failure_row(f"{len(self.failures) - most} further causes", rest))
        return rows

    def failure_list(self, most: int = _CAUSES_SHOWN) -> str:
        """Return the causes of failure as a list in Markdown, each with its whole text.

        Parameters
        ----------
        most : int
            As for `failure_rows`.
        """
        return "\n".join(
            f"- {row['runs']} x ({row['share']}; run {row['examples']}): "
            f"{plain(str(row['cause']), LONGEST_CAUSE)}"
            for row in self.failure_rows(most)
        )

    def _failure_row(self, cause: str, run_ids: Iterable[int]) -> dict[str, str | int]:
        ids = tuple(run_ids)
        return {
            "runs": len(ids),
            "share": percent(len(ids) / self.failed),
            "examples": run_list(ids),
            "cause": cause,
        }

    def _facts(self) -> str:
        pace = f", {self.runs_per_s:.3g} runs/s" if self.runs_per_s is not None else ""
        facts = [
            f"- failure rate: {plain(self.rate.text())}",
            *(f"- {plain(line)}" for line in self.where_failed[:_CLUSTERS_SHOWN]),
            f"- duration: {self.duration_s:.1f} s{pace}",
            f"- manifest: `{one_line(self.manifest_path)}`",
        ]
        if self.missing or self.failed:
            facts.append(f"- what is missing or failed is run by `{one_line(self.resume_command)}`")
        return "\n".join(facts)

    def _failure_table(self) -> str:
        rows = [
            [str(row["runs"]), str(row["share"]), str(row["examples"]), plain(str(row["cause"]))]
            for row in self.failure_rows(_CAUSES_SHOWN)
        ]
        return table(["runs", "share", "run ids", "cause"], rows, {"runs", "share"})

    def _solver_table(self) -> str:
        rows = [
            [plain(solver), str(len(run_ids)), run_list(run_ids)]
            for solver, run_ids in self.not_converged.items()
        ]
        return table(["solver", "runs", "run ids"], rows, {"runs"})

    def _quantity_table(self, *, narrow: bool) -> str:
        figures = self.figure_names()
        heads = ["report", "quantity", "unit", "runs", *figures]
        rows = []
        for each in self.quantities:
            names = (plain(each.report), plain(each.quantity), each.unit, str(each.runs))
            cells = figures_of(each)
            rows.append([*names, *(cells[figure] for figure in figures)])
        if len({each.report for each in self.quantities}) == 1:
            heads, rows = heads[1:], [row[1:] for row in rows]
        aligned = heads[-len(figures) - 1 :]
        if narrow:
            percentiles = [[head] for head in heads if head.endswith("%")]
            groups = [("unit", "runs", "lowest", "mean", "sigma", "highest"), *percentiles]
            return narrow_tables(heads, rows, aligned, groups)
        return table(heads, rows, aligned)

    def figure_names(self) -> list[str]:
        """Return which figures are told of the quantities: keys of `figures_of`."""
        # The points of a grid are chosen: they have a range, and no dispersion.
        if self.kind == "grid":
            return ["lowest", "mean", "highest"]
        told = [
            head
            for head, name in _PERCENTILES.items()
            if any(getattr(each, name) is not None for each in self.quantities)
        ]
        return ["lowest", "mean", "sigma", *told, "highest"]

    def _survivors(self) -> list[str]:
        """Return the sentence on what the statistics leave out; nothing if every run was ok."""
        if not self.failed:
            return []
        where = f" {plain(self.where_failed[0])}." if self.where_failed else ""
        count = f"{self.failed} of {self.ok + self.failed}"
        said = (
            f"These are the runs that are ok. {count} failed, and are not in these numbers: they "
            f"are not the dispersion of all runs if failures depend on what was varied.{where}"
        )
        return [said]

    def about_percentiles(self) -> list[str]:
        """Return in plain text what the bounds of the percentiles are, or why there are none."""
        if self.kind == "grid":
            return []
        if not are_independent(self.design):
            if "50 %" not in self.figure_names():
                return []
            reason = no_independent_draws(self.design)
            return [f"The percentiles have no confidence bounds: {reason}."]
        said = []
        shown = [head for head in self.figure_names() if head.endswith("%")]
        if shown:
            said.append("In brackets: the 95 % confidence interval of each percentile.")
        if "5 %" not in shown:
            needed = runs_for_bounds(min(_QUANTILES))
            said.append(f"5 % and 95 % cannot be told from fewer than {needed} runs.")
        return [" ".join(said)] if said else []


def figures_of(each: QuantitySummary) -> dict[str, str]:
    """Return the statistics of a quantity as text, by the head of their column."""
    spread = each.sigma
    if spread is None and each.high is not None and each.low is not None:
        spread = each.high - each.low
    cells = {
        "lowest": number(each.low, spread),
        "mean": number(each.mean, spread),
        "sigma": number(each.sigma),
        "highest": number(each.high, spread),
    }
    for head, name in _PERCENTILES.items():
        bounds: Bounds | None = getattr(each, f"{name}_bounds")
        cells[head] = number(getattr(each, name), spread)
        if bounds is not None:
            cells[head] += f" ({number(bounds.low, spread)} to {number(bounds.high, spread)})"
    return cells


def sweep_report(source: SweepSource) -> FinalReport:
    """Return the report of a sweep, finished or not.

    Parameters
    ----------
    source : str, Path, Manifest or Sweep
        A sweep folder, its manifest, or a sweep that has run.

    Raises
    ------
    FileNotFoundError, ManifestCorruptError
        The manifest cannot be read.
    SweepConfigError
        A `Manifest` was neither saved nor loaded.

    Notes
    -----
    The statistics describe the runs that are ok. If failures depend on the fields that vary, that
    is not the dispersion of all runs. A grid has no dispersion, so no sigma and no percentiles:
    its points are chosen. A percentile of random draws is told with its confidence interval, and
    only if there are enough runs for it: 6 for the median, 72 for 5 % and 95 %. Those of a Latin
    hypercube or another design have none.
    """
    sweep = RecordedSweep.outline(source)
    ends = final_values(sweep.path if isinstance(source, str | Path) else sweep.manifest)
    return report_of(source, sweep, ends)


def report_of(source: SweepSource, sweep: RecordedSweep, ends: pd.DataFrame) -> FinalReport:
    """Return the report of a sweep whose outline and whose `final_values` are there already."""
    manifest, entries = sweep.manifest, sweep.entries
    kind, design = kind_of(manifest.parameter_spec), design_name(manifest.parameter_spec)
    counts = Counter(entry.status for entry in entries)
    names = [ends.columns.get_level_values(level) for level in ("report", "quantity")]
    return FinalReport(
        manifest_path=sweep.path,
        mission=str(manifest.extra.get("mission", "")),
        kind=kind,
        planned=max(planned_count(manifest), len(entries)),
        ok=counts["ok"],
        failed=counts["failed"],
        skipped=counts["skipped"],
        rate=(rate := failure_rate(entries, design)),
        duration_s=busy_seconds(entries),
        quantities=tuple(
            _summary(report, quantity, ends[report, quantity].to_numpy(), design)
            for report, quantity in zip(*names, strict=True)
        ),
        failures=tuple(failure_groups(entries)),
        not_converged=unconverged_runs(entries),
        unreadable=ends.attrs[UNREADABLE],
        resume_command=resume_command(manifest, sweep.path),
        varied=varied_lines(manifest),
        design=design,
        # The outline lacks what the runs were given.
        where_failed=where_failed(latest_entries(source)) if 0 < rate.failed < rate.runs else (),
    )


def _summary(
    report: str, quantity: str, values: NDArray[np.float64], design: str
) -> QuantitySummary:
    import numpy as np

    told = values[np.isfinite(values)]
    unit = unit_of(quantity)
    if not len(told):
        return QuantitySummary(report, quantity, unit, 0)
    centre: float | None = None
    if wraps(quantity, told):
        centre = circular_mean(told)
        told = unwrapped(told, centre)
    low, high = float(told.min()), float(told.max())
    if centre is not None and math.isnan(centre):
        return QuantitySummary(report, quantity, unit, len(told), low=low, high=high)
    exponent = common_exponent(told)
    parts = scaled(told, exponent)
    # The mean of equal values may differ from them by rounding, which is no spread.
    constant = low == high
    middle = unscaled(float(parts[0] if constant else parts.mean()), exponent)
    if centre is not None and not constant:
        middle = centre
    if design == "grid":
        return QuantitySummary(report, quantity, unit, len(told), middle, low=low, high=high)
    sigma = None
    if len(parts) > 1:
        sigma = unscaled(0.0 if constant else float(parts.std(ddof=1)), exponent)
    in_order = np.sort(told)
    percentiles: dict[str, Any] = {}
    for level, name in zip(_QUANTILES, _PERCENTILES.values(), strict=True):
        if tells(len(told), level, design):
            percentiles[name] = unscaled(float(np.quantile(parts, level)), exponent)
            if are_independent(design):
                percentiles[f"{name}_bounds"] = bounds_of(in_order, level)
    return QuantitySummary(
        report, quantity, unit, len(told), middle, sigma, low=low, high=high, **percentiles
    )


def busy_seconds(entries: Iterable[ManifestEntry]) -> float:
    """Return the seconds in which runs were under way, without longer pauses between them."""
    busy, end = 0.0, -math.inf
    for started, ended in sorted(
        (e.started_at.timestamp(), e.ended_at.timestamp()) for e in entries
    ):
        if ended <= end:
            continue
        busy += ended - (started if started - end > _PAUSE_S else end)
        end = ended
    return busy
