"""The README of an archive: facts about the sweep, and how to check, read and continue it.

The text is a function of the archive's content: it names no time, machine or path of its making.
"""

from __future__ import annotations

import shlex
from collections import Counter
from typing import TYPE_CHECKING

from gmat_sweep.plans.header import kind_of
from gmat_sweep.printable import one_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gmat_sweep.manifest import Manifest

__all__ = ["readme"]

_STATUSES = ("ok", "failed", "skipped")


def readme(
    manifest: Manifest,
    *,
    script: str,
    has_drifted: bool,
    included: Sequence[str],
    read: Sequence[str],
    left_out: Sequence[str],
    has_logs: bool,
) -> str:
    """Return the text of ``README.md``.

    Parameters
    ----------
    manifest : Manifest
        The archive's manifest.
    script : str
        Member name of the mission script.
    has_drifted : bool
        Whether the script is not the recorded one.
    included : sequence of str
        Member names of the files that the script includes.
    read : sequence of str
        Member names of the files that the script, or a value of a run, names to be read.
    left_out : sequence of str
        Files of the script that are not in the archive, with their names as the script has them.
    has_logs : bool
        Whether logs were packed.
    """
    drift = " --allow-script-drift" if has_drifted else ""
    lines = [
        f"# GMAT sweep: {script.removeprefix('script/')}",
        "",
        *_facts(manifest, has_drifted),
        "",
        "## Check",
        "",
        "    sha256sum -c MANIFEST.hash",
        "",
        "It lists every other file of the archive.",
        "",
        "## Read",
        "",
        "In this folder, in Python:",
        "",
        "    from gmat_sweep import Manifest, lazy_multiindex",
        "",
        '    frame = lazy_multiindex(Manifest.load("manifest.jsonl"), ".")',
        "",
        "Of several reports, `name=` says which. `lazy_ephemerides`, `lazy_contacts`,",
        "`lazy_extra_outputs` and `lazy_solver_runs` read the other outputs.",
        "",
        "## Continue",
        "",
        f"    gmat-sweep resume manifest.jsonl --script {shlex.quote(script)}{drift}",
        "",
        "This runs what failed or is not recorded, and nothing else.",
        "",
        "## What is where",
        "",
        f"- `{script}`: the mission script",
        *(f"- `{name}`: a file it includes" for name in included),
        *(f"- `{name}`: a file it reads" for name in read),
        "- `manifest.jsonl`: a header line, and a line for each run",
        f"- `runs/run-<id>/`: the files of each run{', its log included' if has_logs else ''}",
        "",
        "## What is not here",
        "",
        *(f"- {text}: not found beside the script when it was packed" for text in left_out),
        "- GMAT's own data, such as gravity fields and planetary ephemerides",
    ]
    if manifest.postprocess is not None:
        lines.append(
            f"- the postprocess hook `{one_line(manifest.postprocess)}`, which resuming imports"
        )
    if not has_logs:
        lines.append("- the logs of the runs")
    return "\n".join([*lines, ""])


def _facts(manifest: Manifest, has_drifted: bool) -> list[str]:
    seed = manifest.sweep_seed
    facts = {
        "Runs": _outcomes(manifest),
        "Varied": kind_of(manifest.parameter_spec),
        "Seed": "none" if seed is None else seed,
        "Script SHA-256": f"`{manifest.script_sha256}`",
        "GMAT": manifest.gmat_install_version,
        "gmat-run": manifest.gmat_run_version,
        "gmat-sweep": manifest.gmat_sweep_version,
        "Python": manifest.python_version,
        "System": manifest.os_platform,
        "Back end": manifest.backend,
    }
    lines = [f"- {name}: {one_line(fact)}" for name, fact in facts.items()]
    lines += [
        "",
        "The hash is that of `gmat_sweep.canonical_script_sha256`: of the main script, with LF",
        "line ends and no byte order mark.",
    ]
    if has_drifted:
        lines += ["", "**The script packed here is not the one that was run**: its hash differs."]
    return lines


def _outcomes(manifest: Manifest) -> str:
    counts: Counter[str] = Counter(entry.status for entry in manifest.entries)
    shown = [f"{counts[name]} {name}" for name in _STATUSES if counts[name] or name == "ok"]
    planned = manifest.run_count + manifest.extension_run_count
    not_recorded = planned - len(manifest.entries)
    if not_recorded > 0:
        shown.append(f"{not_recorded} not recorded")
    return ", ".join(shown)
