"""``gmat-sweep study run | check | schema``."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from gmat_sweep.cli.dry_run import told_check
from gmat_sweep.cli.endings import EXIT_OK, say, tell
from gmat_sweep.cli.judged_flight import told_verdicts
from gmat_sweep.cli.running import judged
from gmat_sweep.disk.files import write_file
from gmat_sweep.disk.paths import user_path
from gmat_sweep.folder.layout import MANIFEST_NAME

if TYPE_CHECKING:
    import argparse

__all__ = ["init", "study"]


def init(arguments: argparse.Namespace) -> int:
    """Write an example mission, a study of it and its deployment, and say how to go on."""
    from gmat_sweep.study.starting import begin

    folder = user_path(arguments.folder, "folder")
    for path in begin(folder):
        tell(str(path))
    word = shlex.quote(str(folder / "study.toml"))
    say("go on with")
    say(f"  gmat-sweep study check {word}   what it would do, from one trial run")
    say(f"  gmat-sweep study run {word}     fly it")
    there = "" if folder == Path() else f"cd {shlex.quote(str(folder))} && "
    say(f"  {there}prefect deploy --all   deploy it; prefect.yaml says what has to run before")
    return EXIT_OK


def study(arguments: argparse.Namespace) -> int:
    """Fly a study, check it, or print the schema of its file."""
    return {"run": _run, "check": _check, "schema": _schema}[arguments.what](arguments)


def _run(arguments: argparse.Namespace) -> int:
    from gmat_sweep.cli.show import summary_line
    from gmat_sweep.plans.notation import max_failed
    from gmat_sweep.study.judging import flown_and_judged
    from gmat_sweep.study.planning import planned_study
    from gmat_sweep.sweep import Sweep

    planned = planned_study(
        arguments.file,
        n=arguments.n,
        seed=arguments.seed,
        out=arguments.out,
        nominal=arguments.nominal,
        workers=arguments.workers,
        requirements=arguments.requirements,
        plan=arguments.plan,
        max_runs=arguments.max_runs,
        batch=arguments.batch,
    )
    allowed = planned.study.run.max_failed
    if allowed is not None:
        max_failed(allowed, 0, "run.max_failed")
    options = planned.options(progress=not arguments.quiet)
    with planned.pool() as pool:
        place = (planned.script, planned.folder)
        sweep = Sweep.of_plan(planned.plan, *place, backend=pool, options=options)
        verdicts = flown_and_judged(sweep, planned.study, planned.requirements)
    entries = sweep.to_manifest().entries
    shown = planned.folder if arguments.out is None else user_path(arguments.out, "--out")
    tell(summary_line(entries, shown))
    manifest = planned.folder / MANIFEST_NAME
    code = judged(entries, allowed, manifest, outcomes=verdicts is not None)
    return code if verdicts is None else told_verdicts(verdicts, code)


def _check(arguments: argparse.Namespace) -> int:
    from gmat_sweep.study.checking import checked_study

    names = ("n", "seed", "out", "nominal", "requirements", "plan", "max_runs", "batch")
    overrides = {name: getattr(arguments, name) for name in names}
    found = checked_study(arguments.file, **overrides, workers=arguments.workers)
    return told_check(found, arguments.draws)


def _schema(arguments: argparse.Namespace) -> int:
    from gmat_sweep.study import study_schema

    text = json.dumps(study_schema(), indent=2) + "\n"
    if arguments.out is None:
        tell(text.rstrip("\n"))
    else:
        write_file(user_path(arguments.out, "--out"), text.encode())
    return EXIT_OK
