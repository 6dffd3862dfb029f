"""What a sweep would do, before it does: draws, time, disk, server. One trial run is flown.

Nothing is written to the sweep folder, and no flow run begins.
"""

from __future__ import annotations

import json
import math
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmat_sweep.amounts import size_text, time_text
from gmat_sweep.analysis.angles import circular_mean, wraps
from gmat_sweep.analysis.varied import fields_of
from gmat_sweep.backends.joblib import LocalJoblibPool
from gmat_sweep.causes import headline
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.folder.layout import MANIFEST_NAME
from gmat_sweep.plans.header import kind_of
from gmat_sweep.plans.nominal import with_nominal
from gmat_sweep.spec import NOMINAL_RUN_ID
from gmat_sweep.sweep.checked_runs import checked_runs
from gmat_sweep.sweep.current_settings import refuse_settings_of_a_strangers_folder
from gmat_sweep.sweep.preflight import prepare_missions
from gmat_sweep.sweep.recorded_script import how_to_finish
from gmat_sweep.sweep.resuming import planned_extension, runs_to_repeat
from gmat_sweep.sweep.trust import check_trust

if TYPE_CHECKING:
    import pandas as pd

    from gmat_sweep.backends.base import Pool
    from gmat_sweep.plans import Plan
    from gmat_sweep.spec import RunOutcome, RunSpec
    from gmat_sweep.sweep import Sweep
    from gmat_sweep.sweep.options import SweepOptions

__all__ = ["SweepCheck", "checked_continuation", "checked_plan", "workers_of"]

# A run is a line of the manifest and a seal, which say the same: besides its values some 600 bytes
# each.
_RECORDS_PER_RUN = 2
_BYTES_OF_RECORD = 600
# The first run of a worker loads the mission, later ones mostly do not. For a longer run that makes
# no difference.
_SHORT_RUN_S = 5.0
# One flow process starts no more runs than that in a second (docs/performance.md).
_MOST_RUNS_PER_S = 150.0
_SHOWN_FIELDS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepCheck:
    """A sweep that can be flown.

    Attributes
    ----------
    script, folder : Path
        The mission script and the sweep folder.
    what : str
        What is to be done: a design, a resume, an extension.
    runs : sequence of RunSpec
        The runs that would be flown, the nominal one included.
    distributions : dict of str to str
        By varied field its distribution or its values, as text.
    seed : int or None
        The sweep's seed.
    seed_is_drawn : bool
        Whether that was drawn for this check.
    workers : int or None
        How many runs there are at once; None: as many as a cluster has.
    trial_s : float
        Seconds that the trial run took.
    trial_bytes : int
        What it left on disk.
    judged : tuple of str
        Lines for a person on what the runs are judged by.
    """

    script: Path
    folder: Path
    what: str
    runs: Sequence[RunSpec]
    distributions: dict[str, str] = field(default_factory=dict)
    seed: int | None = None
    seed_is_drawn: bool = False
    workers: int | None = 1
    trial_s: float = 0.0
    trial_bytes: int = 0
    judged: tuple[str, ...] = ()

    @property
    def has_nominal(self) -> bool:
        """Whether the nominal run is among the runs."""
        return any(run.run_id == NOMINAL_RUN_ID for run in self.runs)

    @property
    def estimated_s(self) -> float:
        """Seconds that all runs take by the clock, if each takes as long as the trial run."""
        at_once = min(self.workers or 1, len(self.runs) or 1)
        return len(self.runs) * max(self.trial_s / at_once, 1 / _MOST_RUNS_PER_S)

    @property
    def estimated_bytes(self) -> int:
        """Bytes that all runs leave on disk."""
        return len(self.runs) * self.trial_bytes

    def table(self) -> pd.DataFrame:
        """Return the values of every run: a row per run, a column per varied field."""
        import pandas as pd

        rows = {run.run_id: run.overrides for run in self.runs if run.run_id != NOMINAL_RUN_ID}
        table = pd.DataFrame.from_dict(rows, orient="index")
        table.index.name = "run_id"
        return table

    def lines(self) -> list[str]:
        """Return what would be done, for a person."""
        count = len(self.runs) - self.has_nominal
        seed = "" if self.seed is None else f", seed {self.seed}"
        drawn = " (drawn just now: give it to keep it)" * (
            self.seed_is_drawn and self.seed is not None
        )
        lines = [
            f"mission: {self.script}",
            f"design:  {self.what}, {count} run{'s' * (count != 1)}{seed}{drawn}"
            + " and the nominal run" * self.has_nominal,
            f"folder:  {self.folder}",
        ]
        if not self.runs:
            return [*lines, "in all:  nothing is left to fly"]
        table = self.table()
        # A covariance has a name of its own, and its fields are columns.
        lines += [
            f"  {name}: {said}"
            for name, said in self.distributions.items()
            if name not in table.columns
        ]
        for name in list(table)[:_SHOWN_FIELDS]:
            said = self.distributions.get(str(name), "")
            lines.append(f"  {name}{f': {said}' if said else ''}; {_range(str(name), table[name])}")
        if (more := len(table.columns) - _SHOWN_FIELDS) > 0:
            lines.append(f"  and {more} further fields")
        lines += self.judged
        lines.append(
            f"trial:   a run takes {self.trial_s:.2f} s and {size_text(self.trial_bytes)} on disk"
        )
        lines.append(
            f"in all:  about {time_text(self.estimated_s)} {self._with_workers()}, "
            f"{size_text(self.estimated_bytes)} on disk"
        )
        return [*lines, f"server:  {self._server()}"]

    def _with_workers(self) -> str:
        if self.workers is None:
            return "with one worker (divide by how many the cluster has)"
        at_once = min(self.workers, len(self.runs))
        return f"with {at_once} worker{'s' * (at_once != 1)}"

    def _server(self) -> str:
        from gmat_sweep.flow.server_rows import MORE_IN_A_DEPLOYMENT, server_rows

        of_run, of_flow_run = server_rows()
        each = sum(of_run.values())
        count = len(self.runs)
        parts = ", ".join(f"{number} {name}" for name, number in of_run.items())
        return (
            f"{count} task run{'s' * (count != 1)}, about {count * each + of_flow_run} rows in its "
            f"database: {each} a run ({parts}) and some {of_flow_run} of the flow run"
            + f"; in a deployment {MORE_IN_A_DEPLOYMENT} more a run"
            * ("events" in of_run)
        )


def checked_plan(
    plan: Plan,
    script: Path,
    folder: Path,
    *,
    options: SweepOptions,
    workers: int | None,
    seed_is_drawn: bool,
) -> SweepCheck:
    """Ask the engine about every field of a new sweep, and fly its first run for a trial.

    Parameters
    ----------
    plan : Plan
        The runs.
    script, folder : Path
        The mission script and the sweep folder.
    options : SweepOptions
        How runs are run.
    workers : int or None
        How many there are at once; None: as many as a cluster has.
    seed_is_drawn : bool
        Whether the user gave no seed.

    Raises
    ------
    SweepConfigError
        The sweep cannot be flown, or its trial run fails; the message says why.
    """
    manifest_path = folder / MANIFEST_NAME
    if manifest_path.exists():
        raise SweepConfigError(
            f"{manifest_path} already holds a sweep. {how_to_finish(manifest_path)}"
        )
    runs = with_nominal(plan.runs, script, folder) if options.nominal else plan.runs
    runs = checked_runs(runs, options)
    found = SweepCheck(
        script=script,
        folder=folder,
        what=kind_of(plan.parameter_spec).replace("_", "-"),
        runs=runs,
        distributions=fields_of(plan.parameter_spec),
        seed=plan.seed,
        seed_is_drawn=seed_is_drawn,
        workers=workers,
    )
    return _tried(found, runs, options)


def checked_continuation(
    sweep: Sweep, n: int | None, *, named_hook: str | None, script_named: bool
) -> SweepCheck:
    """Say what a resume would fly, or an extension; the parameters are those of the real one.

    Parameters
    ----------
    sweep : Sweep
        From `Sweep.from_manifest`.
    n : int or None
        How many runs an extension adds; None for a resume.
    named_hook : str or None
        The hook that the user named.
    script_named : bool
        Whether the user named the script.

    Raises
    ------
    SweepConfigError
        It cannot be flown, or its trial run fails; the message says why.
    """
    manifest = sweep.to_manifest()
    place = (sweep.script_path, sweep.output_dir)
    check_trust(
        manifest,
        sweep.runs,
        *place,
        named=named_hook,
        script_named=script_named,
        trusted=sweep.options.trust_hook,
    )
    if n is None:
        flown = with_nominal(sweep.runs, *place) if sweep.options.nominal else sweep.runs
        every_run = checked_runs(flown, sweep.options)
        wanted = runs_to_repeat(manifest, every_run, sweep.output_dir)
        due = sorted((run for run in every_run if run.run_id in wanted), key=lambda run: run.run_id)
        what = "resume"
    else:
        added = planned_extension(manifest, sweep.runs, n, *place)
        ids = {run.run_id for run in added}
        due = [
            run for run in checked_runs([*sweep.runs, *added], sweep.options) if run.run_id in ids
        ]
        every_run, what = due, "extension"
    found = SweepCheck(
        script=sweep.script_path,
        folder=sweep.output_dir,
        what=f"{what} of a {kind_of(sweep.parameter_spec).replace('_', '-')} sweep",
        runs=due,
        distributions=fields_of(sweep.parameter_spec),
        seed=sweep.sweep_seed,
        workers=workers_of(sweep.backend),
    )
    return _tried(found, every_run, sweep.options) if due else found


def workers_of(pool: Pool) -> int | None:
    """Return how many runs a pool has at once; of a cluster that is not open, nobody knows."""
    from gmat_sweep.backends.cluster.pool import ClusterPool

    return None if isinstance(pool, ClusterPool) else pool.max_workers


def _tried(found: SweepCheck, every_run: Sequence[RunSpec], options: SweepOptions) -> SweepCheck:
    refuse_settings_of_a_strangers_folder()
    with LocalJoblibPool(1) as pool, _scratch() as scratch:
        missions = prepare_missions(
            every_run,
            scratch,
            pool,
            memory_limit=options.memory_limit_bytes,
            end_state=options.end_state,
        )
        first = _first(found.runs)
        trial = replace(
            first,
            script_path=missions[first.script_path].runnable,
            output_dir=scratch / "trial",
            run_options={**first.run_options, "overwrite": True},
        )
        outcome = pool.execute(trial, timeout_s=options.timeout)
        if outcome.status == "ok" and outcome.duration_s < _SHORT_RUN_S:
            trial = replace(trial, output_dir=scratch / "again")
            outcome = pool.execute(trial, timeout_s=options.timeout)
        _refuse_failed(outcome, first, found.script)
        size = sum(each.stat().st_size for each in trial.output_dir.rglob("*") if each.is_file())
    record = len(json.dumps(first.overrides)) + len(json.dumps(first.context)) + _BYTES_OF_RECORD
    return replace(found, trial_s=outcome.duration_s, trial_bytes=size + record * _RECORDS_PER_RUN)


def _first(runs: Iterable[RunSpec]) -> RunSpec:
    """Return the first run, the nominal one only if there is no other."""
    nominal = None
    for run in runs:
        if run.run_id != NOMINAL_RUN_ID:
            return run
        nominal = run
    assert nominal is not None, "a plan has at least one run"
    return nominal


def _refuse_failed(outcome: RunOutcome, run: RunSpec, script: Path) -> None:
    if outcome.status != "ok":
        raise SweepConfigError(
            f"The trial run of {script.name} failed: {headline(outcome.stderr)}. Its values are "
            f"{run.overrides}. Mend the mission or the values; if single runs may fail, fly the "
            "sweep."
        )


@contextmanager
def _scratch() -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="gmat-sweep-check-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _range(name: str, values: pd.Series[Any]) -> str:
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    if is_numeric_dtype(values) and not is_bool_dtype(values):
        range_, numbers = f"{values.min():.9g} to {values.max():.9g}", values.to_numpy(float)
        if not wraps(name, numbers):
            return f"{range_}, mean {values.mean():.9g}"
        mean = circular_mean(numbers)
        return range_ if math.isnan(mean) else f"{range_}, mean {mean:.9g} on the circle"
    found = values.astype(str).value_counts()
    if len(found) > 4:
        return f"{len(found)} values, such as {found.index[0]}"
    return ", ".join(f"{value} ({count} run{'s' * (count != 1)})" for value, count in found.items())
