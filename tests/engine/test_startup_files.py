"""startup_files: the data that GMAT's startup file names, wherever they lie."""

from __future__ import annotations

from pathlib import Path

from gmat_sweep.engine import find_engine
from gmat_sweep.engine.startup_files import startup_files


def test_paths_begin_with_the_keys_of_others_or_with_the_bin_folder(tmp_path: Path) -> None:
    for name in ("root/bin", "root/data/time", "elsewhere"):
        (tmp_path / name).mkdir(parents=True)
    leap, flux = tmp_path / "root/data/time/tai-utc.dat", tmp_path / "elsewhere" / "flux.txt"
    leap.touch()
    flux.touch()
    (tmp_path / "root/bin/gmat_startup_file.txt").write_text(
        "# a comment = nothing\n"
        "ROOT_PATH = ../\n"
        "DATA_PATH = ROOT_PATH/data/\n"
        "TIME_PATH=DATA_PATH/time/\n"
        "LEAP_SECS_FILE = TIME_PATH/tai-utc.dat # the leap seconds\n"
        f"CSSI_FLUX_FILE = {flux}\n"
        "EOP_FILE = TIME_PATH/gone.txt\n"
        "LOOP_FILE = LOOP_FILE\n"
    )

    found = startup_files(tmp_path / "root")

    assert {key: path.resolve() for key, path in found.items()} == {
        "LEAP_SECS_FILE": leap,
        "CSSI_FLUX_FILE": flux,
    }
    assert startup_files(tmp_path / "elsewhere") == {}


def test_those_of_the_engine_here_are_found() -> None:
    found = startup_files(find_engine().root)
    assert found["JGM2_FILE"].name == "JGM2.cof"
    assert found["EOP_FILE"].name == "eopc04_08.62-now"
    assert {"DE405_FILE", "LEAP_SECS_FILE", "PLANETARY_SPK_FILE"} <= found.keys()
