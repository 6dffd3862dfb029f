"""A hook that comes, and is edited, after the workers of a pool were started."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from faulty_runs import spec_of
from gmat_sweep.spec import RunOutcome, RunSpec
from gmat_sweep.sweep.preflight import check_hook

if TYPE_CHECKING:
    import pytest

_HOOK = """\
import beside_the_edited_hook

def note(spec, outcome):
    path = spec.output_dir / "noted.txt"
    path.write_text("{} " + beside_the_edited_hook.VALUE)
    return {{"noted": path}}
"""


NOTE = "edited_hook:note"
EDITIONS = ["first one", "other one", "other two", "other two"]


def write_edition(folder: Path, *, hook: str | None = None, beside: str | None = None) -> None:
    """Write the hook's module, the one beside it, or both; the times of the files stay."""
    texts = {
        "edited_hook.py": None if hook is None else _HOOK.format(hook),
        "beside_the_edited_hook.py": None if beside is None else f"VALUE = {beside!r}\n",
    }
    for name, text in texts.items():
        if text is not None:
            (folder / name).write_text(text)
            # Python keeps what it compiled for a file of the same second and size.
            second = 1_700_000_000_000_000_000
            os.utime(folder / name, ns=(second, second + hash(text) % 1_000_000_000))


def noted_editions(
    run: Callable[[RunSpec], RunOutcome], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    """Return what the hook notes in runs on workers that were started before there was a hook.

    Each run is of another sweep. The hook is edited before the second, the module beside it before
    the third; before the last, both are moved to another folder that is named another way.
    """
    places = [folder / "here", folder / "there"]
    for place in places:
        place.mkdir(parents=True)
    noted: list[str] = []

    def fly() -> None:
        check_hook(NOTE)
        outcome = run(replace(spec_of(folder, len(noted)), postprocess=NOTE))
        assert outcome.postprocess_status == "ok", outcome.stderr
        noted.append(outcome.extra_outputs["noted"].read_text())

    monkeypatch.syspath_prepend(places[0])
    write_edition(places[0], hook="first", beside="one")
    fly()
    write_edition(places[0], hook="other")
    fly()
    write_edition(places[0], beside="two")
    fly()
    sys.path.remove(str(places[0]))
    monkeypatch.setenv("GMAT_SWEEP_HOOKS", str(places[1]))
    for path in places[0].glob("*.py"):
        path.rename(places[1] / path.name)
    fly()
    return noted
