"""Imports go downwards only, and modules stay small: the picture in the design, enforced.

::

     flows/  deployments/            entry points for Prefect, outside the package
     cli  api  flows  doctor         what users call
     sweep                           runs, a pool and a manifest, bound together
     flow                            the flow's run; with flows, all that imports prefect
     backends                        where runs execute
     aggregate  analysis  plotting   what it means, and a bundle to send (archive)
     worker                          one run
     plans: grids distributions      what to run
     manifest  folder                what came out
     mission  engine  disk           the script; where GMAT is; what stands on the file system
     spec  errors  causes            the records that travel
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import gmat_sweep
from gmat_sweep.folder import layout

SOURCE = Path(gmat_sweep.__file__).parent
FACADE = "gmat_sweep"
MOST_LINES = 600
LAID_OUT = {value for name in layout.__all__ if isinstance(value := getattr(layout, name), str)}

# From the bottom up. A name stands for a module or for a whole package; the record of how to run
# a sweep is part of the flow's job, too.
LAYERS = (
    {"causes", "errors", "notebook", "spec"},
    {"disk", "mission", "engine"},
    {"manifest", "folder"},
    {"distributions", "grids", "lazy_runs", "plans"},
    {"worker"},
    {"aggregate", "analysis", "archive", "plotting", "sensitivity"},
    {"backends"},
    {"flow", "sweep.options"},
    {"sweep"},
    {"api", "cli", "doctor", "flows", FACADE},
)


def name_of(path: Path) -> str:
    """Return the dotted name of a source file, with the package's own name left out."""
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__") or FACADE


MODULES = {name_of(path): path for path in sorted(SOURCE.rglob("*.py"))}


def imported(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and the full name of all that a file imports, wherever in it.

    Imports inside functions and for type checking count, and so do the names that are given as
    text to ``import_module``.
    """
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports relatively"
            assert node.module is not None
            for alias in node.names:
                yield node.lineno, f"{node.module}.{alias.name}"
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            for argument in node.args:
                if isinstance(argument, ast.Constant):
                    yield node.lineno, str(argument.value)


def own_imports(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the line and the name in `MODULES` of what a file imports from this package."""
    for line, name in imported(path):
        package, _, rest = name.partition(".")
        if package != FACADE:
            continue
        # `from gmat_sweep.errors import X` names X in a module, `from gmat_sweep import errors`
        # the module itself.
        candidates = (rest, rest.rpartition(".")[0], FACADE)
        yield line, next(each for each in candidates if each in MODULES)


def layer(module: str) -> int:
    """Return the number of a module's layer, counted from the bottom."""
    for name in (module, module.partition(".")[0]):
        places = [number for number, names in enumerate(LAYERS) if name in names]
        if places:
            break
    assert len(places) == 1, f"{module} needs one place in LAYERS, at the height where it belongs"
    return places[0]


@pytest.mark.parametrize("module", MODULES)
def test_every_module_has_its_place_and_imports_go_downwards_only(module: str) -> None:
    height = layer(module)
    upwards = [
        f"{MODULES[module].name}:{line} imports {other}"
        for line, other in own_imports(MODULES[module])
        if layer(other) > height
    ]

    assert upwards == []


def test_no_module_imports_itself_through_others() -> None:
    # The facade and the packages' own `__init__` name their modules without loading them.
    graph = {
        module: {other for _, other in own_imports(path) if other != module}
        for module, path in MODULES.items()
        if path.name != "__init__.py"
    }

    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"modules import each other in a circle: {' -> '.join(error.args[1])}")


def test_prefect_is_imported_by_the_flows_alone() -> None:
    importers = {
        module
        for module, path in MODULES.items()
        for _, name in imported(path)
        if name.partition(".")[0].startswith("prefect")
    }

    assert importers
    assert {module.partition(".")[0] for module in importers} == {"flow", "flows"}


@pytest.mark.parametrize("module", sorted(MODULES.keys() - {"folder.layout", "disk.lock"}))
def test_the_names_in_a_sweep_folder_are_spelt_in_the_layout_alone(module: str) -> None:
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    spelt = {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }

    assert spelt & LAID_OUT == set()


@pytest.mark.parametrize("module", MODULES)
def test_no_module_is_longer_than_600_lines(module: str) -> None:
    lines = MODULES[module].read_text(encoding="utf-8").count("\n")

    assert lines <= MOST_LINES, "two modules are in this one"


def test_the_walk_sees_imports_wherever_they_are(tmp_path: Path) -> None:
    path = tmp_path / "probe.py"
    path.write_text(
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n"
        "    from gmat_sweep.api import sweep\n"
        "def late():\n"
        "    import gmat_sweep.flow.job, prefect.states\n"
        "    from gmat_sweep import errors, RunSpec\n"
        "    from gmat_sweep.cli import show, main\n"
        "    importlib.import_module('gmat_sweep.plans')\n"
    )

    assert sorted(own_imports(path)) == [
        (3, "api"), (5, "flow.job"), (6, "errors"), (6, FACADE), (7, "cli"), (7, "cli.show"),
        (8, "plans"),
    ]  # fmt: skip
    assert (5, "prefect.states") in list(imported(path))
