"""Nothing that somebody else wrote reaches a terminal with its control characters."""

from __future__ import annotations

import ast
import fcntl
import json
import logging
import pickle
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import gmat_sweep
from gmat_sweep.analysis.report import sweep_report
from gmat_sweep.cli import EXIT_GENERIC, EXIT_MANIFEST, main
from gmat_sweep.disk.lock import LOCK_FILE_NAME
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.folder.last_pass import LastPass
from gmat_sweep.manifest import Manifest
from gmat_sweep.mission.script import script_digest
from gmat_sweep.printable import one_line, printable
from manifests import entry, header
from repository import DATA

SHORT = DATA / "leo_short.script"
SOURCE = Path(gmat_sweep.__file__).parent
# Red, the title of the window, a second line, text that runs backwards, half a character.
NASTY = "x\x1b[31m\x1b]0;title\x07\nhealthy\r\u202e\x9b2J\ud83d"


def unsafe(text: str, layout: str = "\n\t") -> list[str]:
    """Return the characters that a terminal might take for something else than a character."""
    kinds = {"Cc", "Cf", "Cs", "Zl", "Zp"}
    return [each for each in text if each not in layout and unicodedata.category(each) in kinds]


@given(st.text(st.characters(exclude_categories=())))
def test_no_text_is_unsafe_and_what_is_safe_stays(text: str) -> None:
    assert unsafe(printable(text)) == []
    assert unsafe(one_line(text), layout="") == []
    if not unsafe(text, layout=""):
        assert printable(text) == one_line(text) == text


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A sweep folder with control characters in every text of its manifest and its last pass."""
    report = tmp_path / "run-0" / "note.txt"
    report.parent.mkdir()
    report.write_text("there")
    facts: dict[str, Any] = {
        "overrides": {NASTY: NASTY},
        "output_paths": {},
        "context": {NASTY: [NASTY]},
        "log_path": Path(f"run-0/{NASTY}"),
        "host": NASTY,
        "attempts": [{"cause": NASTY}],
        "converged": {NASTY: False},
        "run_options": {NASTY: NASTY},
        "extra": {"notes": [NASTY], NASTY: NASTY},
        "output_dir": NASTY,
    }
    manifest = header(
        script_sha256=script_digest(SHORT),
        gmat_sweep_version=NASTY,
        backend=NASTY,
        postprocess=NASTY,
        parameter_spec={"_kind": "grid", NASTY: [NASTY, 2.0, 3.0]},
        run_count=3,
        entries=[
            entry(0, extra_outputs={NASTY: Path("run-0/note.txt")}, **facts),
            entry(1, extra_outputs={NASTY: Path(NASTY)}, **facts),
            entry(2, "failed", stderr=f"{NASTY}\nRuntimeError: {NASTY}", **facts),
        ],
        extra={"mission": NASTY, "created_by": {"user": NASTY, "host": NASTY}, NASTY: NASTY},
    )
    manifest.save(tmp_path / "manifest.jsonl")
    manifest.close()
    LastPass(
        action=NASTY, state="interrupted", reason=NASTY, flow_run="", host=NASTY, process=1,
        at="2026-01-01T00:00:00+00:00",
    ).write(tmp_path)  # fmt: skip
    return tmp_path


@pytest.mark.promise("folders from somebody else", "control characters in every text of a manifest")
def test_no_command_prints_control_characters_of_a_manifest(
    hostile: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(hostile / "manifest.jsonl")
    script = ["--script", str(SHORT)]
    for words in (
        ["show", path],
        ["show", path, "--detail"],
        *(["show", path, "--run", str(run_id)] for run_id in range(3)),
        ["doctor", str(hostile)],
        ["resume", path, *script],
        ["extend", path, *script, "--n", "1"],
        ["replay", path, "--run", "9", *script],
        ["archive", path, "--out", str(hostile / "sweep.zip"), *script],
        ["show", NASTY.replace("\ud83d", "\udcff")],
    ):
        code = main(words)

        out, err = capsys.readouterr()
        assert unsafe(out) == unsafe(err) == [], words
        assert "\nhealthy" not in out.partition("stderr:")[0], words
        assert out + err, (words, code)


def test_neither_does_what_notebooks_and_prefect_show(hostile: Path) -> None:
    for each in Manifest.load(hostile / "manifest.jsonl").entries:
        assert unsafe(each._repr_html_()) == []
    report = sweep_report(hostile)
    assert unsafe(report.to_markdown()) == []
    assert unsafe(json.dumps(report.failure_rows(), ensure_ascii=False)) == []


def test_the_holder_of_a_lock_cannot_fake_a_line(
    hostile: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    facts = dict.fromkeys(("pid", "host", "user", "since", "command"), NASTY)
    with (hostile / LOCK_FILE_NAME).open("w") as lock:
        lock.write(json.dumps(facts))
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)

        assert main(["doctor", str(hostile)]) == EXIT_GENERIC

    told = capsys.readouterr().err
    assert unsafe(told) == []
    assert told.count("\n") == 1


def test_a_damaged_line_is_told_without_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "manifest.jsonl").write_text(json.dumps({"schema_version": NASTY}) + "\n")

    assert main(["show", str(tmp_path / "manifest.jsonl")]) == EXIT_MANIFEST
    assert unsafe(capsys.readouterr().err) == []


def test_an_error_keeps_what_it_was_given_and_says_it_safely() -> None:
    error = SweepConfigError(NASTY)

    assert unsafe(str(error)) == []
    assert unsafe(str(pickle.loads(pickle.dumps(error)))) == []
    assert error.args == (NASTY,)
    assert str(SweepConfigError("a\n  - b")) == "a\n  - b"


def test_a_log_record_of_the_package_is_safe_and_another_keeps_its_parts(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log = logging.getLogger("gmat_sweep")

    log.warning("%s is overridden: %s", "Sat.SMA", NASTY)
    log.warning("%d of %d", 1, 2)

    assert unsafe(caplog.records[0].getMessage()) == []
    assert caplog.records[1].args == (1, 2)


def prints(path: Path) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "print" and node.args:
            yield node


@pytest.mark.parametrize("package", ["cli", "doctor", "flow", "flows", "sweep"])
def test_what_is_printed_goes_through_here(package: str) -> None:
    plain = [
        f"{path.name}:{call.lineno}"
        for path in sorted((SOURCE / package).rglob("*.py"))
        for call in prints(path)
        if not any(name in ast.unparse(call.args[0]) for name in ("printable(", "one_line("))
    ]

    # The version is the package's own.
    assert [place for place in plain if not place.startswith("__init__.py")] == []
