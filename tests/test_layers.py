"""Imports go downwards only, and modules stay small: the picture in the design, enforced.

::

     flows/  deployments/            entry points for Prefect, outside the package
     cli  api  flows  doctor         what users call
     sweep                           runs, a pool and a manifest, bound together
     flow                            the flow's run; with flows, all that imports prefect
     backends                        where runs execute
     aggregate  analysis  plotting   what it means; a page (reporting), a bundle (archive) or paths
                                     (export) to send
     verdicts                        whether requirements are met
     worker                          one run
     plans: grids distributions      what to run
     manifest  folder  failure_kinds what came out
     mission  engine  disk           the script; where GMAT is; what stands on the file system
     spec  errors  causes  remedies  the records that travel
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from importlib.util import find_spec
from pathlib import Path

import pytest

import gmat_sweep
from gmat_sweep.folder import layout

SOURCE = Path(gmat_sweep.__file__).parent
FACADE = "gmat_sweep"
MOST_LINES = 600
INTERNALS = {
    "flow.prefect_internals": "prefect",
    "backends.cluster.dask_internals": "distributed",
    "backends.cluster.ray_internals": "ray",
}
# What the libraries document, and all that other modules may import of them.
PUBLIC = {
    "dask.config", "dask.utils", "distributed", "distributed.deploy",
    "prefect", "prefect.cache_policies", "prefect.client.orchestration",
    "prefect.client.schemas.actions", "prefect.client.schemas.filters",
    "prefect.client.schemas.objects", "prefect.events",
    "prefect.exceptions", "prefect.futures", "prefect.logging", "prefect.runtime",
    "prefect.runtime.flow_run", "prefect.settings", "prefect.states", "prefect.task_runners",
    "prefect.tasks", "prefect_dask", "prefect_ray", "ray", "ray.exceptions",
}  # fmt: skip
# Public modules have these, too.
NOT_FOR_USERS = {"prefect.exceptions.ExternalSignal", "prefect.exceptions.TerminationSignal"}
LIBRARIES = {"dask", "distributed", "prefect", "prefect_dask", "prefect_ray", "ray"}
LAID_OUT = {value for name in layout.__all__ if isinstance(value := getattr(layout, name), str)}

# From the bottom up. A name stands for a module or for a whole package; the record of how to run
# a sweep is part of the flow's job, too, and reports name the command that resumes one.
LAYERS = (
    {
        "amounts",
        "causes",
        "console",
        "errors",
        "full_gmat",
        "import_places",
        "lazy_names",
        "limits",
        "notebook",
        "printable",
        "remedies",
        "spec",
        "stamps",
    },
    {"disk", "mission", "engine"},
    {"manifest", "folder", "failure_kinds"},
    {"distributions", "draws", "grids", "lazy_runs", "plans", "sweep.recorded_script"},
    {"worker"},
    {
        "aggregate",
        "analysis",
        "archive",
        "export",
        "plotting",
        "reporting",
        "sensitivity",
        "verdicts",
    },
    {"backends"},
    {"flow", "sweep.options"},
    {"sweep"},
    {"study"},
    {"api", "cli", "doctor", "flows", "quasi", FACADE},
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


def tree_of(path: Path) -> ast.Module:
    """Return the syntax tree of a file."""
    return ast.parse(path.read_text(encoding="utf-8"))


def is_internal(name: str) -> bool:
    """Return whether an imported name is one of Prefect's, Dask's or Ray's that is not public."""
    if name.partition(".")[0] not in LIBRARIES:
        return False
    if name in PUBLIC:
        return False
    module, _, last = name.rpartition(".")
    is_public = module in PUBLIC and not last.startswith("_") and name not in NOT_FOR_USERS
    return not is_public or is_module(name)


def is_module(name: str) -> bool:
    """Return whether an installed library has a module of that name; nothing is imported."""
    library, *rest = name.split(".")
    spec = find_spec(library)
    assert spec is not None
    assert spec.submodule_search_locations is not None
    path = Path(spec.submodule_search_locations[0], *rest)
    return path.is_dir() or path.with_suffix(".py").is_file()


def private_attributes(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the line and the name of each private attribute that is read or set, on any object.

    Those that are given as text to ``getattr`` and its kin count.
    """
    for node in ast.walk(tree):
        names: list[object] = []
        if isinstance(node, ast.Attribute):
            names = [node.attr]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("attr"):
            names = [each.value for each in node.args if isinstance(each, ast.Constant)]
        for name in names:
            if isinstance(name, str) and name.startswith("_") and not name.startswith("__"):
                assert isinstance(node, ast.expr)
                yield node.lineno, name


def private_names_made(tree: ast.Module) -> Iterator[str]:
    """Yield the private names that a module itself defines, or sets on ``self`` or ``cls``.

    A library's attribute that happens to have such a name is taken for our own.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif (
            isinstance(node, ast.Attribute)
            and isinstance(node.ctx, ast.Store)
            and ast.unparse(node.value) in {"self", "cls"}
        ):
            yield node.attr


OWN_PRIVATE_NAMES = {
    name
    for module in MODULES.keys() - INTERNALS.keys()
    for name in private_names_made(tree_of(MODULES[module]))
    if name.startswith("_")
}


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


@pytest.mark.parametrize("module", sorted(MODULES.keys() - INTERNALS.keys()))
def test_only_public_modules_of_prefect_dask_and_ray_are_imported(module: str) -> None:
    internal = [
        f"{MODULES[module].name}:{line} imports {name}"
        for line, name in imported(MODULES[module])
        if is_internal(name)
    ]

    assert internal == [], f"it belongs into one of {', '.join(INTERNALS)}"


@pytest.mark.parametrize(
    "module",
    sorted(
        module
        for module in MODULES.keys() - INTERNALS.keys()
        if module.partition(".")[0] in {"backends", "flow", "flows"}
    ),
)
def test_private_attributes_of_other_libraries_are_named_in_the_internals_alone(
    module: str,
) -> None:
    foreign = [
        f"{MODULES[module].name}:{line} names {name}"
        for line, name in private_attributes(tree_of(MODULES[module]))
        if name not in OWN_PRIVATE_NAMES
    ]

    assert foreign == [], f"it belongs into one of {', '.join(INTERNALS)}"


@pytest.mark.parametrize(("module", "library"), INTERNALS.items())
def test_each_of_the_internals_is_about_one_library(module: str, library: str) -> None:
    named = {name.partition(".")[0] for _, name in imported(MODULES[module])}

    assert named & LIBRARIES == {library}


@pytest.mark.parametrize("module", sorted(MODULES.keys() - {"folder.layout"}))
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


def test_the_walk_sees_what_is_not_public(tmp_path: Path) -> None:
    path = tmp_path / "probe.py"
    path.write_text(
        "from prefect.context import FlowRunContext\n"
        "from prefect.exceptions import PrefectException, TerminationSignal\n"
        "import distributed.worker_memory, dask.config\n"
        "from ray import _private, init\n"
        "def late(scheduler, cluster):\n"
        "    self._own = scheduler._broker\n"
        "    scheduler._limit = getattr(cluster, '_adaptive', None)\n"
        "    self._own.__class__\n"
    )

    assert [name for _, name in imported(path) if is_internal(name)] == [
        "prefect.context.FlowRunContext",
        "prefect.exceptions.TerminationSignal",
        "distributed.worker_memory",
        "ray._private",
    ]
    tree = tree_of(path)
    assert {name for _, name in private_attributes(tree)} - {*private_names_made(tree)} == {
        "_broker", "_limit", "_adaptive",
    }  # fmt: skip
