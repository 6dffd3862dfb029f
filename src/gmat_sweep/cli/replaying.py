"""The command that writes the scripts of runs, and flies one again: replay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gmat_sweep.cli.endings import EXIT_DAMAGED, EXIT_OK, say, tell
from gmat_sweep.cli.inputs import loaded_manifest, manifest_in
from gmat_sweep.disk.paths import absolute_path, user_path
from gmat_sweep.errors import SweepConfigError

if TYPE_CHECKING:
    import argparse

    from gmat_sweep.verdicts.requirement import Requirements

__all__ = ["replay"]

_MOST_VIOLATING = 20


def replay(arguments: argparse.Namespace) -> int:
    """Write the script that a run flew, with all that it needs; or fly one and compare."""
    from gmat_sweep.sweep.replaying import replay_run, replay_worst

    if arguments.check:
        return _check(arguments)
    for name in ("no_hook", "trust_hook"):
        if getattr(arguments, name):
            option = name.replace("_", "-")
            raise SweepConfigError(f"--{option} is for --check alone. Leave it out.")
    place = manifest_in(arguments.place)
    loaded_manifest(place)
    requirements = _requirements(arguments, place)
    if arguments.run is not None:
        script = replay_run(
            place,
            arguments.run,
            arguments.out or f"replay-{arguments.run}",
            script=arguments.script,
            allow_script_drift=arguments.allow_script_drift,
            requirements=requirements,
            requirement=arguments.requirement,
        )
        tell(f"script: {script}")
        return EXIT_OK
    assert requirements is not None
    written = replay_worst(
        place,
        requirements,
        arguments.requirement,
        worst=_MOST_VIOLATING if arguments.violating else arguments.worst,
        violating=arguments.violating,
        out=arguments.out or "replay",
        script=arguments.script,
        allow_script_drift=arguments.allow_script_drift,
    )
    for each in written:
        tell(f"run {each.run_id}: {each.why}")
        tell(f"script: {each.script}")
    if not written:
        say(f"no run violates {arguments.requirement}, so nothing was written")
    elif arguments.violating and len(written) == _MOST_VIOLATING:
        say(f"these are the {_MOST_VIOLATING} worst: --worst K writes more")
    return EXIT_OK


def _requirements(arguments: argparse.Namespace, place: str) -> Requirements | None:
    """Return the requirements of the command; None if it names none."""
    from gmat_sweep.cli.verify import requirements_in_file
    from gmat_sweep.verdicts.worst import judged_requirements

    if arguments.requirement is None:
        if arguments.run is None or arguments.requirements is not None:
            raise SweepConfigError("say with --requirement NAME which requirement is meant.")
        return None
    if arguments.requirements is not None:
        return requirements_in_file(absolute_path(arguments.requirements, "requirements"))
    return judged_requirements(user_path(place, "manifest"))


def _check(arguments: argparse.Namespace) -> int:
    """Fly the script of a replay, and say whether it is equal to the run."""
    from gmat_sweep.sweep.replay_kit import check_replay

    for name in ("requirement", "requirements", "out", "script"):
        if getattr(arguments, name) is not None:
            raise SweepConfigError(f"--check takes no --{name}. Leave it out.")
    if not user_path(arguments.place, "folder").is_dir():
        raise SweepConfigError(f"{arguments.place} is no folder. Name the folder of a replay.")
    check = check_replay(
        arguments.place, hook=not arguments.no_hook, trust_hook=arguments.trust_hook
    )
    tell(check.text())
    return EXIT_OK if check.is_equal else EXIT_DAMAGED
