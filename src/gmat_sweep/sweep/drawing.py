"""Plans with draws. Where these are about what the script itself says, the engine is asked."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmat_sweep.distributions import checked_count, checked_seed, perturb_to_json
from gmat_sweep.draws.sources import needed_of_nominal
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.mission.headless import headless_copy
from gmat_sweep.mission.script import check_resources
from gmat_sweep.plans import Plan
from gmat_sweep.plans.plan import random_plan
from gmat_sweep.sweep.inspector import inspector
from gmat_sweep.sweep.refusals import refusal

if TYPE_CHECKING:
    from gmat_sweep.distributions import DistSpec

__all__ = ["drawn_plan", "nominal_values"]


def drawn_plan(
    kind: str,
    perturb: Mapping[str, DistSpec],
    n: int,
    seed: int | None,
    script: Path,
    folder: Path,
    pool: object = None,
) -> Plan:
    """Plan `n` runs of a sweep with draws.

    Parameters
    ----------
    kind : str
        ``monte_carlo``, or a design: ``latin_hypercube``, ``sobol``, ``halton``.
    perturb : mapping of str to DistSpec
        The distributions. If one is about what the script itself says, the engine is asked.
    n : int
        How many runs.
    seed : int or None
        The sweep's seed; None draws one.
    script, folder : Path
        The mission script and the sweep folder.
    pool : object
        As for `nominal_values`.

    Raises
    ------
    SweepConfigError
        A distribution, `n` or `seed` is invalid, or the mission has no such field.
    """
    # All that can be told without the engine, first.
    perturb_to_json(perturb, kind)
    checked_count(n, "n", kind)
    checked_seed(seed)
    nominal = nominal_values(script, needed_of_nominal(perturb), pool)
    return random_plan(kind, perturb, n, seed, script, folder, nominal)


def nominal_values(script: Path, names: Sequence[str], pool: object) -> dict[str, Any]:
    """Ask the engine for what a script itself says.

    Parameters
    ----------
    script : Path
        The user's script.
    names : sequence of str
        The names of `draws.sources.needed_of_nominal`; without any, the engine is not asked.
    pool : object
        The pool to ask if it has a method `inspect`; otherwise a worker process is started.

    Returns
    -------
    dict
        Number or text by name, as a manifest records it.

    Raises
    ------
    MissionScriptError
        The engine cannot load the script.
    SweepConfigError
        The mission has no such field.
    """
    if not names:
        return {}
    with (
        inspector(pool, None) as inspect,
        tempfile.TemporaryDirectory(prefix="gmat-sweep-nominal-") as folder,
    ):
        types = inspect(None, {}).resource_types
        check_resources(script, types)
        runnable = headless_copy(script, lambda name: name not in types).write(Path(folder))
        facts = inspect(runnable, {}, wanted=names)
        if facts.engine_log:
            raise refusal(facts, script, runnable)
    if facts.problems:
        raise SweepConfigError(
            f"{script} has no value of its own for what is drawn about it: "
            f"{'; '.join(facts.problems)}. Name fields as GMAT does, such as 'Sat.SMA'."
        )
    return dict(facts.own_values)
