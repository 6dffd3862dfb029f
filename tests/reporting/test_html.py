"""The page of a report: what it says, that it is exact, and that no text becomes a program."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cli_sweeps import SCRIPT
from gmat_sweep.analysis import runs_table
from gmat_sweep.backends.joblib import LocalJoblibPool
from gmat_sweep.cli import main
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.manifest import Manifest
from gmat_sweep.mission.script import canonical_script_sha256
from gmat_sweep.reporting import collected, html_report
from gmat_sweep.sweep import Sweep
from gmat_sweep.verdicts.judging import judge
from judged_sweeps import JudgedSweep
from reported_sweep import REQUIRED, reported_sweep

HOSTILE = '</script><img src=x onerror="hack()"> <b>bold</b> & {{ 7 * 7 }} \x1b[31m \u202e \u2028'


class Page(HTMLParser):
    """What a browser makes of a page: its elements, the text of each, its data."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.scripts: list[str] = []
        self.text = ""
        self._inside = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        self._inside = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.scripts[-1] += data
        elif self._inside != "style":
            self.text += data

    @property
    def data(self) -> Any:
        return json.loads(self.scripts[0])


def page_of(path: Path) -> Page:
    return Page(path.read_text(encoding="utf-8"))


def decoded(column: dict[str, Any], rows: int) -> np.ndarray[Any, Any]:
    """Return a column of the page as the page's program reads it."""
    if "same" in column:
        return np.full(rows, np.nan if column["same"] is None else column["same"])
    return np.frombuffer(base64.b64decode(column["data"]), "<f8")


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return reported_sweep(tmp_path_factory.mktemp("sweep") / "mc", 120)


@pytest.fixture(scope="module")
def page(sweep: Path) -> Page:
    return page_of(html_report(sweep, sweep.parent / "report.html", REQUIRED_LIST))


REQUIRED_LIST = REQUIRED["requirement"]


def test_the_page_says_the_verdicts_that_judge_gives(sweep: Path, page: Page) -> None:
    verdicts = judge(sweep, REQUIRED_LIST)

    assert verdicts.headline in page.text
    for each in verdicts.requirements:
        assert each.requirement.statement in page.text
        assert each.text in page.text
    assert page.data["violating"] == {
        each.name: list(each.violating_runs) for each in verdicts.requirements
    }


def test_the_page_says_what_repeats_the_sweep(sweep: Path, page: Page) -> None:
    assert "5c" * 32 in page.text
    assert hashlib.sha256(sweep.read_bytes()).hexdigest() in page.text
    assert "GMAT R2026a, gmat-sweep 0.1.0, gmat-run 0.6.0, Python 3.12.3" in page.text
    assert f"gmat-sweep replay {sweep} --run RUN" in page.text
    assert '"perturb": {' in page.text
    assert (
        "monte carlo, n = 120 and the nominal run" in page.text or "n = 120, seed 42" in page.text
    )


def test_failures_stand_by_cause_and_place_with_the_command_that_flies_one_again(
    sweep: Path, page: Page
) -> None:
    failed = [entry.run_id for entry in Manifest.load(sweep).entries if entry.status == "failed"]

    assert failed
    assert "GMAT raised GmatBaseException: no such orbit" in page.text
    assert "all with Sat.DryMass < 600" in page.text
    assert f"gmat-sweep replay {sweep} --run {failed[0]}" in page.text


def test_the_worst_runs_stand_with_their_replay_command(sweep: Path, page: Page) -> None:
    for each in judge(sweep, REQUIRED_LIST).requirements:
        run_id, value = each.worst_runs[0]
        assert f"gmat-sweep replay {sweep} --run {run_id}" in page.text
        assert f"{value:.6g} km" in page.text


def test_numbers_are_those_of_the_table_of_runs_bit_for_bit(sweep: Path, page: Page) -> None:
    table = runs_table(sweep)
    columns = {each["name"]: each for each in page.data["columns"]}
    run_ids = np.frombuffer(base64.b64decode(page.data["runs"]), "<i4")

    assert run_ids.tolist() == table.index.tolist()
    for name in ("Sat.DryMass", "Injection.Element2", "Final.Sat.Earth.RadApo", "duration_s"):
        expected = table[name].to_numpy(dtype=np.float64)[1:]
        assert decoded(columns[name], len(table))[1:].tobytes() == expected.tobytes()


def test_what_a_requirement_measures_is_a_column_with_its_limits(page: Page) -> None:
    columns = {each["name"]: each for each in page.data["columns"]}
    rows = len(base64.b64decode(page.data["runs"])) // 4
    apogee = columns["apogee: final Sat.Earth.RadApo"]

    assert (apogee["unit"], apogee["limits"]) == ("km", [41964, 42364])
    assert columns["perigee: final Sat.Earth.RadPer"]["limits"] == [6600, None]
    reported = decoded(columns["Final.Sat.Earth.RadApo"], rows)
    assert decoded(apogee, rows).tobytes() == reported.tobytes()


def test_the_nominal_run_has_the_inputs_that_the_header_knows(page: Page) -> None:
    columns = {each["name"]: each for each in page.data["columns"]}

    assert decoded(columns["Injection.Element1"], 121)[0] == 2.4257
    assert np.isnan(decoded(columns["Sat.DryMass"], 121)[0])


def test_an_angle_is_drawn_about_its_mean_and_the_first_axes_hang_together(page: Page) -> None:
    columns = {each["name"]: each for each in page.data["columns"]}

    turn = columns["Sat.RAAN"]["turn"]
    assert min(abs(turn), abs(turn - 360)) < 0.2
    assert columns["Sat.DryMass"]["turn"] is None
    assert page.data["start"]["x"] == "Injection.Element1"
    assert page.data["start"]["y"] == "apogee: final Sat.Earth.RadApo"


def test_the_page_runs_its_programs_and_may_load_nothing(sweep: Path) -> None:
    found = page_of(html_report(sweep, sweep.parent / "report.html"))
    policy = next(value for name, value in found.attributes if name == "content" and "src" in value)
    hashes = {
        "sha256-" + base64.b64encode(hashlib.sha256(each.encode()).digest()).decode()
        for each in found.scripts[1:]
    }

    assert policy.startswith("default-src 'none'; ")
    assert set(re.findall(r"'(sha256-[^']*)'", policy)) == hashes
    assert len(hashes) == 3
    links = [value for name, value in found.attributes if name in {"href", "src", "action"}]
    assert all(each.startswith(("#", "data:")) for each in links)


def test_no_text_of_a_sweep_becomes_an_element_a_program_or_a_control_character(
    tmp_path: Path,
) -> None:
    name = f'Sat.{HOSTILE}"'
    sweep = JudgedSweep(
        tmp_path / "s",
        3,
        parameter_spec={"perturb": {name: ["normal", 0, 1]}},
        extra={"mission": HOSTILE},
    )
    sweep.add(0, 1.0, overrides={name: HOSTILE}).add(1, 2.0, overrides={name: "x"})
    sweep.fail(2, stderr=HOSTILE, overrides={name: HOSTILE})
    required = [{"name": "r", "column": "Sat.Earth.RadApo", "limit": "> 1.5", "probability": 0.5}]

    path = html_report(sweep.path, tmp_path / "r.html", required)
    found, text = page_of(path), path.read_text(encoding="utf-8")

    assert len(found.scripts) == 4
    assert "img" not in found.tags
    assert "b" not in found.tags
    assert "onerror=" in found.text
    assert "{{ 7 * 7 }}" in found.text
    assert "\\x1b[31m" in found.text
    # plotly.js has such characters of its own.
    own = text.replace(found.scripts[1], "")
    assert not set("\x1b\u202e\u2028") & set(own)
    assert any("</script>" in each["name"] for each in found.data["columns"])


def test_a_page_that_cannot_hold_all_runs_has_those_that_matter_and_says_so(
    sweep: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(collected, "MOST_ROWS", 90)
    verdicts = judge(sweep, REQUIRED_LIST)
    needed = {run_id for each in verdicts.requirements for run_id in each.violating_runs}
    needed |= {run_id for each in verdicts.requirements for run_id, _ in each.worst_runs[:5]}

    found = page_of(html_report(sweep, tmp_path / "r.html", REQUIRED_LIST))
    run_ids = np.frombuffer(base64.b64decode(found.data["runs"]), "<i4").tolist()

    assert len(run_ids) == len(set(run_ids)) == 90
    assert run_ids == sorted(run_ids)
    assert needed | {-1} <= set(run_ids)
    assert "have 90 of 121 runs" in found.text


def test_wide_tables_cost_rows_so_that_the_page_stays_small(
    sweep: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = [each for each in collected.collect(sweep).data["columns"] if "data" in each]
    monkeypatch.setattr(collected, "MOST_BYTES", 11 * len(columns) * 60)

    found = collected.collect(sweep)

    size = sum(len(each.get("data", "")) for each in found.data["columns"])
    assert size <= 11 * len(columns) * 60
    assert found.said["shown"] > 45


def test_verdicts_of_an_earlier_judgement_are_shown_and_how_many_runs_they_count(
    tmp_path: Path,
) -> None:
    sweep = JudgedSweep(tmp_path / "s", 4)
    for run_id in range(3):
        sweep.add(run_id, 7000.0)
    required = [{"name": "r", "column": "Sat.Earth.RadApo", "limit": "< 8000", "probability": 0.5}]
    judged = judge(sweep.path, required)
    sweep.add(3, 7000.0)

    found = page_of(html_report(sweep.path, tmp_path / "r.html"))

    assert judged["r"].requirement.statement in found.text
    assert judged.verdict in found.text
    assert "3 of 4 recorded runs were judged" in found.text


@pytest.mark.parametrize("content", ["{", "[1]", '{"requirements": [{"name": 1}]}', "null"])
def test_a_damaged_file_of_verdicts_is_refused(content: str, tmp_path: Path) -> None:
    sweep = JudgedSweep(tmp_path / "s", 1).add(0, 1.0)
    (sweep.folder / "verdicts.json").write_text(content)

    with pytest.raises(SweepConfigError, match=r"verdicts\.json: the verdicts cannot be read"):
        html_report(sweep.path, tmp_path / "r.html")


@pytest.mark.parametrize("kind", ["grid", "explicit", "latin_hypercube"])
def test_designs_of_no_independent_draws_have_no_standard_error(kind: str, tmp_path: Path) -> None:
    sweep = JudgedSweep(tmp_path / "s", 3, kind).add(0, 1.0).add(1, 2.0).add(2, 3.0)

    found = page_of(html_report(sweep.path, tmp_path / "r.html"))

    assert "no independent random draws" in found.data["why"]


def test_sweeps_without_a_run_or_without_an_ok_one_have_a_page(tmp_path: Path) -> None:
    empty = JudgedSweep(tmp_path / "empty", 2)
    failed = JudgedSweep(tmp_path / "failed", 2).fly(2, violating=[0, 1])

    assert "2 not run yet" in page_of(html_report(empty.path, tmp_path / "e.html")).text
    assert "2 failed" in page_of(html_report(failed.path, tmp_path / "f.html")).text


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("r.txt", r"no \.html file"),
        ("run-0/r.html", "in the folder of a run"),
        ("mine.html", "no page of gmat-sweep, so it is not replaced"),
        ("folder.html", "cannot be written"),
        ("manifest.jsonl/r.html", "cannot be written"),
    ],
)
def test_a_place_where_no_page_may_be_is_refused(name: str, said: str, tmp_path: Path) -> None:
    sweep = JudgedSweep(tmp_path / "s", 1).add(0, 1.0)
    (sweep.folder / "mine.html").write_text("<p>mine")
    (sweep.folder / "folder.html").mkdir()

    with pytest.raises(SweepConfigError, match=said):
        html_report(sweep.path, sweep.folder / name)
    assert (sweep.folder / "mine.html").read_text() == "<p>mine"


def test_an_earlier_page_is_replaced(tmp_path: Path) -> None:
    sweep = JudgedSweep(tmp_path / "s", 2).add(0, 1.0)
    html_report(sweep.path, tmp_path / "new" / "r.html")
    sweep.add(1, 2.0)

    found = page_of(html_report(sweep.path, tmp_path / "new" / "r.html"))

    assert "2 of 2 runs ok" in found.text


@pytest.mark.parametrize("package", ["jinja2", "plotly.offline"])
def test_a_missing_extra_is_named(
    package: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    sweep = JudgedSweep(tmp_path / "s", 1).add(0, 1.0)
    monkeypatch.setitem(sys.modules, package, None)

    assert main(["report", str(sweep.folder), "--html", str(tmp_path / "r.html")]) == 1
    assert "pip install gmat-sweep[report]" in capsys.readouterr().err
    assert not (tmp_path / "r.html").exists()


def test_the_command_takes_requirements_of_a_file_and_shows_it_as_it_stands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = JudgedSweep(tmp_path / "s", 1).add(0, 1.0)
    required = tmp_path / "required.toml"
    required.write_text(
        "# from the customer\n[[requirement]]\nname = 'low'\ncolumn = 'Sat.Earth.RadApo'\n"
        "limit = '< 2'\nprobability = 0.5\n"
    )
    words = ["report", str(sweep.folder), "--html", str(tmp_path / "r.html")]

    assert main([*words, "--requirements", str(required)]) == 0
    assert capsys.readouterr().out == f"report: {tmp_path / 'r.html'}\n"
    assert "# from the customer" in page_of(tmp_path / "r.html").text
    assert main(["report", str(sweep.folder), "--requirements", str(required)]) == 2
    assert "--requirements needs --html" in capsys.readouterr().err
    assert main([*words, "--plan", "fixed"]) == 2
    assert "--plan needs --requirements" in capsys.readouterr().err


def test_a_sweep_object_writes_its_report(tmp_path: Path) -> None:
    """`Sweep.report` is a method of the object, which no attribute of a sweep hides."""
    out = tmp_path / "s"
    spec = {"_kind": "grid", "Sat.SMA": [7000]}
    digest = canonical_script_sha256(SCRIPT)
    where = {"mission_absolute_path": str(SCRIPT)}
    made = JudgedSweep(out, 1, "grid", parameter_spec=spec, script_sha256=digest, extra=where)
    made.add(0, 1.0)
    with LocalJoblibPool(1) as pool:
        sweep = Sweep.from_manifest(out / "manifest.jsonl", SCRIPT, backend=pool)
        path = sweep.report(tmp_path / "r.html", REQUIRED_LIST[:1])

    found = page_of(path)
    assert path == tmp_path / "r.html"
    assert "final Sat.Earth.RadApo in [41964, 42364] km" in found.text
    assert SCRIPT.read_text().strip() in found.text


class TestColours:
    CSS = Path(collected.__file__).with_name("page").joinpath("report.css").read_text()

    @staticmethod
    def _luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [
            each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts
        ]
        return float(np.dot([0.2126, 0.7152, 0.0722], linear))

    def test_text_has_the_contrast_that_wcag_asks_for_in_light_and_in_dark(self) -> None:
        """Contrast of WCAG 2.2, success criteria 1.4.3 (text, 4.5) and 1.4.11 (marks, 3)."""
        themes = [block for block in re.findall(r"\{([^{}]*)\}", self.CSS) if "--paper:" in block]
        assert len(themes) == 3
        assert themes[1].split() == themes[2].split()
        for theme in themes:
            colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})[;\s]", theme))

            def contrast(one: str, other: str, known: dict[str, str] = colours) -> float:
                pair = sorted((self._luminance(known[one]), self._luminance(known[other])))
                return (pair[1] + 0.05) / (pair[0] + 0.05)

            for ink in ("ink", "faint", "link", "ok", "violates", "failed"):
                assert contrast(ink, "paper") >= 4.5, ink
            for ink in ("ink", "faint", "link"):
                assert contrast(ink, "soft") >= 4.5, ink
            for name in ("pass", "fail", "open"):
                assert contrast(f"{name}-ink", f"{name}-paper") >= 4.5, name
            levels = re.findall(r"#[0-9a-f]{6}", theme.partition("--levels")[2].partition(";")[0])
            for level in levels:
                assert contrast("a", "paper", colours | {"a": level}) >= 3, level
