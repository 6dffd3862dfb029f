"""A gate in the shell: crashes of GMAT count, and broken infrastructure decides nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from repository import PROJECT

# Most of the runs that violate `mass` have a negative one, and GMAT refuses those.
FLY = """\
gmat-sweep monte-carlo injection.script --n 40 --seed 42 --workers 1 --quiet --out first \\
    --perturb Sat.DryMass=uniform:-150:850 --perturb Injection.Element1=normal:2.4257:0.006 \\
    --postprocess flaky:seen
"""
GATE = """\
for sweep in $1; do
    for asked in $2; do
        cp -r $sweep $sweep-$asked
        gmat-sweep verify $sweep-$asked --requirements $asked.toml > $sweep-$asked.txt 2>&1
        echo $sweep $asked $?
    done
done
"""
HOOK = """\
from pathlib import Path

def seen(spec, outcome):
    if spec.run_id == 3 and not (Path(__file__).parent / "mended").exists():
        raise OSError("the licence server is away")
    return {}
"""
MASS = 'name = "mass"\ncolumn = "Sat.DryMass"\nlimit = "> 16.7"\nunit = "kg"\nprobability = 0.93'
APOGEE = (
    'name = "apogee"\ncolumn = "Sat.Earth.RadApo"\nwithin = [40164, 44164]\nunit = "km"\n'
    "probability = {}"
)
REQUIREMENTS = {
    # 7 of 40 crash: as few come about in less than 10 % of samples if 30 % violate.
    "passes": [APOGEE.format(0.7)],
    "fails": [MASS],
    "undecided": [APOGEE.format(0.8)],
    "all": [APOGEE.format(0.7), MASS, APOGEE.format(0.8).replace('"apogee"', '"closer"')],
    # What the runs alone say that did not crash.
    "survivors": [MASS + '\nfailed = "given-ok"'],
    "refused": [MASS + '\nfailed = "refuse"'],
    "mistaken": [MASS.replace("Sat.DryMass", "Sat.DryMas")],
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with the mission, whose report has the mass, a hook, and files of requirements."""
    script = (PROJECT / "examples/injection.script").read_text(encoding="utf-8")
    (tmp_path / "injection.script").write_text(
        script.replace("Trajectory.Add = {", "Trajectory.Add = {Sat.DryMass, ")
    )
    (tmp_path / "flaky.py").write_text(HOOK)
    for name, tables in REQUIREMENTS.items():
        text = "".join(f"[[requirement]]\n{table}\n" for table in tables)
        (tmp_path / f"{name}.toml").write_text(text)
    return tmp_path


def shell(place: Path, script: str, *words: str) -> str:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["sh", "-c", script, "gate", *words],
        cwd=place,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_gate_has_the_code_of_each_verdict_and_of_each_mistake(place: Path) -> None:
    shell(place, FLY)
    entries = [json.loads(line) for line in (place / "first/manifest.jsonl").open()][1:]
    kinds = [entry.get("failure_kind") for entry in entries]
    print(kinds)

    told = shell(place, GATE, "first nowhere", "passes fails survivors")
    print(told)
    (place / "mended").touch()
    shell(place, "gmat-sweep resume first --quiet; mv first whole")
    told = shell(place, GATE, "whole", " ".join(REQUIREMENTS))
    print(told)
    for name in REQUIREMENTS:
        print((place / f"whole-{name}.txt").read_text())
    raise AssertionError
