"""A plan's record, once through a manifest file, gives the planned runs back, bit for bit."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import scipy.stats
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gmat_sweep import plans
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.grids import expand_monte_carlo_to_run_specs
from gmat_sweep.manifest import Manifest, ManifestEntry
from gmat_sweep.sensitivity import sobol_sample
from gmat_sweep.spec import RunSpec

SCRIPT = Path("/missions/leo.script")
FOLDER = Path("/sweeps/one")
PERTURB = {"Sat.SMA": ("normal", 7100.0, 50.0), "Sat.INC": ("uniform", 0.0, 90.0)}
START = datetime(2026, 1, 1, tzinfo=UTC)

NAMES = st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=6)
CELLS = st.integers() | st.floats() | st.text(max_size=5) | st.booleans()
SEEDS = st.integers(0, 2**70)
DISTRIBUTIONS = st.one_of(
    st.tuples(st.just("normal"), st.floats(-1e6, 1e6), st.floats(1e-6, 1e6)),
    st.tuples(st.just("uniform"), st.floats(-10, 0), st.floats(1, 10)),
    st.tuples(st.just("lognormal"), st.floats(-3, 3), st.floats(0.01, 2)),
    st.builds(lambda a: scipy.stats.beta(a, 2.0), st.floats(0.5, 5)),
)
modest = settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def manifest_of(
    record: Mapping[str, Any], entries: list[int] | None = None, **extra: Any
) -> Manifest:
    """Return the manifest of a sweep with this header record and an entry for each run id."""
    return Manifest(
        script_sha256="0" * 64,
        gmat_sweep_version="0.1.0",
        gmat_run_version="0.6.0",
        gmat_install_version="R2026a",
        python_version="3.12.3",
        os_platform="Linux",
        sweep_seed=None,
        parameter_spec=json.loads(json.dumps(record)),
        run_count=0,
        entries=[
            ManifestEntry(run_id, {}, "ok", {}, START, START, 1.0, None, None)
            for run_id in entries or []
        ],
        extra=json.loads(json.dumps(extra)),
    )


def rebuilt(record: Mapping[str, Any], folder: Path = FOLDER, **more: Any) -> list[RunSpec]:
    return plans.rebuild_runs(manifest_of(record, **more), SCRIPT, folder)


def bits(runs: Sequence[RunSpec]) -> list[str]:
    """Return the runs in the form in which the contract compares them."""
    return [json.dumps(run.to_dict(), sort_keys=True) for run in runs]


def overrides(runs: list[RunSpec]) -> list[dict[str, Any]]:
    return [run.overrides for run in runs]


def run(run_id: int = 0, **fields: Any) -> RunSpec:
    values: dict[str, Any] = {
        "script_path": SCRIPT,
        "overrides": {"Sat.SMA": 7000},
        "output_dir": FOLDER / f"run-{run_id}",
        "run_id": run_id,
        "seed": None,
        "run_options": {},
    }
    return RunSpec(**(values | fields))


class TestGrids:
    @modest
    @given(st.dictionaries(NAMES, st.lists(CELLS, min_size=1, max_size=3), max_size=3))
    def test_a_grid_is_rebuilt(self, grid: dict[str, list[Any]]) -> None:
        plan = plans.grid_plan(grid, SCRIPT, FOLDER)

        assert bits(rebuilt(plan.parameter_spec)) == bits(plan.runs)
        assert [each.run_id for each in plan.runs] == list(range(len(plan.runs)))

    def test_a_grid_survives_the_manifest_file(self, tmp_path: Path) -> None:
        plan = plans.grid_plan({"b": iter([1, 2.5, math.nan]), "a": ("x",)}, SCRIPT, tmp_path)
        manifest_of(plan.parameter_spec).save(tmp_path / "manifest.jsonl")
        loaded = Manifest.load(tmp_path / "manifest.jsonl")

        assert bits(plans.rebuild_runs(loaded, SCRIPT, tmp_path)) == bits(plan.runs)

    def test_runs_are_below_the_folder_that_is_given_when_rebuilding(self) -> None:
        plan = plans.grid_plan({"a": [1, 2]}, SCRIPT, FOLDER)

        moved = rebuilt(plan.parameter_spec, Path("/elsewhere"))

        assert [each.output_dir for each in moved] == [
            Path("/elsewhere/run-0"), Path("/elsewhere/run-1")
        ]  # fmt: skip

    def test_the_record_is_the_grid_tagged(self) -> None:
        plan = plans.grid_plan({"b": range(2), "a": [0.5]}, SCRIPT, FOLDER)

        assert plan.parameter_spec == {"_kind": "grid", "b": [0, 1], "a": [0.5]}

    def test_a_record_without_a_kind_is_a_grid(self) -> None:
        assert overrides(rebuilt({"a": [1, 2]})) == [{"a": 1}, {"a": 2}]
        assert plans.kind_of({"a": [1]}) == "grid"

    def test_a_seed_of_a_sweep_that_draws_nothing_is_only_recorded(self) -> None:
        samples = pd.DataFrame({"a": [1]})

        assert plans.grid_plan({"a": [1]}, SCRIPT, FOLDER).seed is None
        assert plans.grid_plan({"a": [1]}, SCRIPT, FOLDER, 7).seed == 7
        assert plans.samples_plan(samples, SCRIPT, FOLDER, 7).seed == 7


class TestSamples:
    @modest
    @given(
        st.lists(NAMES, min_size=1, max_size=3, unique=True).flatmap(
            lambda names: st.lists(
                st.tuples(*[CELLS | st.none() for _ in names]), min_size=1, max_size=4
            ).map(lambda rows: (names, rows))
        )
    )
    def test_a_table_is_rebuilt_missing_cells_and_all(
        self, table: tuple[list[str], list[tuple[Any, ...]]]
    ) -> None:
        names, rows = table
        samples = pd.DataFrame(rows, columns=names, dtype=object)
        for name in names:
            if samples[name].isna().all():  # which is refused
                samples[name] = 1
        plan = plans.samples_plan(samples, SCRIPT, FOLDER)

        assert bits(rebuilt(plan.parameter_spec)) == bits(plan.runs)

    def test_columns_of_different_types_keep_them(self) -> None:
        samples = pd.DataFrame({"i": [1, 2], "f": [0.5, 1.0], "s": ["x", "y"], "b": [True, False]})
        plan = plans.samples_plan(samples, SCRIPT, FOLDER)

        again = overrides(rebuilt(plan.parameter_spec))

        assert again[1] == {"i": 2, "f": 1.0, "s": "y", "b": False}
        assert [type(value) for value in again[1].values()] == [int, float, str, bool]

    def test_overrides_reach_gmat_in_the_order_of_the_columns(self, tmp_path: Path) -> None:
        samples = pd.DataFrame({"Sat.Y": [1], "Sat.X": [2], "Sat.Z": [3]})
        plan = plans.samples_plan(samples, SCRIPT, FOLDER)
        manifest_of(plan.parameter_spec).save(tmp_path / "manifest.jsonl")
        loaded = Manifest.load(tmp_path / "manifest.jsonl")

        [again] = plans.rebuild_runs(loaded, SCRIPT, FOLDER)

        assert list(again.overrides) == ["Sat.Y", "Sat.X", "Sat.Z"]

    def test_the_record_of_a_full_table_is_its_columns_and_rows(self) -> None:
        samples = pd.DataFrame({"b": [1, 2], "a": [0.5, 1.5]})

        assert plans.samples_plan(samples, SCRIPT, FOLDER).parameter_spec == {
            "_kind": "explicit", "columns": ["b", "a"], "rows": [[1, 0.5], [2, 1.5]],
        }  # fmt: skip

    def test_a_missing_cell_stays_an_override_that_gmat_refuses(self) -> None:
        samples = pd.DataFrame({"a": [1.0, math.nan], "b": pd.Series([None, 2], dtype="Int64")})
        plan = plans.samples_plan(samples, SCRIPT, FOLDER)

        again = overrides(rebuilt(plan.parameter_spec))

        assert again[0] == {"a": 1.0, "b": None}
        assert math.isnan(again[1]["a"])

    def test_a_table_without_rows_is_a_sweep_without_runs(self) -> None:
        plan = plans.samples_plan(pd.DataFrame({"a": []}), SCRIPT, FOLDER)

        assert rebuilt(plan.parameter_spec) == list(plan.runs) == []


class TestPeersExplicitRecords:
    def test_runs_are_numbered_from_0_in_the_order_of_the_rows(self) -> None:
        runs = rebuilt({"_kind": "explicit", "columns": ["a"], "rows": [[5], [4.5], ["x"]]})

        assert bits(runs) == bits([run(i, overrides={"a": v}) for i, v in enumerate([5, 4.5, "x"])])

    @pytest.mark.parametrize("missing", [None, math.nan])
    def test_a_missing_cell_is_not_an_override(self, missing: float | None) -> None:
        runs = rebuilt(
            {
                "_kind": "explicit",
                "columns": ["a", "b"],
                "rows": [[1, missing], [missing, 2], [missing, missing], [3, 0]],
            }
        )

        assert overrides(runs) == [{"a": 1}, {"b": 2}, {}, {"a": 3, "b": 0}]

    def test_a_missing_cell_is_not_an_override_in_the_file_either(self, tmp_path: Path) -> None:
        path = tmp_path / "manifest.jsonl"
        header = {
            "script_sha256": "0", "gmat_sweep_version": "0.6.0", "gmat_run_version": "0.6.0",
            "gmat_install_version": "R2026a", "python_version": "3.12.3", "os_platform": "Linux",
            "sweep_seed": None, "run_count": 2, "backend": "LocalJoblibPool", "schema_version": 1,
            "postprocess": None,
            "parameter_spec": {
                "_kind": "explicit", "columns": ["a", "b"], "rows": [[1, None], [math.nan, 2]]
            },
        }  # fmt: skip
        path.write_text(json.dumps(header, sort_keys=True) + "\n")

        runs = plans.rebuild_runs(Manifest.load(path), SCRIPT, tmp_path)

        assert overrides(runs) == [{"a": 1}, {"b": 2}]

    def test_zero_false_and_empty_text_are_not_missing(self) -> None:
        record = {"_kind": "explicit", "columns": ["a", "b", "c"], "rows": [[0, False, ""]]}

        assert overrides(rebuilt(record)) == [{"a": 0, "b": False, "c": ""}]

    def test_it_is_the_record_that_parameter_spec_from_runs_makes(self) -> None:
        runs = [run(0, overrides={"b": 1}), run(1, overrides={"a": 2.5, "b": "x"})]
        record = plans.parameter_spec_from_runs(each for each in runs)

        assert record == {
            "_kind": "explicit", "columns": ["b", "a"], "rows": [[1, None], ["x", 2.5]],
        }  # fmt: skip
        assert overrides(rebuilt(record)) == [{"b": 1}, {"b": "x", "a": 2.5}]

    def test_no_runs_have_an_empty_record(self) -> None:
        assert plans.parameter_spec_from_runs([]) == {
            "_kind": "explicit", "columns": [], "rows": [],
        }  # fmt: skip

    def test_context_is_not_part_of_it(self) -> None:
        runs = [run(context={"truth": 1})]

        assert "truth" not in json.dumps(plans.parameter_spec_from_runs(runs))


class TestHandMadeRuns:
    def kept(self, runs: list[RunSpec], folder: Path = FOLDER) -> list[RunSpec]:
        record = plans.parameter_spec_from_runs(runs)
        return rebuilt(record, folder, explicit_runs=plans.explicit_record(runs, SCRIPT, folder))

    def test_each_keeps_all_that_it_was(self) -> None:
        runs = [
            run(20, overrides={"Sat.SMA": 7000}, seed=2**40, postprocess="hooks:fit"),
            run(
                10,
                overrides={"Sat.ECC": 0.0, "FM.Degree": 4, "Sat.SMA": None, "X": math.nan},
                output_dir=Path("/elsewhere/ten"),
                run_options={"overwrite": True},
                context={"truth": [1, 2.0, {"a": None}]},
            ),
            run(3, overrides={}, output_dir=FOLDER / "deep" / "er"),
        ]

        again = self.kept(runs)

        assert bits(again) == bits(runs)
        assert [each.run_id for each in again] == [20, 10, 3]
        assert type(again[0].overrides["Sat.SMA"]) is int
        assert type(again[1].overrides["Sat.ECC"]) is float

    def test_overrides_reach_gmat_in_their_own_order(self, tmp_path: Path) -> None:
        runs = [run(0, overrides={"Sat.Y": 1, "Sat.X": 2, "Sat.Z": 3})]
        manifest_of(
            plans.parameter_spec_from_runs(runs),
            explicit_runs=plans.explicit_record(runs, SCRIPT, FOLDER),
        ).save(tmp_path / "manifest.jsonl")
        loaded = Manifest.load(tmp_path / "manifest.jsonl")

        [again] = plans.rebuild_runs(loaded, SCRIPT, FOLDER)

        assert list(again.overrides.items()) == [("Sat.Y", 1), ("Sat.X", 2), ("Sat.Z", 3)]

    @modest
    @given(
        st.lists(
            st.builds(
                run,
                st.integers(0, 10**6),
                overrides=st.dictionaries(NAMES, CELLS | st.none(), max_size=3),
                seed=SEEDS | st.none(),
                context=st.dictionaries(NAMES, st.lists(CELLS, max_size=2), max_size=2),
                postprocess=st.none() | st.just("a.b:c"),
            ),
            max_size=4,
        )
    )
    def test_any_runs_are_rebuilt(self, runs: list[RunSpec]) -> None:
        assert bits(self.kept(runs)) == bits(runs)

    def test_folders_inside_the_sweep_move_with_it_and_others_stay(self) -> None:
        runs = [run(0), run(1, output_dir=Path("/elsewhere/one")), run(2, output_dir=FOLDER)]
        record = plans.explicit_record(runs, SCRIPT, FOLDER)

        again = rebuilt({"_kind": "explicit"}, Path("/moved"), explicit_runs=record)

        assert [str(each.output_dir) for each in again] == [
            "/moved/run-0", "/elsewhere/one", "/moved"
        ]  # fmt: skip

    def test_a_relative_folder_is_relative_to_where_the_sweep_was_started(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        runs = [run(0, output_dir=Path("out/run-0")), run(1, output_dir=Path("else/where"))]

        again = self.kept(runs, tmp_path / "out")

        assert [each.output_dir for each in again] == [
            tmp_path / "out" / "run-0", tmp_path / "else" / "where"
        ]  # fmt: skip

    def test_the_script_is_the_one_that_is_given_when_rebuilding(self) -> None:
        record = plans.explicit_record(
            [run(script_path=Path("/old/leo.script"))], Path("/old/leo.script"), FOLDER
        )

        again = rebuilt(plans.parameter_spec_from_runs([]), FOLDER, explicit_runs=record)

        assert [each.script_path for each in again] == [SCRIPT]

    def test_a_run_with_a_script_of_its_own_keeps_it(self) -> None:
        runs = [run(script_path=Path("/somewhere/else.script"))]

        assert self.kept(runs)[0].script_path == Path("/somewhere/else.script")

    def test_a_value_that_json_cannot_hold_is_refused_with_its_place(self) -> None:
        with pytest.raises(SweepConfigError, match=r"run 4\.context\.truth is a set"):
            plans.explicit_record([run(4, context={"truth": {1}})], SCRIPT, FOLDER)


type RandomPlan = Callable[[Mapping[str, Any], int, int | None, Path, Path], plans.Plan]
random_plans = pytest.mark.parametrize(
    ("make", "kind"),
    [
        (plans.monte_carlo_plan, "monte_carlo"),
        (plans.latin_hypercube_plan, "latin_hypercube"),
    ],
    ids=["monte_carlo", "latin_hypercube"],
)


@random_plans
class TestRandomSweeps:
    @modest
    @given(
        perturb=st.dictionaries(NAMES, DISTRIBUTIONS, min_size=1, max_size=3),
        n=st.integers(1, 5),
        seed=SEEDS,
    )
    def test_the_draws_are_rebuilt(
        self, make: RandomPlan, kind: str, perturb: dict[str, Any], n: int, seed: int
    ) -> None:
        plan = make(perturb, n, seed, SCRIPT, FOLDER)

        assert plan.seed == plan.parameter_spec["seed"] == seed
        assert len(plan.runs) == plan.parameter_spec["n"] == n
        assert bits(rebuilt(plan.parameter_spec)) == bits(plan.runs)

    def test_a_sweep_without_a_seed_draws_one_and_records_it(
        self, make: RandomPlan, kind: str
    ) -> None:
        first = make(PERTURB, 2, None, SCRIPT, FOLDER)
        second = make(PERTURB, 2, None, SCRIPT, FOLDER)

        assert isinstance(first.seed, int)
        assert 0 <= first.seed < 2**63
        assert first.seed == first.parameter_spec["seed"]
        assert first.seed != second.seed
        assert bits(rebuilt(first.parameter_spec)) == bits(first.runs)

    def test_the_record_says_what_was_drawn_from(self, make: RandomPlan, kind: str) -> None:
        assert make(PERTURB, 3, 42, SCRIPT, FOLDER).parameter_spec == {
            "_kind": kind,
            "perturb": {
                "Sat.INC": ["uniform", 0.0, 90.0], "Sat.SMA": ["normal", 7100.0, 50.0]
            },
            "n": 3,
            "seed": 42,
        }  # fmt: skip

    def test_a_peers_record_without_its_seed_is_drawn_anew_with_a_warning(
        self, make: RandomPlan, kind: str
    ) -> None:
        record = make(PERTURB, 2, 1, SCRIPT, FOLDER).parameter_spec | {"seed": None}

        with pytest.warns(RuntimeWarning, match="does not record the seed"):
            runs = rebuilt(record)

        assert [each.run_id for each in runs] == [0, 1]
        assert [set(each.overrides) for each in runs] == [set(PERTURB)] * 2

    def test_what_cannot_be_drawn_is_refused_before_a_seed_is(
        self, make: RandomPlan, kind: str
    ) -> None:
        with pytest.raises(SweepConfigError, match=f"{kind} requires n >= 1"):
            make(PERTURB, 0, 1, SCRIPT, FOLDER)
        with pytest.raises(SweepConfigError, match=f"{kind} requires a non-empty perturb"):
            make({}, 1, 1, SCRIPT, FOLDER)
        with pytest.raises(SweepConfigError, match="seed must not be negative"):
            make(PERTURB, 1, -1, SCRIPT, FOLDER)


class TestExtensions:
    @modest
    @given(n=st.integers(1, 4), added=st.integers(1, 4), seed=SEEDS)
    def test_the_base_and_the_extension_are_rebuilt_together(
        self, n: int, added: int, seed: int
    ) -> None:
        record = plans.monte_carlo_plan(PERTURB, n, seed, SCRIPT, FOLDER).parameter_spec
        whole = expand_monte_carlo_to_run_specs(PERTURB, n + added, seed, SCRIPT, FOLDER)

        # The last extension run is the only one of them that ended.
        assert bits(rebuilt(record, entries=[0, n + added - 1])) == bits(whole)

    def test_a_latin_hypercube_has_none(self) -> None:
        plan = plans.latin_hypercube_plan(PERTURB, 2, 1, SCRIPT, FOLDER)

        assert bits(rebuilt(plan.parameter_spec, entries=[0, 1, 5])) == bits(plan.runs)


EXPLICIT = {"_kind": "explicit", "columns": ["a"], "rows": [[1]]}
DRAWN = {"_kind": "monte_carlo", "perturb": {"a": ["normal", 0, 1]}, "n": 2, "seed": 1}
KEPT = plans.explicit_record([run()], SCRIPT, FOLDER)[0]


class TestDamagedRecords:
    @pytest.mark.parametrize("kind", ["banana", "", None, 3, ["grid"]])
    def test_an_unknown_kind_is_refused_with_the_known_ones(self, kind: object) -> None:
        with pytest.raises(SweepConfigError, match="unknown parameter_spec _kind") as caught:
            rebuilt({"_kind": kind, "a": [1]})

        assert repr(kind) in str(caught.value)
        assert all(known in str(caught.value) for known in plans.KINDS)

    @pytest.mark.parametrize(
        "record",
        [
            {"_kind": "grid", "a": 5},
            {"_kind": "grid", "a": []},
            {"_kind": "grid", "a": "xy"},
            {"_kind": "grid", "a": None},
            {"_kind": "explicit"},
            {"_kind": "explicit", "columns": ["a"]},
            {"_kind": "explicit", "rows": [[1]]},
            EXPLICIT | {"columns": "a"},
            EXPLICIT | {"rows": {"0": [1]}},
            EXPLICIT | {"rows": [[1, 2]]},
            EXPLICIT | {"rows": [[]]},
            EXPLICIT | {"rows": [5]},
            {"_kind": "monte_carlo"},
            {"_kind": "latin_hypercube", "perturb": {}, "n": 1, "seed": 1},
            {key: value for key, value in DRAWN.items() if key != "seed"},
            DRAWN | {"n": "2"},
            DRAWN | {"n": 0},
            DRAWN | {"n": 2.0},
            DRAWN | {"seed": "1"},
            DRAWN | {"seed": -1},
            DRAWN | {"perturb": []},
            DRAWN | {"perturb": {"a": "normal"}},
            DRAWN | {"perturb": {"a": ["zaphod", 0, 1]}},
            DRAWN | {"perturb": {"a": {"name": "no_such"}}},
            DRAWN | {"perturb": {"a": {"name": "norm", "args": 5}}},
        ],
        ids=json.dumps,
    )
    def test_a_damaged_record_is_a_config_error(self, record: dict[str, Any]) -> None:
        with pytest.raises(SweepConfigError):
            rebuilt(record)

    @pytest.mark.parametrize(
        "kept",
        [
            {"run_id": 0},
            5,
            [5],
            [{}],
            [{key: value for key, value in KEPT.items() if key != "run_id"}],
            [KEPT | {"run_id": "0"}],
            [KEPT | {"output_dir": 5}],
            [KEPT | {"overrides": 5}],
            [KEPT | {"overrides": [5]}],
        ],
        ids=json.dumps,
    )
    def test_damaged_hand_made_runs_are_a_config_error(self, kept: object) -> None:
        with pytest.raises(SweepConfigError, match="kind 'explicit' is damaged"):
            rebuilt(EXPLICIT, explicit_runs=kept)

    def test_the_message_names_what_is_missing_and_what_to_do(self) -> None:
        with pytest.raises(SweepConfigError) as caught:
            rebuilt({"_kind": "explicit", "columns": ["a"]})

        assert "'explicit' is damaged: ValueError('rows is missing')" in str(caught.value)
        assert str(caught.value).endswith("Restore the manifest from a copy.")

    def test_an_intact_record_is_not_refused(self) -> None:
        assert [len(rebuilt(EXPLICIT)), len(rebuilt(DRAWN))] == [1, 2]
        assert bits(rebuilt(EXPLICIT, explicit_runs=[KEPT])) == bits([run()])


def test_a_plan_is_not_changed_by_a_caller() -> None:
    plan = plans.grid_plan({"a": [1]}, SCRIPT, FOLDER)

    with pytest.raises(AttributeError):
        plan.seed = 3  # type: ignore[misc]
    assert replace(plan, seed=3).seed == 3


def test_a_table_of_a_sobol_analysis_is_marked_for_what_it_is() -> None:
    samples = sobol_sample({"Sat.SMA": ("normal", 7000.0, 5.0)}, 4, seed=1)
    assert plans.samples_plan(samples, SCRIPT, FOLDER).parameter_spec["design"] == "sobol_sample"
    by_hand = pd.DataFrame(samples.to_numpy(), columns=samples.columns)
    assert "design" not in plans.samples_plan(by_hand, SCRIPT, FOLDER).parameter_spec
