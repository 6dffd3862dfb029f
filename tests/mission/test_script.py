"""What a mission script declares is known before GMAT sees it."""

import hashlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gmat_sweep.errors import MissionScriptError
from gmat_sweep.mission.script import (
    Resource,
    canonical_script_sha256,
    check_resources,
    created_resources,
    output_names,
    script_digest,
)
from gmat_sweep.mission.statements import refuse_wide_text
from repository import DATA

EMPTY = "01ba4719c80b6fe911b091a7c05124b64eeece964e09c058ef8f9805daca546b"


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize("content", [b"", b"\n", b"\r\n\r\n", b"\xef\xbb\xbf\xef\xbb\xbf"])
def test_a_script_without_text_hashes_as_one_newline(content: bytes, tmp_path: Path) -> None:
    assert canonical_script_sha256(write(tmp_path / "m.script", content)) == EMPTY


def test_a_path_may_be_a_string(tmp_path: Path) -> None:
    script = write(tmp_path / "m.script", "")

    assert canonical_script_sha256(str(script)) == EMPTY


@settings(max_examples=60)
@given(st.text(alphabet=st.sampled_from("a \r\n\ufeffé\u2028%"), max_size=25))
def test_a_utf8_script_hashes_as_its_decoded_text(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    script = write(tmp_path_factory.mktemp("hash") / "m.script", text)

    canonical = text.lstrip("\ufeff").replace("\r\n", "\n").replace("\r", "\n").rstrip("\n") + "\n"
    assert canonical_script_sha256(script) == hashlib.sha256(canonical.encode()).hexdigest()


def test_leading_and_inner_white_space_counts(tmp_path: Path) -> None:
    texts = ["a b", " a b", "a  b", "a b ", "\na b"]
    hashes = {canonical_script_sha256(write(tmp_path / "m.script", text)) for text in texts}

    assert len(hashes) == len(texts)


def test_a_script_that_is_not_utf8_has_no_hash(tmp_path: Path) -> None:
    script = write(tmp_path / "m.script", b"% caf\xe9\r\nSat.SMA = 1")

    with pytest.raises(UnicodeDecodeError):
        canonical_script_sha256(script)


def test_a_script_that_is_not_utf8_is_refused_with_the_line_and_what_gmat_takes(
    tmp_path: Path,
) -> None:
    script = write(tmp_path / "m.script", b"% one\n% caf\xe9\nSat.SMA = 1")

    with pytest.raises(MissionScriptError, match=r"line 2 has the byte 0xe9.* ASCII") as caught:
        script_digest(script)
    assert (caught.value.path, caught.value.line_number) == (script, 2)


def test_the_digest_of_a_script_is_its_canonical_hash() -> None:
    script = DATA / "leo_basic.script"

    assert script_digest(script) == canonical_script_sha256(script)


def test_resources_come_with_type_file_and_line() -> None:
    script = DATA / "gui_saved.script"

    resources = created_resources(script)

    assert Resource("Sat", "Spacecraft", 8, script) in resources
    assert [item.name for item in resources if item.type == "OpenFramesView"] == [
        "CoordinateSystemView1",
        "EarthView1",
    ]


def test_includes_are_followed_where_they_stand_from_the_folder_of_the_main_script(
    tmp_path: Path,
) -> None:
    outer = write(tmp_path / "inc" / "outer.txt", "#Include 'inc/inner.txt'\nCreate String B")
    inner = write(tmp_path / "inc" / "inner.txt", "\nCreate String A")
    main = write(tmp_path / "m.script", "#Include 'inc\\outer.txt'\nCreate String C")

    assert created_resources(str(main)) == [
        Resource("A", "String", 2, inner),
        Resource("B", "String", 2, outer),
        Resource("C", "String", 2, main),
    ]


def test_includes_that_go_round_in_a_circle_are_read_once(tmp_path: Path) -> None:
    write(tmp_path / "a.txt", "#Include 'm.script'\n#Include 'a.txt'\nCreate String A")
    main = write(tmp_path / "m.script", "#Include 'a.txt'\n#Include 'a.txt'\nCreate String B")

    assert [item.name for item in created_resources(main)] == ["A", "B"]


def test_an_include_that_is_not_there_is_left_for_gmat_to_report(tmp_path: Path) -> None:
    text = f"#Include 'gone.txt'\n#Include '{'x' * 300}'\nCreate String A"
    main = write(tmp_path / "m.script", text)

    assert [item.name for item in created_resources(main)] == ["A"]


def test_outputs_and_solvers_are_named_in_order(tmp_path: Path) -> None:
    main = write(
        tmp_path / "m.script",
        "Create ReportFile B, A\nCreate DifferentialCorrector DC\nCreate Variable V\n"
        "Create EphemerisFile E\nCreate ReportFile C B\nCreate Yukon Y\nCreate ContactLocator L",
    )

    assert output_names(main) == {
        "ReportFile": ["B", "A", "C"],
        "EphemerisFile": ["E"],
        "ContactLocator": ["L"],
        "DifferentialCorrector": ["DC"],
        "Yukon": ["Y"],
    }


def test_a_mission_without_outputs_names_none(tmp_path: Path) -> None:
    assert output_names(write(tmp_path / "m.script", "Create Spacecraft Sat")) == {}


def test_a_resource_the_engine_lacks_is_refused_by_name_type_file_and_line(tmp_path: Path) -> None:
    main = write(
        tmp_path / "m.script",
        "Create Spacecraft Sat\n\nCreate GroundStation GS\nCreate ContactLocator CL\n",
    )

    with pytest.raises(MissionScriptError) as caught:
        check_resources(main, {"Spacecraft"})

    assert (caught.value.path, caught.value.line_number) == (main, 3)
    message = str(caught.value)
    assert f"GroundStation GS ({main}, line 3), ContactLocator CL ({main}, line 4)" in message
    assert "GMAT_ROOT" in message.rsplit(". ", maxsplit=1)[-1]


def test_display_resources_are_not_refused_because_a_headless_copy_leaves_them_out() -> None:
    types = {"Spacecraft", "ForceModel", "PropSetup", "ReportFile", "Variable"}

    check_resources(DATA / "gui_saved.script", types)
    check_resources(DATA / "gui_saved.script", types.__contains__)


def test_a_propagator_is_known_by_the_engines_own_word_for_it(tmp_path: Path) -> None:
    main = write(tmp_path / "m.script", "Create Propagator P")

    check_resources(main, ["PropSetup"])
    with pytest.raises(MissionScriptError, match="Propagator P"):
        check_resources(main, ["Spacecraft"])


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
def test_a_script_in_wide_characters_is_refused_by_the_name_of_its_encoding(
    encoding: str, tmp_path: Path
) -> None:
    main = write(tmp_path / "m.script", "% A mission.\nCreate Spacecraft Sat;\n".encode(encoding))
    name = encoding[:6].upper()

    for read in (script_digest, created_resources, output_names):
        with pytest.raises(MissionScriptError, match=f"is {name} text") as caught:
            read(main)
        assert caught.value.path == main


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0")))
def test_no_text_in_utf8_is_taken_for_wide_characters(text: str) -> None:
    refuse_wide_text(Path("m.script"), text.encode())


@pytest.mark.parametrize(
    ("wrong", "right"),
    [
        ("Spacecrft", "Spacecraft"),
        ("Propagatr", "Propagator"),
        ("ContactLocater", "ContactLocator"),
    ],
)
def test_a_type_that_no_gmat_has_is_told_with_the_one_it_resembles(
    wrong: str, right: str, tmp_path: Path
) -> None:
    main = write(tmp_path / "m.script", f"Create Spacecraft Sat;\nCreate {wrong} Other;")

    with pytest.raises(MissionScriptError) as caught:
        check_resources(main, {"Spacecraft", "PropSetup"})

    message = str(caught.value)
    assert f"{wrong} Other ({main}, line 2)" in message
    assert f"Did you mean {right} for {wrong}?" in message
    assert "the plugin is not part of it" not in message
