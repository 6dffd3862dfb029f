"""The site of the documentation builds without a warning, needs no network and lacks no name."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

import gmat_sweep
from repository import PROJECT

# The import paths that users rely on.
PUBLIC_MODULES = [
    "gmat_sweep",
    *(
        f"gmat_sweep.{name}"
        for name in (
            "aggregate",
            "analysis",
            "api",
            "archive",
            "backends",
            "backends.base",
            "backends.dask",
            "backends.debug",
            "backends.joblib",
            "backends.process_pool",
            "backends.ray",
            "cli",
            "distributions",
            "doctor",
            "errors",
            "export",
            "flows",
            "grids",
            "manifest",
            "plotting",
            "reporting",
            "sensitivity",
            "spec",
            "sweep",
            "worker",
        )
    ),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the site as `make docs` does."""
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", folder],
        cwd=PROJECT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
    )

    assert (built.returncode, built.stdout, built.stderr) == (0, "", "")
    return folder


@pytest.fixture(scope="module")
def documented(site: Path) -> dict[str, str]:
    """Return where the reference has each name: its page and anchor, by the name's full path."""
    _, _, packed = (site / "objects.inv").read_bytes().partition(b"zlib.\n")
    lines = zlib.decompress(packed).decode().splitlines()
    return {name: uri.replace("$", name) for name, _, _, uri, _ in (line.split() for line in lines)}


@pytest.mark.parametrize("module", PUBLIC_MODULES)
def test_the_reference_has_every_public_name(
    module: str, documented: dict[str, str], site: Path
) -> None:
    home = importlib.import_module(module)

    for name in set(home.__all__) - {"__version__"}:
        value = getattr(home, name)
        defined = f"{getattr(value, '__module__', module)}.{name}"
        uri = documented.get(f"{module}.{name}") or documented.get(defined)

        assert uri is not None, f"{module}.{name} is not in the reference"
        page, _, anchor = uri.partition("#")
        assert f'id="{anchor}"' in (site / page).read_text(encoding="utf-8"), uri


@pytest.mark.parametrize("name", ["Manifest", "Pool", "RunOutcome", "RunSpec", "Sweep"])
def test_the_reference_has_every_public_method(name: str, documented: dict[str, str]) -> None:
    kind = getattr(gmat_sweep, name)
    members = [
        each for each in dir(kind) if not each.startswith("_") and callable(getattr(kind, each))
    ]
    lacking = [each for each in members if f"{kind.__module__}.{name}.{each}" not in documented]

    assert lacking == []


def test_a_parameter_has_the_type_of_its_own(site: Path) -> None:
    page = (site / "api" / "sweeps.html").read_text(encoding="utf-8")
    text = re.sub(r"<[^>]+>|\s", "", page.partition('id="gmat_sweep.api.latin_hypercube"')[2])

    assert "n(int)" in text.partition("Raises:")[0], "it stands in one line with mission, a path"


def test_the_parameters_of_a_flow_are_listed(site: Path) -> None:
    page = (site / "api" / "flows.html").read_text(encoding="utf-8")

    assert "Args:" not in page
    assert page.count("Parameters:") == 3


def test_the_index_of_the_reference_links_every_name_of_the_package(site: Path) -> None:
    index = (site / "api" / "index.html").read_text(encoding="utf-8")
    linked = set(re.findall(r'href="[\w-]+\.html#gmat_sweep\.[\w.]*?(\w+)"', index))

    assert set(gmat_sweep.__all__) - {"__version__"} <= linked


def test_the_page_on_reliability_has_the_table_of_tests(site: Path) -> None:
    page = (site / "reliability.html").read_text(encoding="utf-8")

    assert "test_cut_at_every_byte_the_whole_entries_are_kept_and_more_can_follow" in page
    assert "tests of the promises -->" not in page


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    loads = re.compile(
        r'(?:<script[^>]*\ssrc|<img[^>]*\ssrc|<link[^>]*\shref)="?((?:https?:)?//[^" >]+)'
    )

    for page in site.rglob("*.html"):
        assert loads.findall(page.read_text(encoding="utf-8")) == [], page
