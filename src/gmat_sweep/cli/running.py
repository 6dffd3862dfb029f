"""The commands that fly runs: new sweeps, ``resume`` and ``extend``.

A fault in the command line is an error before anything is written or started.
"""

from __future__ import annotations

import contextlib
import shlex
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmat_sweep.cli.endings import EXIT_GENERIC, EXIT_OK, EXIT_RUNS_FAILED, fail, say, tell
from gmat_sweep.cli.frame import FrameFile, FrameNotWrittenError, frame_file
from gmat_sweep.cli.inputs import existing_script, loaded_manifest, script_of
from gmat_sweep.cli.judged_flight import (
    asked_of,
    flown_and_judged,
    not_of_the_mission,
    told_verdicts,
    words_of,
)
from gmat_sweep.cli.terminated import words_at_sigterm
from gmat_sweep.disk.paths import current_folder, user_path
from gmat_sweep.errors import (
    BackendError,
    GmatSweepError,
    SweepConfigError,
    SweepStoppedError,
)
from gmat_sweep.folder.layout import MANIFEST_NAME
from gmat_sweep.limits import MOST_WORKERS, number_text, shown
from gmat_sweep.plans.notation import (
    max_failed,
    parse_backend_args,
    parse_grid,
    parse_perturb,
    read_samples,
)

if TYPE_CHECKING:
    import argparse

    from gmat_sweep.backends.base import Pool
    from gmat_sweep.cli.judged_flight import Asked
    from gmat_sweep.manifest import Manifest, ManifestEntry
    from gmat_sweep.plans import Plan
    from gmat_sweep.sweep import Sweep
    from gmat_sweep.sweep.checking import SweepCheck
    from gmat_sweep.sweep.options import SweepOptions
    from gmat_sweep.verdicts.results import Verdicts

__all__ = ["extend", "judged", "resume", "run_explicit", "run_grid", "run_random"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Execution:
    """A sweep that a command is about to run.

    Attributes
    ----------
    script : Path
        The mission script.
    folder, manifest : Path
        The sweep folder and the manifest, as the user typed them.
    run_on : callable
        Runs the sweep on a pool, with the options that all sweeps share.
    check : callable
        Says what `run_on` would do, and takes the same.
    first_run : int
        The lowest ``run_id`` that the command adds. Its exit code is about runs from this one on.
    inputs : tuple of Path
        Further files that the command reads.
    resumed : Manifest or None
        The manifest as it was before, of a sweep that is resumed or extended.
    asked : Asked or None
        What its runs are judged by.
    """

    script: Path
    folder: Path
    manifest: Path
    run_on: Callable[[Pool, SweepOptions], tuple[Sweep, Verdicts | None]]
    check: Callable[[Pool, SweepOptions], SweepCheck]
    first_run: int = 0
    inputs: tuple[Path, ...] = ()
    resumed: Manifest | None = None
    asked: Asked | None = None


def run_grid(arguments: argparse.Namespace) -> int:
    """Run every combination of a grid."""
    from gmat_sweep.plans import grid_plan

    grid = parse_grid(arguments.grid)
    return _run_plan(arguments, lambda script, folder: grid_plan(grid, script, folder))


def run_random(arguments: argparse.Namespace) -> int:
    """Run a Monte Carlo, a Latin hypercube, or a design of Sobol' or Halton."""
    from gmat_sweep.sweep.drawing import drawn_plan

    kind = arguments.command.replace("-", "_")
    perturb = parse_perturb(arguments.perturb)
    asked = asked_of(arguments)
    n = arguments.n
    if n is None:
        if asked is None or asked.max_runs is None:
            raise SweepConfigError(
                "--n: nobody says how many runs. Give --n, or fly --until-decided."
            )
        n = asked.first_size
    return _run_plan(
        arguments,
        lambda script, folder: drawn_plan(kind, perturb, n, arguments.seed, script, folder),
    )


def run_explicit(arguments: argparse.Namespace) -> int:
    """Run the rows of a table."""
    from gmat_sweep.plans import samples_plan

    path = user_path(arguments.samples, "--samples")
    samples = read_samples(path)
    return _run_plan(
        arguments,
        lambda script, folder: samples_plan(samples, script, folder),
        inputs=(path,),
    )


def resume(arguments: argparse.Namespace) -> int:
    """Run what is missing, failed or damaged."""
    return _continue(arguments, lambda sweep: sweep.resume())


def extend(arguments: argparse.Namespace) -> int:
    """Add runs to a finished Monte Carlo, or until its requirements are decided."""
    if arguments.until_decided == (arguments.n is not None):
        raise SweepConfigError(
            "--n: an extension has --n runs, or as many as it takes with --until-decided. Give one "
            "of the two."
        )
    return _continue(
        arguments,
        lambda sweep: sweep.extend(n=arguments.n, allow_failed=arguments.allow_failed),
        adds=arguments.n,
    )


def _run_plan(
    arguments: argparse.Namespace,
    make: Callable[[Path, Path], Plan],
    inputs: tuple[Path, ...] = (),
) -> int:
    from gmat_sweep.sweep.preflight import check_hook

    asked = asked_of(arguments)
    script = existing_script(arguments.script)
    folder = user_path(arguments.out, "--out")
    if asked is not None:
        asked.refuse_undeclared(script, end_state=arguments.end_state, hook=arguments.postprocess)
    plan = make(script, folder.absolute())
    if arguments.postprocess is not None:
        with _hooks_found(arguments):
            check_hook(arguments.postprocess)

    def run_on(pool: Pool, options: SweepOptions) -> tuple[Sweep, Verdicts | None]:
        from gmat_sweep.sweep import Sweep

        if asked is not None:
            asked.say_doubts(len(plan.runs))
            options = replace(options, verification=asked.record())
        sweep = Sweep.of_plan(plan, script, folder, backend=pool, options=options)
        return sweep, flown_and_judged(sweep, asked, lambda new: new.run())

    def check(pool: Pool, options: SweepOptions) -> SweepCheck:
        from gmat_sweep.sweep.checking import checked_plan, workers_of

        found = checked_plan(
            plan,
            script,
            folder,
            options=options,
            workers=workers_of(pool),
            seed_is_drawn=getattr(arguments, "seed", None) is None,
        )
        return found if asked is None else replace(found, judged=asked.lines(len(plan.runs)))

    return _execute(
        arguments,
        _Execution(
            script=script,
            folder=folder,
            manifest=folder / MANIFEST_NAME,
            run_on=run_on,
            check=check,
            inputs=inputs,
            asked=asked,
        ),
    )


def _continue(
    arguments: argparse.Namespace, go_on: Callable[[Sweep], Sweep], *, adds: int | None = None
) -> int:
    from gmat_sweep.cli.show import sweep_folder
    from gmat_sweep.plans import planned_count, recorded_count

    asked = asked_of(arguments) if arguments.command == "extend" else None
    manifest = loaded_manifest(arguments.manifest)
    path = user_path(arguments.manifest, "manifest")
    named = None if arguments.out is None else user_path(arguments.out, "--out").resolve()
    drift = arguments.allow_script_drift
    script = script_of(arguments.script, manifest, named, allow_drift=drift)

    def rebuilt(pool: Pool, options: SweepOptions) -> Sweep:
        from gmat_sweep.sweep import Sweep

        return Sweep.from_manifest(
            path,
            # A recorded script has to be trusted where somebody else recorded it.
            None if arguments.script is None else script,
            backend=pool,
            output_dir=named,
            **options.to_go_on(),
        )

    def check(pool: Pool, options: SweepOptions) -> SweepCheck:
        from gmat_sweep.sweep.checking import checked_continuation

        more, planned = adds, planned_count(manifest)
        if asked is not None and asked.max_runs is not None and recorded_count(manifest) == planned:
            more = max(1, min(asked.first_size, asked.max_runs - planned))
        found = checked_continuation(
            rebuilt(pool, options),
            more,
            named_hook=arguments.postprocess,
            script_named=arguments.script is not None,
        )
        return found if asked is None else replace(found, judged=asked.lines(planned))

    def run_on(pool: Pool, options: SweepOptions) -> tuple[Sweep, Verdicts | None]:
        sweep = rebuilt(pool, options)
        allow = asked is not None and arguments.allow_failed
        return sweep, flown_and_judged(sweep, asked, go_on, allow_failed=allow)

    return _execute(
        arguments,
        _Execution(
            script=script,
            folder=named or sweep_folder(manifest, path),
            manifest=path,
            run_on=run_on,
            check=check,
            first_run=0 if adds is None else planned_count(manifest),
            resumed=manifest,
            asked=asked,
        ),
    )


def _execute(arguments: argparse.Namespace, execution: _Execution) -> int:
    from gmat_sweep.analysis.outcomes import unconverged_line
    from gmat_sweep.cli.show import summary_line

    if arguments.max_failed is not None:
        max_failed(arguments.max_failed, 0)
    if arguments.draws is not None and not arguments.dry_run:
        raise SweepConfigError("--draws requires --dry-run. Add --dry-run.")
    options = _options(arguments)
    frame = frame_file(
        arguments.frame,
        arguments.name,
        execution.script,
        execution.manifest.parent,
        execution.inputs,
        end_state=options.end_state,
    )
    if arguments.dry_run:
        from gmat_sweep.cli.dry_run import told_check

        # The pool is made, so that its options are checked, and not opened.
        with _hooks_found(arguments, execution.resumed):
            found = execution.check(_pool(arguments), options)
        return told_check(found, arguments.draws)
    try:
        with (
            words_at_sigterm(partial(_say_how_to_go_on, arguments, execution)),
            _hooks_found(arguments, execution.resumed),
            _pool(arguments) as pool,
        ):
            sweep, verdicts = execution.run_on(pool, options)
    except (KeyboardInterrupt, SweepStoppedError):
        _say_how_to_go_on(arguments, execution)
        raise
    entries = sweep.to_manifest().entries
    tell(summary_line(entries, execution.folder))
    # Otherwise the sweep has said it, below its progress bar.
    if arguments.quiet and (line := unconverged_line(entries)):
        say(line)
    written = frame is None or _write(frame, sweep)
    flown = [entry for entry in entries if entry.run_id >= execution.first_run]
    code = judged(flown, arguments.max_failed, execution.manifest, outcomes=verdicts is not None)
    if verdicts is not None:
        code = told_verdicts(verdicts, code)
    return code if written or code != EXIT_OK else EXIT_GENERIC


def _options(arguments: argparse.Namespace) -> SweepOptions:
    from gmat_sweep.sweep.options import SweepOptions

    goes_on = arguments.command in {"resume", "extend"}
    return SweepOptions(
        progress=not arguments.quiet,
        fsync_each=arguments.fsync_each,
        fsync_batch=arguments.fsync_batch,
        timeout=arguments.timeout,
        retries=arguments.retries,
        memory_limit=arguments.memory_limit,
        postprocess=arguments.postprocess,
        end_state=goes_on or arguments.end_state,
        nominal=not goes_on and arguments.nominal,
        unconverged=arguments.unconverged,
        allow_script_drift=goes_on and arguments.allow_script_drift,
        trust_hook=goes_on and arguments.trust_hook,
    )


def _pool(arguments: argparse.Namespace) -> Pool:
    from gmat_sweep.backends import LocalJoblibPool, ProcessPoolExecutorPool

    if arguments.workers != -1 and not 1 <= arguments.workers <= MOST_WORKERS:
        raise SweepConfigError(
            f"--workers {number_text(arguments.workers)} is no number of workers. Give one from 1 "
            f"to {MOST_WORKERS}, or -1 for one per core."
        )
    options = parse_backend_args(arguments.backend_arg)
    if arguments.backend in {"dask", "ray"}:
        return _cluster_pool(arguments.backend, arguments.workers, options)
    if options:
        raise SweepConfigError(
            f"--backend-arg is not supported with --backend {arguments.backend}. Leave it out."
        )
    kind = LocalJoblibPool if arguments.backend == "local" else ProcessPoolExecutorPool
    return kind(max_workers=arguments.workers)


def _cluster_pool(backend: str, workers: int, options: dict[str, Any]) -> Pool:
    """Make a pool on a cluster; ``cluster_kwargs.queue=short`` sets one key of that mapping.

    Raises
    ------
    BackendError
        The pool takes no such option, or not with that value.
    SweepConfigError
        Two options set the same thing.
    """
    from gmat_sweep.backends.dask import DaskPool
    from gmat_sweep.backends.ray import RayPool

    keywords: dict[str, Any] = {name: value for name, value in options.items() if "." not in name}
    for name, value in options.items():
        mapping, dot, key = name.partition(".")
        if not dot:
            continue
        if not mapping or not key:
            raise SweepConfigError(
                f"--backend-arg {shown(name)} names no key of a mapping. Write NAME.KEY=VALUE."
            )
        named = keywords.setdefault(mapping, {})
        if not isinstance(named, dict):
            raise SweepConfigError(
                f"--backend-arg {mapping}={named} is no mapping, and {name} sets a key of one. "
                "Leave one of them out."
            )
        if key in named:
            raise SweepConfigError(f"--backend-arg {name!r} is given more than once. Give it once.")
        named[key] = value
    counted = "n_workers" if backend == "dask" else "num_cpus"
    if workers > 0:
        if counted in keywords:
            raise SweepConfigError(
                f"--workers and --backend-arg {counted} are given, and mean the same. Leave one of "
                "them out."
            )
        keywords[counted] = workers
    try:
        return DaskPool(**keywords) if backend == "dask" else RayPool(**keywords)
    except TypeError as error:
        raise BackendError(
            f"--backend-arg does not fit --backend {backend}: {error}. See `docs/clusters.md` for "
            "what it takes."
        ) from error


def _write(frame: FrameFile, sweep: Sweep) -> bool:
    """Write the frame, and print where it is or why there is none; return whether it is there."""
    try:
        frame.write(sweep)
    except FrameNotWrittenError as error:
        say(str(error))
        return False
    tell(f"frame: {frame.path}")
    return True


def judged(
    entries: list[ManifestEntry], allowed: str | None, manifest: Path, *, outcomes: bool = False
) -> int:
    """Print the runs that failed, and return the exit code.

    With `outcomes`, runs that failed in the mission are outcomes, by which requirements are judged:
    they are printed, and do not count.
    """
    from gmat_sweep.analysis.outcomes import failure_notes
    from gmat_sweep.cli.show import failure_lines

    failed = sum(entry.status == "failed" for entry in entries)
    if not failed:
        return EXIT_OK
    for line in failure_lines(entries):
        say(f"failed: {line}")
    for note in failure_notes(entries):
        say(note)
    say(f"see `gmat-sweep show {shlex.quote(str(manifest))} --detail`")
    if outcomes:
        failed = sum(entry.status == "failed" for entry in not_of_the_mission(entries))
    if failed == len(entries):
        return fail("every run failed", EXIT_RUNS_FAILED)
    if allowed is not None and failed > max_failed(allowed, len(entries)):
        return fail(f"{failed} runs failed, more than --max-failed {allowed}", EXIT_RUNS_FAILED)
    return EXIT_OK


def _say_how_to_go_on(arguments: argparse.Namespace, execution: _Execution) -> None:
    from gmat_sweep.manifest import Manifest
    from gmat_sweep.plans import planned_count, recorded_count

    try:
        manifest = Manifest.load(execution.manifest)
    except (OSError, GmatSweepError):
        return
    recorded, planned = recorded_count(manifest), planned_count(manifest)
    print(file=sys.stderr)
    if execution.asked is not None and execution.asked.max_runs is not None:
        command = _again(arguments, execution.manifest)
        say(f"{recorded} runs are recorded; go on with `{command}`")
        return
    if arguments.command == "extend" and planned == execution.first_run:
        say(f"no run of the extension is recorded; start it again with `{_again(arguments)}`")
    elif recorded == planned:
        say(f"all {recorded} runs are recorded")
    else:
        command = _again(arguments, execution.manifest)
        say(f"{recorded} of {planned} runs are recorded; go on with `{command}`")


def _again(arguments: argparse.Namespace, to_resume: Path | None = None) -> str:
    """Return the command that resumes a manifest, or the extension once more."""
    from gmat_sweep.sweep.recorded_script import no_option

    words = ["gmat-sweep"]
    if getattr(arguments, "until_decided", False):
        words += ["extend", no_option(to_resume or arguments.manifest), *words_of(arguments)]
    elif to_resume is not None:
        words += ["resume", no_option(to_resume)]
    else:
        words += ["extend", no_option(arguments.manifest), "--n", str(arguments.n)]
        if arguments.requirements is not None:
            words += words_of(arguments)
    if words[1] == "extend" and arguments.command == "extend" and arguments.allow_failed:
        words.append("--allow-failed")
    # Without a script the manifest names it.
    if arguments.script is not None:
        words += ["--script", no_option(arguments.script)]
    if arguments.command in {"resume", "extend"}:
        if arguments.out is not None:
            words += ["--out", no_option(arguments.out)]
        if arguments.allow_script_drift:
            words.append("--allow-script-drift")
        if arguments.postprocess is not None:
            words += ["--postprocess", arguments.postprocess]
        if arguments.trust_hook:
            words.append("--trust-hook")
        if arguments.unconverged != "ok":
            words += ["--unconverged", arguments.unconverged]
    return shlex.join(words)


@contextlib.contextmanager
def _hooks_found(arguments: argparse.Namespace, resumed: Manifest | None = None) -> Iterator[None]:
    """Have the hook looked for where the user says: here if typed here, else as recorded.

    No other module comes from the current folder, which may be that of somebody else.
    """
    from gmat_sweep.import_places import hooks_from
    from gmat_sweep.sweep.trust import recorded_hook_folder

    folder = None
    if arguments.postprocess is not None:
        folder = current_folder()
    elif resumed is not None:
        folder = recorded_hook_folder(resumed, trusted=arguments.trust_hook)
    with contextlib.nullcontext() if folder is None else hooks_from(folder):
        yield
