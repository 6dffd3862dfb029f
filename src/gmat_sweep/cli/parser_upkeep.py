"""The grammar of the commands for nights, baselines and workers."""

from __future__ import annotations

import argparse

from gmat_sweep.cli.parser_parts import Actions, Commands, command_of

__all__ = ["add_upkeep"]


def add_upkeep(commands: Commands) -> None:
    """Add the commands for a Prefect worker, for old folders, nights and their baseline."""
    pages = command_of(commands, "ui", "open the pages that show sweeps, flying and flown")
    pages.add_argument(
        "--no-browser",
        dest="browser",
        action="store_false",
        help="only print the link, which opens the pages in any browser of this machine",
    )
    pages.add_argument("--stop", action="store_true", help="end the local Prefect server")
    worker = command_of(
        commands, "worker", "run a Prefect worker that lets its flow runs end well when stopped"
    )
    worker.add_argument("pool", metavar="POOL", help="the Prefect work pool")
    worker.add_argument(
        "prefect_arguments",
        nargs=argparse.REMAINDER,
        metavar="...",
        help="what else to give to `prefect worker start`, such as --with-healthcheck",
    )
    for name, summary in (
        ("nights", "remove old nights, never the baseline or the last complete one"),
        ("sweeps", "remove old sweeps of deployments, never the last complete one of its kind"),
    ):
        _retention_command(commands, name, summary)
    _add_baseline(commands)


def _retention_command(commands: Commands, name: str, summary: str) -> None:
    whole = "read the nights of a mission, and remove old ones" if name == "nights" else summary
    actions = command_of(commands, name, whole).add_subparsers(
        dest="action", metavar="ACTION", required=True
    )
    prune = actions.add_parser("prune", help=summary, description=summary[0].upper() + summary[1:])
    if name == "sweeps":
        prune.add_argument(
            "folder", metavar="FOLDER", help="the folder of sweeps, sweeps under GMAT_SWEEP_HOME"
        )
    else:
        _add_folder_of_nights(prune)
        prune.add_argument(
            "--keep-evidence",
            action="store_true",
            help="keep the nights on which evidence for requirements stands that goes on, too",
        )
        _add_readers_of_nights(actions)
    of_each = "" if name == "nights" else " of each mission and kind"
    prune.add_argument(
        "--keep", type=int, required=True, metavar="N", help=f"how many of the newest{of_each} stay"
    )
    prune.add_argument("--dry-run", action="store_true", help="only list what would go, and why")


def _add_readers_of_nights(actions: Actions) -> None:
    evidence = command_of(
        actions, "evidence", "judge requirements over the nights with the inputs of the last one"
    )
    _add_folder_of_nights(evidence)
    evidence.add_argument(
        "--requirements", required=True, metavar="FILE", help="the requirements: TOML, YAML or JSON"
    )
    evidence.add_argument("--until", metavar="NIGHT", help="the last night; the newest by default")
    evidence.add_argument("--json", action="store_true", help="print JSON")
    creep = command_of(
        actions, "creep", "tell how far each night is from the baseline, in its sigma"
    )
    _add_folder_of_nights(creep)
    creep.add_argument(
        "--material",
        type=float,
        default=0.1,
        metavar="SIGMA",
        help="from how many sigma on a shift is material (default 0.1)",
    )
    creep.add_argument("--out", metavar="PATH", help="write the table, .csv, of all nights")


def _add_baseline(commands: Commands) -> None:
    actions = command_of(
        commands, "baseline", "accept a night that later nights are compared with, or show it"
    ).add_subparsers(dest="action", metavar="ACTION", required=True)
    accept = command_of(actions, "accept", "make a night the baseline of the nights in its folder")
    accept.add_argument(
        "night", metavar="NIGHT", help="a night that is complete: its folder, or its name"
    )
    accept.add_argument(
        "--note", default="", metavar="TEXT", help="why, for whoever reads it later"
    )
    show = command_of(actions, "show", "say which night is the baseline")
    _add_folder_of_nights(show)


def _add_folder_of_nights(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "folder",
        nargs="?",
        metavar="FOLDER",
        help="the folder of nights, such as nights/injection; by default the only one in nights "
        "under GMAT_SWEEP_HOME",
    )
