"""The API reference this package was made from: every call it documents is still allowed.

Its signatures are in ``tests/seeds/api_reference.py``, unchanged.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import gmat_sweep
from gmat_sweep import (
    BackendError,
    Manifest,
    ManifestEntry,
    Pool,
    RunOutcome,
    canonical_script_sha256,
    expand_grid_to_run_specs,
    full_factorial,
)
from repository import DATA, SEEDS

DOCUMENTED: dict[str, Any] = {"__name__": "reference"}
exec(compile((SEEDS / "api_reference.py").read_text(), "api_reference.py", "exec"), DOCUMENTED)

# Where each name is documented to live, beside the package itself.
HOMES = {
    "sweep": "api",
    "monte_carlo": "api",
    "latin_hypercube": "api",
    "Sweep": "sweep",
    "Pool": "backends.base",
    "LocalJoblibPool": "backends.joblib",
    "RunSpec": "spec",
    "SweepSpec": "spec",
    "RunOutcome": "spec",
    "full_factorial": "grids",
    "expand_grid_to_run_specs": "grids",
    "MANIFEST_SCHEMA_VERSION": "manifest",
    "Manifest": "manifest",
    "ManifestEntry": "manifest",
    "canonical_script_sha256": "manifest",
    "lazy_multiindex": "aggregate",
    "lazy_ephemerides": "aggregate",
    "lazy_contacts": "aggregate",
    "DistSpec": "distributions",
    "GmatSweepError": "errors",
    "SweepConfigError": "errors",
    "RunFailed": "errors",
    "BackendError": "errors",
    "ManifestCorruptError": "errors",
}
FUNCTIONS = sorted(n for n, v in DOCUMENTED.items() if inspect.isfunction(v) and n in HOMES)
CLASSES = sorted(n for n, v in DOCUMENTED.items() if inspect.isclass(v) and n in HOMES)
METHODS = sorted(
    f"{name}.{method}"
    for name in CLASSES
    for method in vars(DOCUMENTED[name])
    if not method.startswith("_") or method == "__init__"
)
# What later documents say otherwise: the first argument of the pool is max_workers, an outcome has
# four more fields and its own order of them, and "postprocess" stands before "schema_version".
SUPERSEDED = {
    "LocalJoblibPool.__init__": {"workers"},
    "RunOutcome.__init__": {"duration_s", "stderr", "started_at", "ended_at"},
    "Manifest.__init__": {"schema_version", "entries"},
}
FIELDS_SINCE = {
    "RunOutcome.__init__": {"extra_outputs", "solver_paths", "converged", "postprocess_status"}
}


def default_of(owner: object, parameter: inspect.Parameter) -> object:
    """Return a parameter's default; of a dataclass field, what its factory makes."""
    for field in dataclasses.fields(owner) if dataclasses.is_dataclass(owner) else ():
        if field.name == parameter.name and callable(field.default_factory):
            return field.default_factory()
    return parameter.default


def check_signature(
    documented: object, ours: object, owner: object = None, place: str = ""
) -> None:
    """Fail where a call that the documented signature allows is not allowed, or means another."""
    expected = inspect.signature(documented).parameters  # type: ignore[arg-type]
    actual = inspect.signature(ours).parameters  # type: ignore[arg-type]
    positions = list(actual)
    for position, (name, parameter) in enumerate(expected.items()):
        assert name in actual, f"{name} is missing"
        found = actual[name]
        if name in SUPERSEDED.get(place, ()):
            continue
        assert found.kind in (parameter.kind, inspect.Parameter.POSITIONAL_OR_KEYWORD), name
        if parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD:
            assert positions.index(name) == position, f"{name} is elsewhere"
        if parameter.default is not inspect.Parameter.empty:
            assert default_of(owner, found) == parameter.default, name
    required = {n for n, p in actual.items() if p.default is inspect.Parameter.empty}
    variadic = {n for n, p in actual.items() if p.kind is inspect.Parameter.VAR_KEYWORD}
    assert required - variadic - set(expected) <= FIELDS_SINCE.get(place, set())


def failed_runs(count: int) -> tuple[Manifest, list[ManifestEntry]]:
    """Return a manifest without entries, made as the API reference says, and entries for it."""
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    manifest = Manifest(
        canonical_script_sha256(script_path=DATA / "leo_short.script"),
        "0.1.0",
        "0.6.0",
        "R2026a",
        "3.12",
        "Linux",
        None,
        {"_kind": "grid", "Sat.SMA": [7000.0 + run_id for run_id in range(count + 1)]},
        count + 1,
        backend="LocalJoblibPool",
    )
    outcomes = [
        RunOutcome.failed(
            run_id=run_id, stderr="no", started_at=moment, ended_at=moment, duration_s=0.0
        )
        for run_id in range(count)
    ]
    return manifest, [ManifestEntry.from_outcome(each, overrides={}) for each in outcomes]


class TestApiReference:
    """The page "API reference"."""

    @pytest.mark.parametrize("name", sorted(HOMES))
    def test_a_name_is_at_the_top_and_the_same_where_it_is_documented(self, name: str) -> None:
        home = importlib.import_module(f"gmat_sweep.{HOMES[name]}")

        assert name in gmat_sweep.__all__
        assert getattr(home, name) is getattr(gmat_sweep, name)

    def test_every_documented_signature_is_of_a_name_that_is_looked_for(self) -> None:
        printed = {
            n for n, v in DOCUMENTED.items() if getattr(v, "__module__", None) == "reference"
        }

        assert printed <= set(HOMES)
        assert (len(FUNCTIONS), len(CLASSES), len(METHODS)) == (8, 13, 25)

    @pytest.mark.parametrize("name", FUNCTIONS)
    def test_a_function_takes_what_is_documented(self, name: str) -> None:
        check_signature(DOCUMENTED[name], getattr(gmat_sweep, name))

    @pytest.mark.parametrize("place", [p for p in METHODS if ".find_" not in p])
    def test_a_method_takes_what_is_documented(self, place: str) -> None:
        name, method = place.split(".")
        owner = getattr(gmat_sweep, name)
        documented = DOCUMENTED[name].__dict__[method]

        if isinstance(documented, classmethod):
            assert inspect.ismethod(getattr(owner, method))
        check_signature(getattr(DOCUMENTED[name], method), getattr(owner, method), owner, place)

    @pytest.mark.parametrize("name", CLASSES)
    def test_a_class_has_the_documented_bases(self, name: str) -> None:
        for base in DOCUMENTED[name].__bases__:
            ours = getattr(gmat_sweep, base.__name__, base)

            assert issubclass(getattr(gmat_sweep, name), ours)

    def test_the_schema_version_is_the_documented_one(self) -> None:
        assert DOCUMENTED["MANIFEST_SCHEMA_VERSION"] == gmat_sweep.MANIFEST_SCHEMA_VERSION == 1

    def test_a_pool_must_say_that_it_isolates(self) -> None:
        with pytest.raises(BackendError, match="Leaky"):
            type("Leaky", (Pool,), {"subprocess_isolated": None})
        assert DOCUMENTED["Pool"].__abstractmethods__ == Pool.__abstractmethods__

    def test_the_cartesian_product_comes_in_the_printed_order(self) -> None:
        assert list(full_factorial({"b": [10, 20, 30], "a": [1, 2]})) == [
            {"a": a, "b": b} for a in (1, 2) for b in (10, 20, 30)
        ]
        assert list(full_factorial({})) == [{}]

    def test_run_specs_of_a_grid_are_numbered_and_have_their_folders(self) -> None:
        specs = expand_grid_to_run_specs({"Sat.SMA": [7000, 7100]}, "m.script", "out")

        assert [spec.run_id for spec in specs] == [0, 1]
        assert [spec.output_dir for spec in specs] == [Path("out/run-0"), Path("out/run-1")]
        assert [(spec.seed, spec.run_options) for spec in specs] == [(None, {}), (None, {})]

    def test_a_manifest_is_kept_as_the_page_describes(self, tmp_path: Path) -> None:
        path = tmp_path / "manifest.jsonl"
        manifest, entries = failed_runs(2)
        manifest.save(path)
        for entry in reversed(entries):
            manifest.append_entry(entry)
        with path.open("a") as file:
            file.write('{"run_id": 2, "status": "o')
        loaded = Manifest.load(path)

        assert loaded == manifest
        assert loaded.find_failed() == [1, 0]
        assert loaded.find_missing([2, 1, 0]) == [2]
        assert loaded.find_missing(expected_run_ids=iter([2])) == [2]

    def test_an_entry_that_was_seen_is_not_taken_back_when_ctrl_c_falls_into_its_fsync(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "manifest.jsonl"
        manifest, entries = failed_runs(2)
        manifest.save(path)
        manifest.append_entry(entries[0])

        def interrupt(descriptor: int) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", interrupt)
            with pytest.raises(KeyboardInterrupt):
                manifest.append_entry(entries[1])
        manifest.close()

        assert Manifest.load(path).entries == entries
