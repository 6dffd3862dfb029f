"""The facade: its names, that they are there at once, and that nothing heavy comes with them."""

from __future__ import annotations

import ast
import inspect
import itertools
import json
import logging
import pkgutil
import subprocess
import sys
import types
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

import gmat_sweep
from gmat_sweep import errors

HEAVY = ("pandas", "pyarrow", "numpy", "scipy", "prefect", "tqdm", "dask")
EAGER = {
    "BackendError", "GmatSweepError", "ManifestCorruptError", "RunFailed", "SweepConfigError"
}  # fmt: skip


def fresh(code: str) -> Any:
    """Return the JSON that `code`, in a new interpreter, leaves in ``answer``."""
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"{code}\nimport json\nprint(json.dumps(answer))"],
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


class TestNames:
    def test_every_name_of_all_is_there(self) -> None:
        assert [name for name in gmat_sweep.__all__ if not hasattr(gmat_sweep, name)] == []

    def test_all_has_no_duplicates_and_is_sorted_constants_then_classes_then_the_rest(self) -> None:
        def place(name: str) -> tuple[bool, bool, str]:
            return (not name.isupper(), not name[0].isupper(), name)

        assert len(set(gmat_sweep.__all__)) == len(gmat_sweep.__all__)
        assert gmat_sweep.__all__ == sorted(gmat_sweep.__all__, key=place)

    def test_all_is_what_is_loaded_at_once_and_what_has_a_home(self) -> None:
        assert set(gmat_sweep.__all__) == {*gmat_sweep._HOMES, *EAGER, "__version__"}
        assert not EAGER & set(gmat_sweep._HOMES)

    @pytest.mark.parametrize("name", gmat_sweep._HOMES)
    def test_a_name_is_the_one_of_its_home(self, name: str) -> None:
        home = __import__(f"gmat_sweep.{gmat_sweep._HOMES[name]}", fromlist=[name])

        assert isinstance(home, types.ModuleType)
        assert getattr(gmat_sweep, name) is getattr(home, name)

    def test_type_checkers_find_each_name_where_it_is_at_run_time(self) -> None:
        tree = ast.parse(Path(gmat_sweep.__file__).read_text(encoding="utf-8"))
        [checked] = [
            node
            for node in tree.body
            if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")
        ]
        homes = {
            alias.name: str(node.module).removeprefix("gmat_sweep.")
            for node in checked.body
            if isinstance(node, ast.ImportFrom)
            for alias in node.names
        }

        assert homes == gmat_sweep._HOMES

    @pytest.mark.parametrize("name", ["mc_convergence", "sweep_diff", "sweep_summary"])
    def test_statistics_can_be_imported_from_the_module_of_the_frames(self, name: str) -> None:
        aggregate = __import__("gmat_sweep.aggregate", fromlist=[name])

        assert getattr(aggregate, name) is getattr(gmat_sweep, name)
        assert name in aggregate.__all__

    def test_an_unknown_name_of_the_module_of_the_frames_is_an_attribute_error(self) -> None:
        with pytest.raises(ImportError, match="cannot import name 'sweeep'"):
            from gmat_sweep.aggregate import sweeep  # noqa: F401

    @pytest.mark.parametrize("name", sorted(EAGER))
    def test_the_errors_are_those_of_the_errors_module(self, name: str) -> None:
        assert getattr(gmat_sweep, name) is getattr(errors, name)

    def test_a_star_import_brings_all(self) -> None:
        names = fresh("from gmat_sweep import *\nanswer = sorted(globals())")

        assert set(gmat_sweep.__all__) <= set(names)

    def test_dir_has_the_public_names_and_its_modules_and_nothing_else(self) -> None:
        modules = {module.name for module in pkgutil.iter_modules(gmat_sweep.__path__)}
        listed = dir(gmat_sweep)

        assert listed == sorted(set(listed))
        assert {name for name in listed if not name.startswith("_")} - modules == {
            *gmat_sweep.__all__
        } - {"__version__"} - modules

    def test_dir_is_the_same_before_anything_is_used(self) -> None:
        names = fresh("import gmat_sweep\nanswer = dir(gmat_sweep)")

        assert {name for name in names if not name.startswith("_")} == {
            *gmat_sweep.__all__, "errors", "printable"
        } - {"__version__"}  # fmt: skip

    def test_an_unknown_name_is_an_attribute_error_that_names_it(self) -> None:
        with pytest.raises(AttributeError, match="module 'gmat_sweep' has no attribute 'sweeep'"):
            gmat_sweep.sweeep  # noqa: B018
        with pytest.raises(ImportError, match="cannot import name 'sweeep'"):
            from gmat_sweep import sweeep  # noqa: F401

    def test_the_version_is_that_of_the_distribution(self) -> None:
        assert gmat_sweep.__version__ == version("gmat-sweep")

    def test_without_a_distribution_the_version_is_0(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from importlib import metadata

        def missing(name: str) -> str:
            raise metadata.PackageNotFoundError(name)

        monkeypatch.setattr(metadata, "version", missing)

        assert gmat_sweep.__version__ == "0.0.0"


class TestColdStart:
    @pytest.mark.parametrize("module", ["gmat_sweep", "gmat_sweep.cli", "gmat_sweep.backends"])
    def test_importing_loads_no_heavy_library(self, module: str) -> None:
        assert fresh(
            f"import sys, {module}\nanswer = [name for name in {HEAVY!r} if name in sys.modules]"
        ) == []  # fmt: skip

    def test_the_errors_and_their_text_are_all_that_is_loaded_at_once(self) -> None:
        loaded = fresh(
            "import sys, gmat_sweep\n"
            "answer = [name for name in sys.modules if name.startswith('gmat_sweep.')]"
        )

        assert loaded == ["gmat_sweep.printable", "gmat_sweep.errors"]

    def test_the_command_line_loads_what_reads_its_words_and_no_more(self) -> None:
        loaded = fresh(
            "import sys, gmat_sweep.cli\n"
            "answer = [name for name in sys.modules if name.startswith('gmat_sweep.')]"
        )

        needed = {"disk.paths", "folder.layout", "plans.notation"}
        assert {
            name.removeprefix("gmat_sweep.")
            for name in loaded
            if name.count(".") == 2 and not name.startswith("gmat_sweep.cli.")
        } == needed

    def test_records_and_the_manifest_come_without_heavy_libraries(self) -> None:
        loaded = fresh(
            "import sys, gmat_sweep\n"
            "gmat_sweep.RunSpec, gmat_sweep.Manifest, gmat_sweep.parameter_spec_from_runs\n"
            f"answer = [name for name in {HEAVY!r} if name in sys.modules]"
        )

        assert loaded == []

    def test_a_sweep_of_plain_distributions_begins_without_scipy_and_pandas(self) -> None:
        """They take 0.7 s and 0.4 s of CPU, of the two that a sweep needs to its first run."""
        loaded = fresh(
            "import os, sys\n"
            "from pathlib import Path\n"
            "from gmat_sweep.plans import monte_carlo_plan\n"
            "from gmat_sweep.sweep import Sweep\n"
            "spread = {'normal': 1.0, 'uniform': 9.0, 'lognormal': 0.1}\n"
            "perturb = {f'Sat.{tag}': (tag, 5.0, width) for tag, width in spread.items()}\n"
            "plan = monte_carlo_plan(perturb, 3, 1, Path('a.script'), Path('out'))\n"
            "assert len(list(plan.runs)) == 3\n"
            "answer = [name for name in sys.modules if name.split('.')[0] in {'scipy', 'pandas'}"
            " or name.startswith('gmat_sweep.analysis.nightly.')]"
        )

        assert loaded == []


# What a program may do first, and in which order it may do it.
STEPS = {
    "submodule": "import gmat_sweep.sweep",
    "class": "from gmat_sweep.sweep import Sweep",
    "function": "from gmat_sweep import sweep",
    "attribute": "gmat_sweep.sweep",
    "api": "import gmat_sweep.api",
    "facade class": "gmat_sweep.Sweep",
}


class TestTheTwoSweeps:
    @pytest.mark.parametrize("steps", list(itertools.permutations(STEPS, 2)), ids=" then ".join)
    def test_sweep_is_the_function_in_whatever_order_things_are_imported(
        self, steps: tuple[str, ...]
    ) -> None:
        check = "assert inspect.isfunction(gmat_sweep.sweep), gmat_sweep.sweep"
        lines = [line for step in steps for line in (STEPS[step], check)]

        answer = fresh(
            "\n".join(
                [
                    "import inspect, sys, gmat_sweep",
                    *lines,
                    "from gmat_sweep import sweep",
                    "from gmat_sweep.sweep import Sweep",
                    check,
                    "module = sys.modules['gmat_sweep.sweep']",
                    "answer = [sweep.__module__, Sweep.__module__, module.Sweep is Sweep,",
                    "          sweep is gmat_sweep.sweep, Sweep is gmat_sweep.Sweep]",
                ]
            )
        )

        assert answer == ["gmat_sweep.api", "gmat_sweep.sweep.running", True, True, True]

    def test_reloading_the_submodule_leaves_the_function(self) -> None:
        assert fresh(
            "import importlib, inspect, sys, gmat_sweep.sweep\n"
            "importlib.reload(sys.modules['gmat_sweep.sweep'])\n"
            "del sys.modules['gmat_sweep.sweep']\n"
            "import gmat_sweep.sweep\n"
            "answer = inspect.isfunction(gmat_sweep.sweep)"
        )  # fmt: skip

    def test_a_test_may_put_another_function_in_its_place(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stand_in: Any = len
        with monkeypatch.context() as patch:
            patch.setattr(gmat_sweep, "sweep", stand_in)

            assert gmat_sweep.sweep is stand_in
        assert gmat_sweep.sweep.__module__ == "gmat_sweep.api"

    def test_other_submodules_are_bound_as_usual(self) -> None:
        assert fresh(
            "import types, gmat_sweep.manifest\n"
            "answer = isinstance(gmat_sweep.manifest, types.ModuleType)"
        )

    def test_all_three_entry_points_take_their_options_by_name_only(self) -> None:
        for entry in (gmat_sweep.sweep, gmat_sweep.monte_carlo, gmat_sweep.latin_hypercube):
            first, *rest = inspect.signature(entry).parameters.values()
            assert first.name == "mission"
            assert {each.kind for each in rest} == {inspect.Parameter.KEYWORD_ONLY}


class TestLogging:
    def test_the_logger_is_at_warning_unless_it_was_set(self) -> None:
        assert fresh(
            "import logging, gmat_sweep\nanswer = logging.getLogger('gmat_sweep').level"
        ) == logging.WARNING  # fmt: skip

    def test_a_level_that_was_set_before_the_import_is_kept(self) -> None:
        assert fresh(
            "import logging\n"
            "logging.getLogger('gmat_sweep').setLevel(logging.DEBUG)\n"
            "import gmat_sweep\n"
            "answer = logging.getLogger('gmat_sweep').level"
        ) == logging.DEBUG  # fmt: skip
