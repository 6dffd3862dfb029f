"""The documentation says what is so: its code runs, its output is real, its links lead somewhere.

Every fenced block of ``docs/**/*.md`` and ``README.md`` that holds Python or shell commands is run,
in a copy of the repository's layout. A ``text`` block right after one is what it prints, ``...`` in
it stands for anything. The page on deployments needs a server with a worker, and is run by
deployments/test_running.py.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue

import pytest

from doc_pages import BESIDE_A_WORKER, NOT_RUN, blocks_of, page_program, programs_of
from repository import PROJECT

PAGES = [
    "README.md",
    *sorted(path.relative_to(PROJECT).as_posix() for path in (PROJECT / "docs").rglob("*.md")),
]

SUBJECTS = {
    "sweeps",
    "monte-carlo",
    "aggregation",
    "clusters",
    "postprocess",
    "nightly",
    "resume",
    "manifest-format",
    "cli",
    "deployments",
    "plotting",
    "verdicts",
    "libraries",
    "glossary",
    "api/index",
    "decisions/index",
}
"""The pages that there must be."""


RUN = [page for page in PAGES if programs_of(page) and page != BESIDE_A_WORKER]


def run_page(page: str, folder: Path, server: str, cores: SimpleQueue[int | None]) -> list[str]:
    """Run a page in a folder laid out like the repository; return what each block printed."""
    shutil.copytree(PROJECT / "examples", folder / "examples")
    core = cores.get()
    try:
        done = page_program(page, folder, server, core)
    finally:
        cores.put(core)
    assert done.returncode == 0, f"{page} does not run:\n{done.stderr}"
    outputs: list[str] = json.loads(done.stdout)
    return outputs


def cores_to_use() -> list[int | None]:
    """Return the cores that pages may have, one each; two of no name where the system has none."""
    if not hasattr(os, "sched_getaffinity"):
        return [None, None]
    return [*sorted(os.sched_getaffinity(0))[:4]]


@dataclasses.dataclass(frozen=True)
class PageRun:
    """A page under way, and where it runs."""

    folder: Path
    outputs: Future[list[str]]


@pytest.fixture(scope="module")
def runs(
    request: pytest.FixtureRequest, prefect_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, PageRun]]:
    """Run the pages that the chosen tests need, some at a time, beside one Prefect server."""
    needed = {
        str(item.callspec.params["page"])
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.module is request.module
        if "runs" in item.fixturenames
    }
    cores: SimpleQueue[int | None] = SimpleQueue()
    for core in cores_to_use():
        cores.put(core)
    with ThreadPoolExecutor(cores.qsize()) as threads:
        started = {}
        for page in sorted(needed):
            folder = tmp_path_factory.mktemp(Path(page).stem)
            outputs = threads.submit(run_page, page, folder, prefect_url, cores)
            started[page] = PageRun(folder, outputs)
        yield started


def matches(shown: str, printed: str, *, from_shell: bool) -> bool:
    """Return whether a page shows what was printed, but for what changes from run to run.

    That is: blanks at the end of lines, durations, and what the page leaves open with ``...``. A
    shell command prints durations with two decimals in its tables, too.
    """

    def stable(text: str) -> str:
        lines = "\n".join(line.rstrip() for line in text.strip().splitlines())
        lines = re.sub(r"\d+\.\d+ s\b", "_ s", lines)
        return re.sub(r"\b\d+\.\d\d\b", "_", lines) if from_shell else lines

    pattern = re.escape(stable(shown)).replace(re.escape("..."), ".*?")
    return re.fullmatch(pattern, stable(printed), re.DOTALL) is not None


@pytest.mark.services
@pytest.mark.parametrize("page", RUN)
def test_the_code_of_a_page_runs_and_prints_what_the_page_shows(
    page: str, runs: dict[str, PageRun]
) -> None:
    outputs = runs[page].outputs.result()

    for block, printed in zip(programs_of(page), outputs, strict=True):
        if block.shown is not None:
            assert matches(block.shown, printed, from_shell=block.language != "python"), (
                f"{page}, line {block.line}: the page shows\n{block.shown}\nbut the code prints\n"
                f"{printed}"
            )


@pytest.mark.services
@pytest.mark.parametrize("page", RUN)
def test_every_key_of_every_manifest_that_a_page_writes_is_documented(
    page: str, runs: dict[str, PageRun]
) -> None:
    runs[page].outputs.result()
    tables = (PROJECT / "docs" / "manifest-format.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^\| `([^`]+)` \|", tables, re.MULTILINE))

    for manifest in runs[page].folder.rglob("manifest.jsonl"):
        for line in manifest.read_text(encoding="utf-8").splitlines():
            keys = json.loads(line).keys() if line.endswith("}") else set()

            assert keys <= documented, manifest


@pytest.mark.services
@pytest.mark.parametrize("page", RUN)
def test_the_code_of_a_page_draws_the_pictures_that_the_page_shows(
    page: str, runs: dict[str, PageRun]
) -> None:
    runs[page].outputs.result()
    text = (PROJECT / page).read_text(encoding="utf-8")
    shown = re.findall(r"!\[[^\]]+\]\(pictures/([^)]+)\)", text)

    # `make pages` draws those of the UI.
    drawn = [name for name in shown if not name.startswith("ui-")]
    assert [name for name in drawn if not (runs[page].folder / name).is_file()] == []


def test_the_pictures_of_the_ui_are_those_that_the_browser_test_takes() -> None:
    page = (PROJECT / BESIDE_A_WORKER).read_text(encoding="utf-8")
    takes = (PROJECT / "tests" / "deployments/test_pages.py").read_text(encoding="utf-8")

    shown = re.findall(r"!\[[^\]]+\]\(pictures/([^)]+)\.png\)", page)
    assert sorted(shown) == sorted(re.findall(r'picture\(page, "([^"]+)"', takes))


@pytest.mark.services
@pytest.mark.parametrize("page", ["docs/manifest-format.md"])
def test_the_header_and_the_entry_shown_have_the_keys_of_real_ones(
    page: str, runs: dict[str, PageRun]
) -> None:
    runs[page].outputs.result()
    header, entry = (
        json.loads(block.code) for block in blocks_of(page) if block.language == "json"
    )
    lines = (runs[page].folder / "sample/manifest.jsonl").read_text(encoding="utf-8").splitlines()

    assert json.loads(lines[0]).keys() == header.keys()
    assert json.loads(lines[1]).keys() == entry.keys()


def test_a_block_that_shows_something_else_than_what_is_printed_is_found() -> None:
    assert matches("3 runs (3 ok) in 0.61 s", "3 runs (3 ok) in 12.00 s\n", from_shell=True)
    assert matches("a ... c\n...\nz", "a b c\nd\ne\nz", from_shell=False)
    assert not matches("3 runs (3 ok) in 0.61 s", "3 runs (2 ok) in 0.61 s", from_shell=True)
    assert not matches("mean 1.25", "mean 1.26", from_shell=False)


def test_every_program_shown_is_run_or_is_listed_with_the_reason_why_not() -> None:
    languages = {block.language for page in PAGES for block in blocks_of(page)}
    left_out = [
        command
        for page in PAGES
        for block in blocks_of(page)
        if block.language in {"sh", "console"} and not block.is_program
        for line in block.code.splitlines()
        if (command := line.partition("#")[0].strip())
    ]

    assert languages <= {"", "text", "python", "sh", "console", "json", "pyi", "toml", "yaml"}
    assert set(left_out) == NOT_RUN.keys(), "the list names what is not run, and nothing else"


def test_there_is_a_page_per_subject() -> None:
    assert {f"docs/{subject}.md" for subject in SUBJECTS} <= set(PAGES)


@pytest.mark.parametrize("index", [page for page in PAGES if page.endswith("/index.md")])
def test_an_index_links_every_page_of_its_folder_and_the_index_of_every_folder_in_it(
    index: str,
) -> None:
    folder = (PROJECT / index).parent
    pages = {*folder.glob("*.md"), *folder.glob("*/index.md")} - {PROJECT / index}
    links = re.findall(r"\]\(([\w/-]+\.md)\)", (PROJECT / index).read_text(encoding="utf-8"))

    assert pages <= {folder / link for link in links}


@pytest.mark.parametrize("page", PAGES)
def test_every_link_between_pages_leads_to_a_file_and_a_heading(page: str) -> None:
    text = without_blocks(page)

    for target, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)", text):
        path = (PROJECT / page).parent / target if target else PROJECT / page
        assert path.exists(), f"{page} links {target}"
        # Names of this package are anchors of the built reference: test_site.py looks at those.
        if anchor and not anchor.startswith("gmat_sweep."):
            assert anchor in anchors_of(path), f"{page} links {target}#{anchor}"


def without_blocks(page: str | Path) -> str:
    """Return a page without its fenced blocks."""
    text = (PROJECT / page).read_text(encoding="utf-8")
    return re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)


def anchors_of(page: Path) -> set[str]:
    """Return what the headings of a page are linked as: lower case, no punctuation, ``-``."""
    found: Counter[str] = Counter()
    anchors = set()
    for heading in re.findall(r"^#+ (.+)$", without_blocks(page), re.MULTILINE):
        anchor = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        anchors.add(f"{anchor}-{found[anchor]}" if found[anchor] else anchor)
        found[anchor] += 1
    return anchors
