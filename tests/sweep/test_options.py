"""One record of how to run: every way in has its names and its defaults."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import FrozenInstanceError, fields
from typing import Any

import pytest

from gmat_sweep import Sweep, SweepConfigError, latin_hypercube, monte_carlo, monte_carlo_extend
from gmat_sweep import sweep as sweep_function
from gmat_sweep.cli.parser import make_parser
from gmat_sweep.flows.parameters import RunSettings
from gmat_sweep.sweep.options import SweepOptions

DEFAULTS = {each.name: each.default for each in fields(SweepOptions)}
TO_START, TO_GO_ON = SweepOptions().to_start(), SweepOptions().to_go_on()
# The API makes its own pools, which isolate runs; what is verified is given as requirements.
NOT_GIVEN = {"allow_unisolated_pool", "verification"}
OF_THE_API = TO_START.keys() - NOT_GIVEN


@pytest.mark.parametrize(
    ("entry", "names"),
    [
        (sweep_function, OF_THE_API),
        (monte_carlo, OF_THE_API),
        (latin_hypercube, OF_THE_API),
        (monte_carlo_extend, TO_GO_ON.keys()),
        (Sweep, TO_START.keys()),
        (Sweep.from_manifest, TO_GO_ON.keys()),
    ],
    ids=lambda value: getattr(value, "__qualname__", ""),
)
def test_an_entry_point_takes_them_by_the_same_names_with_the_same_defaults(
    entry: Callable[..., Any], names: set[str]
) -> None:
    parameters = inspect.signature(entry).parameters

    assert {name: parameters[name].default for name in names} == {
        name: DEFAULTS[name] for name in names
    }
    assert DEFAULTS.keys() & parameters.keys() == set(names)


@pytest.mark.parametrize("command", ["run", "resume"])
def test_the_command_line_has_all_of_them_with_the_same_defaults(command: str) -> None:
    what = {"run": ["--grid", "Sat.SMA=1,2", "--out", "o", "leo.script"]}
    words = what.get(command, ["m.jsonl", "--script", "leo.script"])
    told = vars(make_parser().parse_args([command, *words]))
    names = (TO_START if command == "run" else TO_GO_ON).keys() - NOT_GIVEN

    assert {name: told[name] for name in names - {"progress"}} == {
        name: DEFAULTS[name] for name in names - {"progress"}
    }
    assert told["quiet"] is not DEFAULTS["progress"]


def test_a_deployment_can_set_all_that_makes_sense_there() -> None:
    # Nobody watches a bar there, and no pool runs GMAT in the flow's own process.
    names = DEFAULTS.keys() - {"progress", *NOT_GIVEN}
    given = RunSettings(
        fsync_each=False,
        fsync_batch=7,
        timeout_s=9.5,
        retries=3,
        memory_limit="2 GiB",
        postprocess="package.module:hook",
        end_state=False,
        nominal=True,
        unconverged="failed",
        allow_script_drift=True,
        trust_hook=True,
    )
    by_default, told = RunSettings().options(), given.options()

    assert {name: getattr(by_default, name) for name in names} == {
        name: DEFAULTS[name] for name in names
    }
    assert {name: getattr(told, name) for name in names} == {
        "fsync_each": False,
        "fsync_batch": 7,
        "timeout": 9.5,
        "retries": 3,
        "memory_limit": 2 * 1024**3,
        "postprocess": "package.module:hook",
        "end_state": False,
        "nominal": True,
        "unconverged": "failed",
        "allow_script_drift": True,
        "trust_hook": True,
    }
    assert not told.progress


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("fsync_batch", 0, "fsync_batch must be at least 1, got 0"),
        ("timeout", 0.0, "timeout must be a positive number of seconds, got 0.0"),
        ("timeout", math.nan, "timeout must be a positive number of seconds, got nan"),
        ("fsync_batch", math.nan, "fsync_batch must be at least 1, got nan"),
        ("fsync_batch", 1.5, "fsync_batch must be at least 1, got 1.5"),
        ("timeout", "5", "timeout must be a positive number of seconds, got '5'"),
        ("timeout", math.inf, "positive number of seconds, got inf. For no limit leave it out"),
        ("timeout", 1e300, "timeout must be a positive number of seconds, got 1e"),
        ("timeout", 10**400, "timeout must be a positive number of seconds, got about 1e400"),
        ("retries", -1, "retries must be 0 or more, got -1"),
        ("retries", math.nan, "retries must be 0 or more, got nan"),
        ("retries", math.inf, "retries must be 0 or more, got inf"),
        ("memory_limit", math.nan, "nan is no amount of memory"),
        ("unconverged", "skipped", "unconverged must be one of ok, failed, got 'skipped'"),
        ("memory_limit", "2 parsecs", "'2 parsecs' is no amount of memory"),
    ],
)
def test_what_is_out_of_bounds_is_refused_by_name(name: str, value: Any, said: str) -> None:
    with pytest.raises(SweepConfigError, match=said):
        SweepOptions(**{name: value})


def test_a_memory_limit_is_in_bytes_however_it_was_written() -> None:
    assert SweepOptions(memory_limit="500 MB").memory_limit_bytes == 500_000_000
    assert SweepOptions(memory_limit="500 MB") == SweepOptions(memory_limit=500_000_000)


def test_they_stay_as_they_are() -> None:
    with pytest.raises(FrozenInstanceError):
        SweepOptions().retries = 2  # type: ignore[misc]
