"""The command line on the real engine: what a user does with a sweep, from start to archive."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from gmat_sweep.aggregate import lazy_multiindex
from gmat_sweep.cli import main
from gmat_sweep.manifest import Manifest
from repository import DATA

SCRIPT = str(DATA / "leo_short.script")
PERTURB = ("--perturb", "Sat.SMA=normal:7100:50", "--seed", "42", "--workers", "2", "--quiet")
HOOK = """\
import pandas as pd

def first(spec, outcome):
    [report] = outcome.output_paths.values()
    path = spec.output_dir / "first.parquet"
    pd.read_parquet(report).head(1).to_parquet(path)
    return {"first": path}
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let each test be in a folder of its own."""
    monkeypatch.chdir(tmp_path)


def done(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    """Return what a command prints that ends well; what `show` tells of any sweep is left out."""
    code = main(words)
    printed, err = capsys.readouterr()
    usual = r".*the seconds are those|gmat-sweep: (monte carlo, n = |Sat\.SMA: normal|flown with )"
    told = [line for line in err.splitlines() if not re.match(usual, line)]
    assert (code, told) == (0, [])
    return re.sub(r"in \d+\.\d\d s", "in T s", printed).splitlines()


def test_a_monte_carlo_is_run_extended_packed_moved_and_resumed_to_the_same_frame(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("cli_engine_hooks.py").write_text(HOOK)
    hook = ("--postprocess", "cli_engine_hooks:first")
    manifest = ("mc/manifest.jsonl", "--script", SCRIPT)
    go_on = ("--workers", "2", "--quiet")

    assert done(capsys, "monte-carlo", SCRIPT, "--n", "2", *PERTURB, *hook, "--out", "mc") == [
        "2 runs (2 ok) in T s — output: mc"
    ]
    assert done(capsys, "extend", *manifest, "--n", "2", *go_on, "--frame", "extended.parquet") == [
        "4 runs (4 ok) in T s — output: mc",
        "frame: extended.parquet",
    ]
    assert done(capsys, "archive", *manifest, "--out", "mc.zip") == [
        "4 runs (4 ok) in T s — output: mc",
        "archive: mc.zip",
    ]
    zipfile.ZipFile("mc.zip").extractall("elsewhere")
    Path("elsewhere/runs/run-1/report__RF.parquet").unlink()
    Path("elsewhere/runs/run-2/first.parquet").unlink()
    moved = ("elsewhere/manifest.jsonl", "--script", "elsewhere/script/leo_short.script")
    assert done(capsys, "resume", *moved, *go_on, "--frame", "resumed.parquet") == [
        "4 runs (4 ok) in T s — output: elsewhere",
        "frame: resumed.parquet",
    ]
    # In another way, too: with a fresh process for every run.
    at_once = ("monte-carlo", SCRIPT, "--n", "4", *PERTURB, "--out", "4", "--backend", "process")
    done(capsys, *at_once, "--frame", "at_once.parquet")

    fresh = pd.read_parquet("at_once.parquet")
    assert len(fresh) > 4
    for name in ("extended", "resumed"):
        assert_frame_equal(pd.read_parquet(f"{name}.parquet"), fresh, check_exact=True)
    for folder in ("mc", "elsewhere"):
        entries = Manifest.load(f"{folder}/manifest.jsonl").entries
        assert [len(entry.extra_outputs) for entry in entries] == [1, 1, 1, 1]
        assert done(capsys, "show", f"{folder}/manifest.jsonl") == [
            f"4 runs (4 ok) in T s — output: {folder}"
        ]
    # From the copies alone, too; those of a real run are found by what its worker recorded.
    said, packed = done(capsys, "compact", "--pack", "mc")
    assert said.startswith("compact: mc/compact: 8 tables, 8 of them new; parts: 2, ")
    assert packed.startswith("pack: mc/packed: 4 run folders, now in 1 files, ")
    assert not list(Path("mc").glob("run-*"))
    for words in (("resume", *manifest), ("extend", *manifest, "--n", "1")):
        assert main([*words, *go_on]) == 2
        assert "gmat-sweep compact --unpack " in capsys.readouterr().err
    copied = lazy_multiindex(Manifest.load("mc/manifest.jsonl"), "mc")
    copied.to_parquet("copied.parquet")
    assert_frame_equal(pd.read_parquet("copied.parquet"), fresh, check_exact=True)
    assert done(capsys, "compact", "--unpack", "mc") == ["compact: 4 run folders are back"]
    assert done(capsys, "resume", *manifest, *go_on) == ["4 runs (4 ok) in T s — output: mc"], (
        "nothing is damaged"
    )
    assert done(capsys, "doctor", "mc")


def test_a_hook_that_fails_is_told_by_its_own_error_and_fails_the_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("cli_engine_bad_hooks.py").write_text(
        "def f(spec, outcome):\n    raise ValueError('no contact in this run')\n"
    )
    words = ["run", SCRIPT, "--grid", "Sat.SMA=7000,7100", "--workers", "2", "--quiet"]

    assert main([*words, "--out", "o", "--postprocess", "cli_engine_bad_hooks:f"]) == 5
    assert re.sub(r"(0, 1|1, 0)", "0 and 1", capsys.readouterr().err).splitlines() == [
        "gmat-sweep: failed: 2 x ValueError: no contact in this run (run 0 and 1)",
        "gmat-sweep: 2 of the 2 failed runs did not fail in the mission: 2 hook",
        "gmat-sweep: see `gmat-sweep show o/manifest.jsonl --detail`",
        "gmat-sweep: every run failed",
    ]
    assert main(["show", "o/manifest.jsonl"]) == 0
    assert "failed: 2 x ValueError: no contact in this run" in capsys.readouterr().err


def test_the_engine_is_told_with_what_it_lacks_of_a_full_gmat(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    own = Path("data/gravity/luna/lp165p.cof")
    own.parent.mkdir(parents=True)
    own.write_text("")

    lines = done(capsys, "engine")
    listed = lacking(lines)
    monkeypatch.setenv("XDG_CACHE_HOME", str(Path("cache").absolute()))
    monkeypatch.setenv("GMAT_SWEEP_DATA", "data")
    with_data = lacking(done(capsys, "engine"))

    assert max(map(len, lines[4:])) <= 104
    assert [*listed] == [
        "resource types", "commands", "propagator types", "atmosphere models", "parameters",
        "data files",
    ]  # fmt: skip
    assert {"GroundStation", "ContactLocator", "GmatFunction"} <= {*listed["resource types"]}
    assert "Plate" not in listed["resource types"]
    assert {"RunEstimator", "CallPythonFunction", "CommandEcho"} <= {*listed["commands"]}
    assert {"SPK", "STK", "CCSDS-OEM", "SPICESGP4"} <= {*listed["propagator types"]}
    assert listed["atmosphere models"] == ["MarsGRAM2005", "NRLMSISE00"]
    assert "SolverStatus" in listed["parameters"]
    assert {"gravity/luna/LP165P.cof", "gravity/mars/Mars50c.cof"} <= {*listed["data files"]}
    assert not {"gravity/earth/EGM96.cof", "gravity/earth/JGM2.cof"} & {*listed["data files"]}
    assert with_data["commands"] == listed["commands"]
    # GMAT has both spellings of this name in its releases.
    assert {*listed["data files"]} - {*with_data["data files"]} == {"gravity/luna/LP165P.cof"}


def lacking(lines: list[str]) -> dict[str, list[str]]:
    """Return what ``gmat-sweep engine`` lists, by kind."""
    assert [line.split(":")[0] for line in lines[:5]] == [
        "engine", "version", "root", "data", "lacks",
    ]  # fmt: skip
    found: dict[str, list[str]] = {}
    for line in lines[5:]:
        if line.endswith(":"):
            found[line.strip(" :")] = kind = []
        else:
            kind += [name.strip() for name in line.split(",") if name.strip()]
    return found


@pytest.mark.soak
def test_ctrl_c_in_an_extension_says_how_to_go_on_and_that_finishes_it(
    capsys: pytest.CaptureFixture[str], prefect_url: str
) -> None:
    done(capsys, "monte-carlo", SCRIPT, "--n", "2", *PERTURB, "--out", "mc")
    manifest = Path("mc/manifest.jsonl")
    extending = subprocess.Popen(
        [
            *(sys.executable, "-c", "from gmat_sweep.cli import entry_point; entry_point()"),
            *("extend", str(manifest), "--n", "20", "--script", SCRIPT, "--workers", "1"),
        ],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"PREFECT_API_URL": prefect_url},
    )
    deadline = time.monotonic() + 120
    while len(Manifest.load(manifest).entries) < 4 and time.monotonic() < deadline:
        time.sleep(0.02)
    extending.send_signal(signal.SIGINT)
    _, err = extending.communicate(timeout=60)

    assert extending.returncode == -signal.SIGINT
    recorded = len(Manifest.load(manifest).entries)
    assert 4 <= recorded < 22
    command = f"gmat-sweep resume {manifest} --script {SCRIPT}"
    assert err.splitlines()[-2:] == [
        f"gmat-sweep: {recorded} of 22 runs are recorded; go on with `{command}`",
        "gmat-sweep: interrupted",
    ]
    assert done(capsys, *command.split()[1:], "--workers", "2", "--quiet") == [
        "22 runs (22 ok) in T s — output: mc"
    ]
