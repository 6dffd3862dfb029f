"""Study files, and the mistakes that people make in them."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from gmat_sweep.draws.covariance import Covariance
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.study import Study, read_study, study_schema
from gmat_sweep.study.varying import grid_of, perturb_of

WHOLE = """\
# A dispersion of the injection.
mission = "injection.script"
design = "monte-carlo"
n = 500
seed = 42
nominal = true
out = "results"

[vary]
"Sat.ECC" = "truncnorm:0.01:0.01:0:0.02"
"Sat.SMA" = { distribution = "normal", mean = 7000, sigma = 15, sigmas = 3, unit = "km" }
"Tank.FuelMass" = { distribution = "normal", about = "nominal", sigma = "1 %", unit = "kg" }
"Sat.Epoch" = { distribution = "normal", about = "nominal", sigma = 30, unit = "s" }
"FM.Drag" = { distribution = "discrete", values = ["MSISE90", "None"], weights = [3, 1] }
"Thr.C1" = { distribution = "uniform", about = "nominal", low = -0.5, high = 1.5 }

[vary.Other]
covariance = [[4.0, 1.0, 0, 0, 0, 0], [1.0, 2.0, 0, 0, 0, 0], [0, 0, 1.0, 0, 0, 0],
              [0, 0, 0, 1e-6, 0, 0], [0, 0, 0, 0, 1e-6, 0], [0, 0, 0, 0, 0, 1e-6]]
frame = "RIC"

[run]
backend = "local"
workers = 2
timeout_s = 60.0
max_failed = "5%"
"""


@pytest.fixture
def study(tmp_path: Path) -> Any:
    def write(text: str, name: str = "study.toml") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def test_a_whole_study_is_read(study: Any, tmp_path: Path) -> None:
    read = read_study(study(WHOLE))
    assert (read.mission, read.n, read.seed, read.nominal) == ("injection.script", 500, 42, True)
    assert (read.run.workers, read.run.timeout_s, read.run.max_failed) == (2, 60.0, "5%")
    perturb = perturb_of(read, tmp_path)
    covariance = perturb.pop("Other")
    assert perturb == {
        "Sat.ECC": ("truncnorm", 0.01, 0.01, 0.0, 0.02),
        "Sat.SMA": ("normal", 7000, "15@3.0"),
        "Tank.FuelMass": ("rel_normal", "1 %"),
        "Sat.Epoch": ("normal_seconds", 30),
        "FM.Drag": ("discrete", ["MSISE90", "None"], [3, 1]),
        "Thr.C1": ("delta_uniform", -0.5, 1.5),
    }
    assert isinstance(covariance, Covariance)
    assert (covariance.frame, covariance.rows[0][:2]) == ("RIC", (4.0, 1.0))


def test_yaml_says_the_same(study: Any) -> None:
    assert read_study(study(yaml.safe_dump(tomllib.loads(WHOLE)), "study.yaml")) == read_study(
        study(WHOLE)
    )


def test_a_grid_has_values(study: Any) -> None:
    read = read_study(
        study(
            'mission = "m.script"\ndesign = "grid"\n[vary]\n"Sat.SMA" = "7000:7100:3"\n'
            '"Sat.INC" = { start = 0, stop = 90, count = 2, unit = "deg" }\n'
            '"FM.Drag" = ["MSISE90", "None"]\n'
        )
    )
    assert grid_of(read) == {
        "Sat.SMA": [7000.0, 7050.0, 7100.0],
        "Sat.INC": [0.0, 90.0],
        "FM.Drag": ["MSISE90", "None"],
    }


def test_a_covariance_comes_from_a_file_beside_the_study(study: Any, tmp_path: Path) -> None:
    (tmp_path / "two.csv").write_text('"A(1,2)", V\n2.0\n1.0, 4.0\n')
    read = read_study(
        study(
            'mission = "m.script"\nn = 2\n[vary.two]\ncovariance = "two.csv"\n'
            'fields = ["V", "A(1,2)"]\nmean = [1.0, 2.0]\n'
        )
    )
    (covariance,) = perturb_of(read, tmp_path).values()
    assert isinstance(covariance, Covariance)
    assert covariance.rows == ((4.0, 1.0), (1.0, 2.0))
    assert covariance.names("two") == ("V", "A(1,2)")


def changed(old: str, new: str) -> str:
    assert old in WHOLE
    return WHOLE.replace(old, new, 1)


MISTAKES = {
    "a key with a typing error": (
        changed("seed =", "sede ="),
        "line 5, sede: there is no such key; did you mean 'seed'?",
    ),
    "no mission": (changed('mission = "injection.script"', ""), "mission: it is missing"),
    "a design that is none": (
        changed('"monte-carlo"', '"montecarlo"'),
        "line 3, design: input should be 'monte-carlo'",
    ),
    "n as text": (changed("n = 500", 'n = "500"'), "line 4, n: input should be a valid integer"),
    "n that is zero": (changed("n = 500", "n = 0"), "line 4, n: input should be greater than"),
    "n left out": (changed("n = 500\n", ""), "n: a design 'monte-carlo' needs the number of runs"),
    "a negative seed": (changed("= 42", "= -1"), "line 5, seed: input should be greater than"),
    "nominal as text": (changed("= true", '= "yes"'), "line 6, nominal: input should be a valid"),
    "nothing varies": (WHOLE.split("[vary]", maxsplit=1)[0], "vary: nothing varies"),
    "a parameter with a typing error": (
        changed("mean = 7000", "maen = 7000"),
        "line 11, vary.\"Sat.SMA\".maen: there is no such key; did you mean 'mean'?",
    ),
    "a distribution that is none": (
        changed('"discrete"', '"discreet"'),
        "line 14, vary.\"FM.Drag\".distribution: input should be 'normal'",
    ),
    "a frame that is none": (changed('"RIC"', '"ECI"'), "line 20, vary.Other.frame: input should"),
    "a matrix of text": (
        changed("[[4.0,", '[["4",'),
        "line 18, vary.Other.covariance.0.0: input should be a valid number, got '4'",
    ),
    "a setting that is none": (
        changed("timeout_s", "time_out"),
        "line 25, run.time_out: there is no such key; did you mean 'timeout_s'?",
    ),
    "a backend that is none": (changed('"local"', '"slurm"'), "line 23, run.backend: input should"),
    "no workers": (changed("workers = 2", "workers = 0"), "line 24, run.workers: input should"),
    "a share of failures": (changed('"5%"', '"five"'), "line 26, run.max_failed: string should"),
    "no quotes": (changed('"monte-carlo"', "monte-carlo"), "is no TOML: .*line 3.*needs quotes"),
    "a dotted name without quotes": (
        changed('"Sat.ECC" =', "Sat.ECC ="),
        "vary.Sat",
    ),
    "rows of a design with draws": (
        changed("n = 500", 'n = 500\nrows = "rows.csv"'),
        "line 5, rows: only an explicit design has rows",
    ),
}
# What only the numbers themselves show.
LATER_MISTAKES = {
    "the wrong unit": (changed('unit = "km"', 'unit = "m"'), "Sat.SMA in km, and the study in m"),
    "the wrong unit of an epoch": (changed('"s" }', '"min" }'), "Sat.Epoch in s, and the study"),
    "a missing parameter": (changed("sigma = 15, sigmas = 3, ", ""), "normal distribution needs"),
    "one parameter too many": (
        changed("sigma = 15, sigmas = 3", "sigma = 15, high = 3"),
        "does not take high",
    ),
    "three sigmas of a distribution that has none": (
        changed("high = 1.5", "high = 1.5, sigmas = 3"),
        "a uniform distribution about the nominal value does not take sigmas",
    ),
    "a share without the nominal value": (
        changed("sigma = 15, sigmas = 3", 'sigma = "1 %"'),
        'Add about = "nominal"',
    ),
    "values in a design with draws": (
        changed('"truncnorm:0.01:0.01:0:0.02"', "[0.0, 0.1]"),
        'Give a distribution, such as "normal:7000:5"',
    ),
    "a distribution about nothing": (
        changed('"truncnorm:0.01:0.01:0:0.02"', '"truncated:0:1"'),
        "unknown perturb distribution tag 'truncated'",
    ),
    "beta about the nominal": (
        changed(
            '"truncnorm:0.01:0.01:0:0.02"',
            '{ distribution = "beta", about = "nominal", a = 1, b = 2 }',
        ),
        "a beta distribution cannot be about the nominal value",
    ),
    "a covariance file that is not there": (
        changed("covariance = [[4.0, 1.0, 0, 0, 0, 0]", 'covariance = "none.csv"\nmean = [[1.0'),
        "",
    ),
}
del LATER_MISTAKES["a covariance file that is not there"]


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_with_its_place(study: Any, mistake: str) -> None:
    text, message = MISTAKES[mistake]
    path = study(text)
    with pytest.raises(SweepConfigError) as caught:
        read_study(path)
    told = str(caught.value)
    assert str(path) in told
    import re

    assert re.search(message if ".*" in message else re.escape(message), told), told


@pytest.mark.parametrize("mistake", LATER_MISTAKES)
def test_a_mistake_in_the_numbers_is_told_with_its_key(
    study: Any, tmp_path: Path, mistake: str
) -> None:
    text, message = LATER_MISTAKES[mistake]
    with pytest.raises(SweepConfigError) as caught:
        perturb_of(read_study(study(text)), tmp_path)
    assert message in str(caught.value)
    assert 'vary."' in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("study.ini", "", "is no study. Give a .toml"),
        ("study.yaml", "a: [", "is no YAML"),
        ("study.yaml", "just text", "the whole file: input should be"),
    ],
)
def test_a_file_that_is_none_is_named(study: Any, name: str, content: str, message: str) -> None:
    with pytest.raises(SweepConfigError) as caught:
        read_study(study(content, name))
    assert message in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SweepConfigError, match=r"none\.toml cannot be read"):
        read_study(tmp_path / "none.toml")


def test_the_schema_takes_the_study_and_refuses_what_the_reader_refuses() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = json.loads(json.dumps(study_schema()))
    jsonschema.validate(tomllib.loads(WHOLE), schema)
    for mistake in ("a key with a typing error", "n as text", "a frame that is none"):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(tomllib.loads(MISTAKES[mistake][0]), schema)


def test_a_study_is_what_pydantic_reads() -> None:
    assert Study.model_validate(tomllib.loads(WHOLE)).vary.keys() >= {"Sat.SMA", "Other"}
