"""`gmat-sweep init`: a folder to begin with, whose study can be checked and flown."""

from pathlib import Path

import pytest
import yaml

from gmat_sweep import flows
from gmat_sweep.cli import main
from gmat_sweep.study import read_study
from gmat_sweep.study.checking import checked_study
from gmat_sweep.study.starting import EXAMPLE
from judged_sweeps import JudgedSweep
from repository import EXAMPLES


def test_what_it_writes_can_be_flown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "new"
    assert main(["init", str(folder)]) == 0
    out, err = capsys.readouterr()
    assert out.split() == [str(folder / name) for name in EXAMPLE]
    assert f"gmat-sweep study check {folder}/study.toml" in err
    assert len(checked_study(folder / "study.toml").runs) == 51
    once, nightly = yaml.safe_load((folder / "prefect.yaml").read_text())["deployments"]
    assert once["parameters"] == {"study": str(folder / "study.toml")}
    assert nightly["parameters"] == {"study": str(folder / "study.toml"), "seed": 0}
    assert [each["active"] for each in nightly["schedules"]] == [False]
    for deployment, flow in ((once, flows.gmat_sweep_flow), (nightly, flows.nightly_dispersion)):
        assert deployment["entrypoint"] == f"gmat_sweep.flows.{flow.fn.__name__}"
        flow.validate_parameters(deployment["parameters"])


def test_a_second_flight_from_the_shell_names_the_command_to_go_on_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whether the first one was finished or not; that of a deployment has a folder of its own."""
    folder = tmp_path / "new"
    assert main(["init", str(folder)]) == 0
    parameters = yaml.safe_load((folder / "prefect.yaml").read_text())["deployments"][0]
    assert "out" not in parameters["parameters"]
    sweep = JudgedSweep(folder / "dispersion", 2).add(0)
    words = ["study", "run", str(folder / "study.toml")]
    capsys.readouterr()

    assert main(words) == 2
    manifest = sweep.path
    assert f"gmat-sweep resume {manifest}" in capsys.readouterr().err
    sweep.add(1)
    assert main(words) == 2
    told = capsys.readouterr().err
    assert f"{manifest} already holds a sweep. All its runs are done: see" in told
    assert f"gmat-sweep show {manifest}`, or write to another folder." in told


def test_nothing_is_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "study.toml").write_text("mine")
    assert main(["init", str(tmp_path)]) == 2
    assert f"{tmp_path} has study.toml already" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["study.toml"]


def test_the_mission_is_the_example_of_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init"]) == 0
    err = capsys.readouterr().err
    assert "  gmat-sweep study run study.toml " in err
    assert "  prefect deploy --all " in err, "without cd, for this is the folder"
    assert (tmp_path / "injection.script").read_bytes() == (
        EXAMPLES / "injection.script"
    ).read_bytes()
    assert read_study(tmp_path / "study.toml").n == 50
