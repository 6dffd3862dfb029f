"""`Sweep`: runs, a pool and a manifest in one object that can run, resume and read.

The flow ``gmat-sweep`` executes every run of a sweep. Every outcome is in the manifest before it is
counted.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmat_sweep.analysis.outcomes import unconverged_line
from gmat_sweep.console import say
from gmat_sweep.disk.paths import absolute_path
from gmat_sweep.folder.attempts import refuse_linked_sweep, shared_folders
from gmat_sweep.folder.layout import MANIFEST_NAME
from gmat_sweep.folder.packed import refuse_packed
from gmat_sweep.folder.run_seal import keep_header
from gmat_sweep.lazy_runs import listed
from gmat_sweep.manifest import Manifest
from gmat_sweep.manifest.values import plain_int
from gmat_sweep.mission.script import script_digest
from gmat_sweep.mission.watching import MissionWatch
from gmat_sweep.plans import (
    kind_of,
    parameter_spec_from_runs,
    rebuild_runs,
)
from gmat_sweep.plans.nominal import has_nominal, with_nominal
from gmat_sweep.printable import one_line
from gmat_sweep.sweep.checked_runs import checked_runs
from gmat_sweep.sweep.current_settings import refuse_settings_of_a_strangers_folder
from gmat_sweep.sweep.header import new_header
from gmat_sweep.sweep.interrupts import interrupts_as_themselves
from gmat_sweep.sweep.options import SweepOptions
from gmat_sweep.sweep.pool_checks import check_debug, check_isolation, check_limits
from gmat_sweep.sweep.preflight import (
    check_folder,
    nothing_left_if_refused,
    prepare_missions,
)
from gmat_sweep.sweep.recorded_script import named_or_recorded
from gmat_sweep.sweep.results import SweepResults
from gmat_sweep.sweep.resuming import (
    END_STATE_KEY,
    check_drift,
    check_drift_again,
    existing_folder,
    facts_of_pass,
    mission_facts,
    planned_extension,
    recorded_unconverged,
    runs_to_repeat,
    watch_of,
    with_context,
)
from gmat_sweep.sweep.stages import one_pass, prefect_starting, stage, warmed_up
from gmat_sweep.sweep.trust import check_named_hook, check_trust, show_hooks

if TYPE_CHECKING:
    from gmat_sweep.backends.base import Pool
    from gmat_sweep.engine import Engine
    from gmat_sweep.flow.job import Listener
    from gmat_sweep.flow.sweep_flow import SweepReport
    from gmat_sweep.plans import Plan
    from gmat_sweep.spec import RunOutcome, RunSpec, Unconverged

__all__ = ["Sweep"]


class Sweep(SweepResults):
    """A list of runs bound to a pool, a manifest and a folder.

    Parameters
    ----------
    runs : iterable of RunSpec
        What to run. ``run_id`` must be unique. An iterator is read to its end at once, not while
        the runs are flown: ids, hooks, values and the types of fields are checked over all runs
        before the first, and the manifest's header needs the last one too.
    backend : Pool
        Where to run. The caller closes it.
    manifest_path : Path
        The manifest to write.
    output_dir : Path
        The sweep folder: relative paths in the manifest are relative to it.
    script_path : Path
        The mission script, whose hash the manifest records.
    parameter_spec : mapping, optional
        The fields that vary and how, as the manifest header records them; made from `runs` by
        default.
    sweep_seed : int, optional
        Recorded in the manifest.
    progress : bool
        Whether to draw a progress bar on standard error.
    allow_unisolated_pool : bool
        Whether a pool that runs in the calling process is accepted.
    fsync_each : bool
        Whether each manifest line is on disk before the next run is counted.
    fsync_batch : int
        Without `fsync_each`, the number of lines from one fsync of the manifest to the next.
    expected_run_count : int, optional
        Number of runs; needed if `runs` is an iterator, which must then give as many.
    postprocess : str, optional
        Import path ``"package.module:function"`` of a hook called after each successful run.
    timeout : float, optional
        Seconds a run may take before its worker is killed and the run fails.
    retries : int
        How often a run is tried again after an infrastructure fault: a crashed or killed worker,
        an error of the operating system. A run that GMAT refuses, or that takes longer than
        `timeout` or more than `memory_limit`, is not tried again.
    memory_limit : int or str, optional
        How much memory a run may need before its worker is killed and the run fails: bytes, or
        text such as ``"2 GiB"`` or ``"500 MB"``.
    nominal : bool
        Whether the mission flies undispersed as well, as run -1.
    end_state : bool
        Whether a mission that reports nothing gets a report of its end state.
    unconverged : {"ok", "failed"}
        The status of a run that has a solver which did not converge.
    verification : dict, optional
        The requirements and the plan by which the sweep will be judged, from
        `gmat_sweep.verdicts.chosen.verification_record`; kept in the manifest's header.

    Attributes
    ----------
    runs, backend, manifest_path, output_dir, script_path, parameter_spec, sweep_seed
        As given, with absolute paths and a sequence of runs.
    options : SweepOptions
        How runs are run: all other parameters.
    last_pass : SweepReport or None
        The result of the last pass over the runs, and its flow run.

    Raises
    ------
    BackendError
        The pool does not isolate GMAT in worker processes.
    SweepConfigError
        The arguments cannot make a sweep.
    """

    def __init__(
        self,
        *,
        runs: Sequence[RunSpec] | Iterable[RunSpec],
        backend: Pool,
        manifest_path: str | Path,
        output_dir: str | Path,
        script_path: str | Path,
        parameter_spec: Mapping[str, Any] | None = None,
        sweep_seed: int | None = None,
        progress: bool = True,
        allow_unisolated_pool: bool = False,
        fsync_each: bool = True,
        fsync_batch: int = 50,
        expected_run_count: int | None = None,
        postprocess: str | None = None,
        timeout: float | None = None,
        retries: int = 1,
        memory_limit: int | str | None = None,
        end_state: bool = True,
        nominal: bool = False,
        unconverged: Unconverged = "ok",
        verification: dict[str, Any] | None = None,
    ) -> None:
        check_isolation(backend, allow_unisolated_pool)
        self.options = SweepOptions(
            progress=progress,
            fsync_each=fsync_each,
            fsync_batch=fsync_batch,
            timeout=timeout,
            retries=retries,
            memory_limit=memory_limit,
            postprocess=postprocess,
            end_state=end_state,
            nominal=nominal,
            unconverged=unconverged,
            verification=verification,
            allow_unisolated_pool=allow_unisolated_pool,
        )
        check_limits(backend, self.options)
        check_debug(backend, runs)
        self.runs = listed(runs, expected_run_count, parameter_spec)
        self.backend = backend
        self.manifest_path = absolute_path(manifest_path, "manifest_path")
        self.output_dir = absolute_path(output_dir, "output_dir")
        self.script_path = absolute_path(script_path, "script_path")
        self.parameter_spec = dict(
            parameter_spec if parameter_spec is not None else parameter_spec_from_runs(self.runs)
        )
        self.sweep_seed = None if sweep_seed is None else plain_int(sweep_seed, "sweep_seed")
        self.last_pass: SweepReport | None = None
        self._given_spec = parameter_spec is not None
        self._manifest: Manifest | None = None
        self._from_manifest = False
        self._is_under_way = False
        self._watch = MissionWatch()
        self._context_provider: Callable[[int], dict[str, Any]] | None = None
        # The hook that the caller of a resume names: it may be called, whoever wrote the manifest.
        self._named_hook: str | None = None
        self._named_script = True

    @classmethod
    def of_plan(
        cls, plan: Plan, script: Path, folder: Path, *, backend: Pool, options: SweepOptions
    ) -> Sweep:
        """Return the sweep that a plan describes, with its manifest in the sweep folder.

        Parameters
        ----------
        plan : Plan
            The runs, and the record that the manifest keeps of them.
        script, folder : Path
            The mission script and the sweep folder.
        backend : Pool
            Where to run.
        options : SweepOptions
            How to run.

        Raises
        ------
        BackendError, SweepConfigError
            As for the constructor.
        """
        return cls(
            runs=plan.runs,
            backend=backend,
            manifest_path=folder / MANIFEST_NAME,
            output_dir=folder,
            script_path=script,
            parameter_spec=plan.parameter_spec,
            sweep_seed=plan.seed,
            **options.to_start(),
        )

    def run(self) -> Sweep:
        """Run everything and return self.

        The header is on disk before the first run starts, and each outcome's line before the
        outcome counts. An interruption leaves a manifest that `resume` continues.

        Raises
        ------
        SweepConfigError
            The folder holds a sweep already, the script cannot be parsed or lacks a resource, an
            override does not fit, a value cannot be recorded. No run has been started.
        SweepFolderInUseError
            Another process is writing to the folder.
        """
        with interrupts_as_themselves():
            self._run(None)
        return self

    def iter_outcomes(self) -> Iterator[tuple[RunSpec, RunOutcome]]:
        """Run everything, yielding each run with its outcome once it is recorded.

        Runs go on in the background, but an outcome is recorded only when the caller asks for the
        next one. A generator that is closed early leaves a manifest of exactly the runs that it
        yielded, which `resume` continues.

        Yields
        ------
        tuple of (RunSpec, RunOutcome)
            In completion order; the spec as it was dispatched.

        Raises
        ------
        SweepConfigError, SweepFolderInUseError
            As for `run`, on the first step.
        """
        from gmat_sweep.backends.on_demand import on_demand
        from gmat_sweep.flow.handover import handed_over

        yield from handed_over(self._run, on_demand(self.backend).interrupt)

    def _run(self, listener: Listener | None) -> None:
        runs = checked_runs(self._flown, self.options)
        script_digest(self.script_path)
        with nothing_left_if_refused(self.manifest_path, *self._folders):
            self._run_anew(runs, listener)

    def _run_anew(self, runs: Sequence[RunSpec], listener: Listener | None) -> None:
        from gmat_sweep.flow.server import wait_for_local_server

        check_folder(self.output_dir, self.manifest_path)
        with one_pass(*self._folders):
            engine = self._warm_up()
            prepared, facts = self._prepared(runs, runs)
            with stage("waiting for the Prefect server", is_told=self.options.progress):
                wait_for_local_server()
            check_folder(self.output_dir, self.manifest_path)
            manifest = new_header(
                self.runs,
                self.parameter_spec,
                is_explicit=not self._given_spec,
                seed=self.sweep_seed,
                script=self.script_path,
                digest=script_digest(self.script_path),
                folder=self.output_dir,
                backend=type(self.backend).__name__,
                engine=engine,
                options=self.options,
                facts=facts,
            )
            manifest.save(self.manifest_path)
            self._manifest = manifest
            self._execute(prepared, len(runs), "run", listener)

    @classmethod
    def from_manifest(
        cls,
        manifest_path: str | Path,
        script_path: str | Path | None = None,
        *,
        backend: Pool,
        output_dir: str | Path | None = None,
        allow_script_drift: bool = False,
        context_provider: Callable[[int], dict[str, Any]] | None = None,
        progress: bool = True,
        fsync_each: bool = True,
        fsync_batch: int = 50,
        timeout: float | None = None,
        retries: int = 1,
        memory_limit: int | str | None = None,
        postprocess: str | None = None,
        unconverged: Unconverged = "ok",
        trust_hook: bool = False,
    ) -> Sweep:
        """Rebuild a sweep from the manifest of an earlier one, to `resume` it.

        Parameters
        ----------
        manifest_path : str or Path
            The manifest.
        script_path : str or Path, optional
            The mission script; its hash must be the one recorded. By default the script that the
            manifest names, which has to be trusted where somebody else wrote the manifest.
        backend : Pool
            Where to run.
        output_dir : str or Path, optional
            The sweep folder; by default the one the manifest names, or else its own. Runs that are
            flown now write there. The files of finished runs may stay where they are.
        allow_script_drift : bool
            Whether a changed script is accepted, with a RuntimeWarning.
        context_provider : callable, optional
            Returns the hook's context for a run id that has no entry in the manifest, those of an
            extension included. Without it such runs get the header's context.
        progress, fsync_each, fsync_batch, timeout, retries, memory_limit
            As for the constructor.
        postprocess : str, optional
            The manifest's hook, named again; it must be the same one. `resume` and `extend` call
            the hook of a manifest that another user or another machine wrote only with this or
            with `trust_hook`.
        unconverged : {"ok", "failed"}
            As for the constructor, for the runs that are flown now. A sweep that was begun with
            ``"failed"`` keeps it.
        trust_hook : bool
            Whether to trust all that such a manifest names: its hooks, and the scripts and folders
            of hand-made runs.

        Raises
        ------
        SweepConfigError
            The folder does not exist, the script is not found or has changed, the header cannot
            be understood, or `postprocess` is not the manifest's.
        ManifestCorruptError
            The manifest cannot be read.
        """
        path = absolute_path(manifest_path, "manifest_path").resolve()
        folder = existing_folder(
            path.parent if output_dir is None else absolute_path(output_dir, "output_dir").resolve()
        )
        manifest = Manifest.load(path)
        if output_dir is None and manifest.output_dir is not None:
            folder = existing_folder(manifest.output_dir)
        manifest.fsync_each, manifest.fsync_batch = fsync_each, fsync_batch
        script = named_or_recorded(script_path, manifest, folder, allow_drift=allow_script_drift)
        check_drift(script, manifest, allow=allow_script_drift)
        runs = with_context(rebuild_runs(manifest, script, folder), manifest, context_provider)
        check_named_hook(postprocess, manifest, runs)
        sweep = cls(
            runs=runs,
            backend=backend,
            manifest_path=path,
            output_dir=folder,
            script_path=script,
            parameter_spec=manifest.parameter_spec,
            sweep_seed=manifest.sweep_seed,
            progress=progress,
            fsync_each=fsync_each,
            fsync_batch=fsync_batch,
            postprocess=manifest.postprocess,
            timeout=timeout,
            retries=retries,
            memory_limit=memory_limit,
            unconverged=recorded_unconverged(manifest, unconverged),
        )
        sweep.options = replace(
            sweep.options,
            allow_script_drift=allow_script_drift,
            trust_hook=trust_hook,
            end_state=END_STATE_KEY in manifest.extra,
            nominal=has_nominal(manifest),
        )
        sweep._manifest = manifest
        sweep._from_manifest = True
        sweep._context_provider = context_provider
        sweep._named_hook = postprocess
        sweep._named_script = script_path is not None
        return sweep

    def rebuilt(self, context_provider: Callable[[int], dict[str, Any]] | None = None) -> Sweep:
        """Return a sweep that has run as `from_manifest` gives it; self if it came from there."""
        if self._from_manifest:
            return self
        return Sweep.from_manifest(
            self.manifest_path,
            self.script_path,
            backend=self.backend,
            output_dir=self.output_dir,
            context_provider=context_provider,
            **self.options.to_go_on(),
        )

    def resume(self, *, leave: Container[int] = ()) -> Sweep:
        """Run what is missing, failed or damaged, in ascending ``run_id``, and return self.

        An ``ok`` run is damaged if its files are gone or are no longer as they were recorded. Runs
        of `leave` are not flown again.

        Raises
        ------
        RuntimeError
            The sweep does not come from `from_manifest`.
        SweepConfigError
            The manifest is from another user or machine and names code that is not trusted.
        """
        self._check_from_manifest("resume")
        with interrupts_as_themselves(), one_pass(*self._folders):
            refuse_packed(self.manifest_path.parent, "a resume")
            manifest = self._loaded()
            wanted = runs_to_repeat(manifest, self._flown, self.output_dir)
            every_run = checked_runs(self._flown, self.options)
            runs = [
                replace(run, run_options={**run.run_options, "overwrite": True})
                for run in sorted(every_run, key=lambda run: run.run_id)
                if run.run_id in wanted and run.run_id not in leave
            ]
            if runs:
                engine = self._warm_up()
                prepared, _ = self._prepared(runs, every_run)
                check_drift_again(self.script_path, manifest, self.options)
                facts = facts_of_pass(manifest, self.script_path, engine.version, len(self.runs))
                self._execute(prepared, len(runs), "resume", entry_facts=facts)
        return self

    def extend(self, *, n: int, allow_failed: bool = False, whole: Container[int] = ()) -> Sweep:
        """Add `n` runs to a finished Monte Carlo sweep and return self.

        The sweep then equals a fresh one of the larger size with the same seed, bit for bit. Runs
        that failed in the mission are finished, because they would fail again. Any other failed run
        is refused without `allow_failed`: a resume would tell what becomes of it. The files of runs
        of `whole` are not looked at: the caller knows that they are as they were recorded.

        Raises
        ------
        RuntimeError
            The sweep does not come from `from_manifest`.
        SweepConfigError
            The sweep is no Monte Carlo or is not complete, `n` is below 1, or as for `resume`.
        """
        self._check_from_manifest("extend")
        with interrupts_as_themselves(), one_pass(*self._folders):
            refuse_packed(self.manifest_path.parent, "an extension")
            manifest = self._loaded()
            added = with_context(
                planned_extension(
                    manifest,
                    self.runs,
                    n,
                    self.script_path,
                    self.output_dir,
                    allow_failed=allow_failed,
                    whole=whole,
                ),
                manifest,
                self._context_provider,
            )
            self.runs = [*self.runs, *added]
            ids = {run.run_id for run in added}
            runs = [
                # A killed extension without an entry may have left files in the folders of these.
                replace(run, run_options={**run.run_options, "overwrite": True})
                for run in checked_runs(self.runs, self.options)
                if run.run_id in ids
            ]
            engine = self._warm_up()
            prepared, _ = self._prepared(runs, runs)
            check_drift_again(self.script_path, manifest, self.options)
            facts = facts_of_pass(manifest, self.script_path, engine.version, len(self.runs))
            self._execute(prepared, len(runs), "extend", entry_facts=facts)
        return self

    @property
    def _flown(self) -> Sequence[RunSpec]:
        """The runs, with the nominal one where the sweep has it."""
        if not self.options.nominal:
            return self.runs
        return with_nominal(self.runs, self.script_path, self.output_dir)

    @property
    def _folders(self) -> tuple[Path, Path]:
        """The folders that the sweep writes to: the manifest's, and the one with the runs."""
        return self.manifest_path.parent, self.output_dir

    def _check_from_manifest(self, what: str) -> None:
        if self._manifest is None or not self._from_manifest:
            raise RuntimeError(f"{what}() needs a sweep made by Sweep.from_manifest().")
        check_trust(
            self._manifest,
            self.runs,
            self.script_path,
            self.output_dir,
            named=self._named_hook,
            script_named=self._named_script,
            trusted=self.options.trust_hook,
        )
        if self.options.progress:
            show_hooks(self._manifest, self.runs)

    def _warm_up(self) -> Engine:
        refuse_settings_of_a_strangers_folder()
        return warmed_up(self.backend, is_told=self.options.progress)

    def _prepared(
        self, runs: Iterable[RunSpec], every_run: Sequence[RunSpec]
    ) -> tuple[Iterator[RunSpec], dict[str, Any]]:
        """Check each script and its fields on the engine, and begin to watch their files.

        Return `runs` with the scripts to fly, and what the manifest's header says about them.
        """
        elsewhere = kind_of(self.parameter_spec) == "explicit"
        refuse_linked_sweep(self.manifest_path, self.output_dir, runs, elsewhere=elsewhere)
        is_told = self.options.progress
        with prefect_starting(is_told=is_told), stage("loading the mission", is_told=is_told):
            missions = prepare_missions(
                every_run,
                self.output_dir,
                self.backend,
                memory_limit=self.options.memory_limit_bytes,
                end_state=self.options.end_state,
            )
        mission = missions.get(self.script_path)
        facts = mission_facts(self.script_path, self.output_dir, mission, self.parameter_spec)
        flown = [prepared.runnable for prepared in missions.values()]
        self._watch = watch_of(flown, self.script_path, facts)
        return (replace(run, script_path=missions[run.script_path].runnable) for run in runs), facts

    def _execute(
        self,
        runs: Iterable[RunSpec],
        count: int,
        action: str,
        listener: Listener | None = None,
        entry_facts: dict[str, Any] | None = None,
    ) -> None:
        from gmat_sweep.flow.job import SweepJob
        from gmat_sweep.flow.sweep_flow import run_job

        keep_header(self.manifest_path)
        job = SweepJob(
            specs=runs,
            count=count,
            pool=self.backend,
            manifest=self.to_manifest(),
            manifest_path=self.manifest_path,
            folder=self.output_dir,
            mission=self.script_path,
            kind=kind_of(self.parameter_spec),
            action=action,
            options=self.options,
            entry_facts=entry_facts or {},
            shared_folders=shared_folders(self._flown, *self._folders),
            listener=listener,
            watch=self._watch,
        )
        # During the pass only the job's manifest knows which entries are in the file alone.
        self._is_under_way = True
        try:
            self.last_pass = run_job(job)
        finally:
            self._is_under_way = False
        if not self.options.progress:
            return
        if line := unconverged_line(Manifest.outline(self.manifest_path).latest().values()):
            say(one_line(line))
