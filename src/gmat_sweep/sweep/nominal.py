"""The nominal mission: what the script itself says, where draws are about that."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gmat_sweep.errors import SweepConfigError
from gmat_sweep.mission.headless import headless_copy
from gmat_sweep.mission.script import check_resources
from gmat_sweep.sweep.inspector import inspector
from gmat_sweep.sweep.refusals import refusal

__all__ = ["nominal_values"]


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
