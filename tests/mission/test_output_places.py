"""Every output of a mission has a file of its own in the run folder."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmat_sweep.mission.editing import EditableScript
from gmat_sweep.mission.output_places import OutputPlace, plain_name


@given(st.text(alphabet=["a", ".", "/", "\\", ":", "C", " "], max_size=12))
def test_a_plain_name_never_leaves_its_folder_and_one_that_does_not_is_kept(name: str) -> None:
    plain = plain_name(name)
    parts = plain.replace("\\", "/").split("/")

    assert not plain.startswith(("/", "\\"))
    assert ".." not in parts
    escapes = name.startswith(("/", "\\")) or ".." in name.replace("\\", "/").split("/")
    assert (plain == name) or escapes or ":" in name


def places(folder: Path, *names: str, reserved: tuple[str, ...] = ()) -> list[OutputPlace]:
    lines = [f"Create ReportFile R{n};\nR{n}.Filename = '{name}';" for n, name in enumerate(names)]
    script = folder / "m.script"
    script.write_text("\n".join([*lines, "BeginMissionSequence;"]))
    return list(EditableScript(script, reserved=reserved).places.values())


@pytest.mark.parametrize(
    ("name", "loaded", "place"),
    [
        ("r.txt", "r.txt", "r.txt"),
        ("./output/r.txt", "r.txt", "output/r.txt"),
        ("out\\deep\\r.txt", "r.txt", "out/deep/r.txt"),
        (".\\r.txt", "r.txt", "r.txt"),
        ("../r.txt", "r.txt", "r.txt"),
        ("..\\output\\r.txt", "r.txt", "r.txt"),
        ("/tmp/r.txt", "r.txt", "r.txt"),
        ("C:\\gmat\\r.txt", "r.txt", "r.txt"),
        ("output/", "output", "output"),
    ],
)
def test_an_output_is_loaded_under_a_plain_name_and_written_in_its_folder(
    name: str, loaded: str, place: str, tmp_path: Path
) -> None:
    assert places(tmp_path, name) == [OutputPlace(name, loaded, place)]


def test_two_outputs_of_one_name_or_place_are_kept_apart(tmp_path: Path) -> None:
    found = places(tmp_path, "r.txt", "r.txt", "./r.txt", "a/r.txt", "b/r.txt", "a\\r.txt")

    assert [each.place for each in found] == [
        "r.txt", "R1-r.txt", "R2-r.txt", "a/r.txt", "b/r.txt", "a/R5-r.txt",
    ]  # fmt: skip
    assert len({each.loaded for each in found}) == 6
    assert not any("/" in each.loaded or "\\" in each.loaded for each in found)


def test_no_output_has_the_name_of_a_file_of_the_run_folder(tmp_path: Path) -> None:
    (found,) = places(tmp_path, "worker.log", reserved=("worker.log",))

    assert found.place == "R0-worker.log"


def test_solvers_reports_have_places_too_and_files_that_gmat_reads_have_none(
    tmp_path: Path,
) -> None:
    script = tmp_path / "m.script"
    script.write_text(
        "Create DifferentialCorrector D1 D2;\n"
        "D1.ReportFile = 'd.data';\nD2.ReportFile = 'd.data';\n"
        "Create Spacecraft Sat;\nSat.AttitudeFileName = './a/b.aem';\n"
        "Create FileInterface F;\nF.Filename = './a/b.tle';\n"
    )

    editable = EditableScript(script)

    assert {target: each.place for target, each in editable.places.items()} == {
        "D1.ReportFile": "d.data",
        "D2.ReportFile": "D2-d.data",
    }
    assert "'./a/b.aem'" in editable.plain.text
    assert "'./a/b.tle'" in editable.plain.text
    assert editable.needs_copy


def test_an_override_of_the_name_has_its_place(tmp_path: Path) -> None:
    places(tmp_path, "a.txt", "b.txt")
    editable = EditableScript(tmp_path / "m.script")

    edited = editable.edited({"R0.Filename": "./deep/b.txt"})

    assert {target: each.place for target, each in edited.places.items()} == {
        "R0.Filename": "deep/b.txt",
        "R1.Filename": "b.txt",
    }
    assert "R0.Filename = 'b.txt';" in edited.text
    assert "R1.Filename = 'R1-b.txt';" in edited.text
    assert not editable.needs_copy


@pytest.mark.parametrize(
    ("names", "own"),
    [
        (["a", "a/b.txt"], ["a", "b.txt"]),
        (["a/b.txt", "a"], ["a/b.txt", "R1-a"]),
        (["a/b", "a/b/c/d.txt"], ["a/b", "d.txt"]),
        (["d.txt", "a", "a/d.txt"], ["d.txt", "a", "R2-d.txt"]),
        (["worker.log/r.txt"], ["r.txt"]),
    ],
)
def test_no_output_is_a_folder_of_another(names: list[str], own: list[str], tmp_path: Path) -> None:
    found = places(tmp_path, *names, reserved=("worker.log",))

    assert [each.place for each in found] == own


def test_no_folder_of_an_output_has_the_name_of_a_table(tmp_path: Path) -> None:
    found = places(tmp_path, "report__R1.parquet/r.txt", "a/report__R1.parquet/s.txt")

    assert [each.place for each in found] == ["r.txt", "a/report__R1.parquet/s.txt"]


def test_an_output_leaves_their_names_to_the_tables_of_a_run(tmp_path: Path) -> None:
    found = places(tmp_path, "report__R0.parquet", "sub/report__R0.parquet", "r__R0.parquet")

    assert [each.place for each in found] == [
        "R0-report__R0.parquet", "sub/report__R0.parquet", "r__R0.parquet",
    ]  # fmt: skip


def test_an_output_of_its_own_has_a_name_that_gmat_takes(tmp_path: Path) -> None:
    name = "l" * 228 + ".txt"

    found = places(tmp_path, name, name)

    assert [each.loaded for each in found] == [name, "R1-" + "l" * 225 + ".txt"]
