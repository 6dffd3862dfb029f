"""The script of a sweep is the one that its manifest names, where that is there and unchanged.

The commands that are printed to go on with a sweep work as they are copied.
"""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cli_sweeps import MONTE_CARLO, SCRIPT, let_sweeps_end, manifest, refused
from gmat_sweep import LocalJoblibPool, Manifest, Sweep, SweepConfigError
from gmat_sweep.analysis import sweep_report
from gmat_sweep.cli import EXIT_CONFIG, EXIT_OK, main
from gmat_sweep.cli.parser import make_parser
from gmat_sweep.disk.owner import origin
from gmat_sweep.doctor import check_sweep
from gmat_sweep.spec import RunStatus
from gmat_sweep.sweep.preflight import check_folder
from gmat_sweep.sweep.recorded_script import (
    MISSION_ABSOLUTE_KEY,
    MISSION_PATH_KEY,
    recorded_script,
    script_paths,
)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, whose name a shell would take apart; it has ``missions/leo 1.script``."""
    home = tmp_path / "it's here"
    (home / "missions").mkdir(parents=True)
    shutil.copy(SCRIPT, home / "missions" / "leo 1.script")
    monkeypatch.chdir(home)
    return home


@pytest.fixture
def script(home: Path) -> Path:
    """The mission script."""
    return home / "missions" / "leo 1.script"


def recorded(folder: Path, script: Path, *statuses: RunStatus, **fields: Any) -> Manifest:
    """Return the manifest of a sweep in a folder, as it stands there afterwards."""
    facts = {"created_by": origin(), "mission": script.name, **script_paths(script, folder)}
    manifest(*statuses, **{"extra": facts, **fields}).save(folder / "manifest.jsonl")
    return Manifest.load(folder / "manifest.jsonl")


def sparse(path: Path) -> None:
    """Make a file of a terabyte that takes no room."""
    with path.open("wb") as file:
        file.truncate(10**12)


class TestWhereItIs:
    """Its path leads from the sweep folder; its absolute path is there for a folder that moves."""

    @pytest.mark.parametrize(
        ("place", "sweep_folder", "name"),
        [
            ("/home/u/leo.script", "/home/u/mc", "../leo.script"),
            ("/home/u/mc/leo.script", "/home/u/mc", "leo.script"),
            ("/m/leo.script", "/scratch/user/night/1/mc", "/m/leo.script"),
        ],
    )
    def test_it_is_recorded_relative_where_that_is_shorter(
        self, place: str, sweep_folder: str, name: str
    ) -> None:
        facts = script_paths(Path(place), Path(sweep_folder))

        assert facts == {MISSION_PATH_KEY: name, MISSION_ABSOLUTE_KEY: place}

    def test_it_is_found_where_it_was(self, home: Path, script: Path) -> None:
        assert recorded_script(recorded(home / "mc", script)) == script
        # From a relative path, too.
        assert recorded_script(Manifest.load("mc/manifest.jsonl")) == script

    def test_moved_together_it_is_the_one_beside_the_sweep(self, home: Path, script: Path) -> None:
        recorded(home / "mc", script)
        moved = home.rename(home.with_name("moved"))

        found = recorded_script(Manifest.load(moved / "mc" / "manifest.jsonl"))

        assert found == moved / "missions" / "leo 1.script"

    def test_a_sweep_that_moved_alone_finds_it_where_it_is(self, home: Path, script: Path) -> None:
        recorded(home / "mc", script)
        deeper = home / "archive" / "2026"
        deeper.mkdir(parents=True)
        (home / "mc").rename(deeper / "mc")

        assert recorded_script(Manifest.load(deeper / "mc" / "manifest.jsonl")) == script

    def test_of_two_places_the_one_with_the_recorded_hash_counts(
        self, home: Path, script: Path
    ) -> None:
        recorded(home / "mc", script)
        (home / "copy" / "missions").mkdir(parents=True)
        (home / "copy" / "missions" / script.name).write_text("Create Spacecraft Other;\n")
        shutil.copytree("mc", "copy/mc")

        assert recorded_script(Manifest.load("copy/mc/manifest.jsonl")) == script

    def test_it_is_found_from_the_folder_that_the_caller_names(
        self, home: Path, script: Path
    ) -> None:
        recorded(home / "mc", script)
        shutil.copytree("mc", home / "far" / "off" / "mc")
        script.rename(home / "far" / "leo 1.script")
        (home / "far" / "missions").mkdir()
        moved = (home / "far" / "leo 1.script").rename(home / "far" / "missions" / script.name)

        found = recorded_script(
            Manifest.load("far/off/mc/manifest.jsonl"), folder=home / "far" / "runs"
        )

        assert found == moved


class TestWhereItIsNot:
    """Then the error says so, and what to do."""

    def test_a_manifest_of_an_earlier_version_does_not_say(self, home: Path) -> None:
        manifest("ok").save(home / "mc" / "manifest.jsonl")

        with pytest.raises(SweepConfigError, match=r"does not record the path.*--script"):
            recorded_script(Manifest.load(home / "mc" / "manifest.jsonl"))

    def test_a_changed_script_is_refused_or_accepted(self, home: Path, script: Path) -> None:
        record = recorded(home / "mc", script)
        script.write_text(script.read_text() + "% changed\n")

        with pytest.raises(SweepConfigError, match=r"script hash mismatch: .*--allow-script-drift"):
            recorded_script(record)
        assert recorded_script(record, allow_drift=True) == script

    @pytest.mark.promise("folders from somebody else", "a device or a pipe for a mission script")
    @pytest.mark.parametrize(
        "place", ["gone", "folder", "pipe", "device", "process", "huge", "NUL", "long", "no text"]
    )
    def test_what_cannot_be_a_script_is_none_and_is_told_at_once(
        self, home: Path, script: Path, place: str
    ) -> None:
        odd = home / "odd"
        made: dict[str, Callable[[], object]] = {
            "folder": odd.mkdir,
            "pipe": lambda: os.mkfifo(odd),
            "huge": partial(sparse, odd),
            "no text": lambda: odd.write_bytes(b"\xff\xfe\x00"),
        }
        names = {
            "device": "/dev/zero", "process": "/proc/self/mem", "NUL": "a\0b", "long": "x" * 5000,
        }  # fmt: skip
        made.get(place, int)()
        facts = {MISSION_PATH_KEY: names.get(place, str(odd)), MISSION_ABSOLUTE_KEY: "relative"}
        record = recorded(home / "mc", script, "ok", extra=facts)

        with pytest.raises(SweepConfigError, match=r"is not where it was \(.*--script"):
            recorded_script(record, allow_drift=True)

    @pytest.mark.parametrize("value", [7, None, ["leo.script"], "", {"a": 1}])
    def test_a_path_that_is_none_is_not_recorded(
        self, home: Path, script: Path, value: object
    ) -> None:
        facts = {MISSION_PATH_KEY: value, MISSION_ABSOLUTE_KEY: value}
        record = recorded(home / "mc", script, "ok", extra=facts)

        with pytest.raises(SweepConfigError, match="does not record the path"):
            recorded_script(record)


def printed_command(text: str) -> list[str]:
    """Return the words of the resume command in a text, as a shell takes it apart."""
    (command,) = [part for part in text.split("`") if part.startswith("gmat-sweep resume ")]
    return shlex.split(command)[1:]


class TestPrintedCommands:
    """A command that is printed is resumed by, as it is copied."""

    def resumes(self, words: list[str], script: Path) -> bool:
        """Whether the words are those of a resume that finds manifest and script."""
        arguments = make_parser().parse_args(words)
        assert arguments.script is None or Path(arguments.script).samefile(script)
        record = Manifest.load(arguments.manifest)
        return recorded_script(record).samefile(script) or arguments.script is not None

    @pytest.mark.parametrize("out", ["mc", "-mc", "a `b` $(c)"])
    def test_those_of_show_doctor_a_second_sweep_and_the_report(
        self, home: Path, script: Path, capsys: pytest.CaptureFixture[str], out: str
    ) -> None:
        recorded(home / out, script, "ok", run_count=2)

        assert main(["show", "--", out]) == EXIT_OK
        printed = [capsys.readouterr().err]
        with pytest.raises(SweepConfigError) as second:
            check_folder(home / out, home / out / "manifest.jsonl")
        printed += [
            str(check_sweep(home / out)),
            str(second.value),
            sweep_report(home / out).to_markdown(),
        ]

        for text in printed:
            if "`" in out:
                assert shlex.quote(str(script)) in text
            else:
                words = printed_command(text)
                assert words[-2:] == ["--script", str(script)]
                assert self.resumes(words, script)

    def test_those_of_a_finished_sweep_are_none(
        self, home: Path, script: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        recorded(home / "mc", script, "ok", "skipped")

        assert main(["show", "mc"]) == EXIT_OK
        with pytest.raises(SweepConfigError, match="another folder") as second:
            check_folder(home / "mc", home / "mc" / "manifest.jsonl")

        for text in (
            capsys.readouterr().err,
            str(second.value),
            str(check_sweep("mc")),
            sweep_report("mc").to_markdown(),
        ):
            assert "resume" not in text

    def test_a_script_that_is_gone_is_not_in_them(
        self, home: Path, script: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        recorded(home / "mc", script, "ok", run_count=2)
        script.unlink()

        assert main(["show", "mc"]) == EXIT_OK
        assert printed_command(capsys.readouterr().err) == ["resume", "mc/manifest.jsonl"]
        assert f"a resume needs the mission script: The mission script of the manifest is not where it was ({script})" in str(check_sweep("mc"))  # noqa: E501  # fmt: skip


class TestCommandsWithoutScript:
    """``resume``, ``extend``, ``archive`` take a folder for its manifest, and find the script."""

    @pytest.mark.parametrize("place", ["mc", "mc/manifest.jsonl"])
    def test_they_fly_and_pack_it(
        self,
        home: Path,
        script: Path,
        monkeypatch: pytest.MonkeyPatch,
        place: str,
    ) -> None:
        recorded(home / "mc", script, "skipped", "skipped", parameter_spec=MONTE_CARLO)

        assert main(["archive", place, "--out", "mc.zip"]) == EXIT_OK
        done = let_sweeps_end(monkeypatch, "ok")
        assert main(["resume", place, "--quiet"]) == EXIT_OK
        recorded(home / "mc", script, "ok", "ok", parameter_spec=MONTE_CARLO)
        assert main(["extend", place, "--n", "1", "--quiet"]) == EXIT_OK

        assert [sweep.script_path for sweep in done] == [script, script]

    @pytest.mark.parametrize(
        "words", [("resume",), ("extend", "--n", "2"), ("archive", "--out", "mc.zip")]
    )
    def test_they_say_what_is_wrong_with_it(
        self,
        home: Path,
        script: Path,
        capsys: pytest.CaptureFixture[str],
        words: tuple[str, ...],
    ) -> None:
        recorded(home / "mc", script, "ok", "ok", parameter_spec=MONTE_CARLO)
        command, *more = words
        script.write_text(script.read_text() + "% changed\n")
        said = refused(capsys, EXIT_CONFIG, command, "mc", *more)
        assert said.startswith("script hash mismatch: ")
        script.unlink()
        assert "is not where it was" in refused(capsys, EXIT_CONFIG, command, "mc", *more)


@pytest.mark.promise("folders from somebody else", "a mission script that its manifest names")
def test_a_script_that_somebody_else_recorded_is_flown_only_if_trusted(
    home: Path, script: Path, caplog: pytest.LogCaptureFixture
) -> None:
    writer = {"created_by": {"user": "mallory", "host": "elsewhere"}}
    facts = {**script_paths(script, home / "mc"), **writer}
    # Nothing is left to fly: trust comes before that.
    recorded(home / "mc", script, "skipped", "skipped", extra=facts)
    path = home / "mc" / "manifest.jsonl"

    with LocalJoblibPool(1) as pool:
        foreign = Sweep.from_manifest(path, backend=pool, progress=False)
        acts: tuple[Callable[[], Sweep], ...] = (foreign.resume, lambda: foreign.extend(n=1))
        for act in acts:
            with pytest.raises(SweepConfigError, match=r"the mission script .*leo 1\.script.*, or"):
                act()
        Sweep.from_manifest(path, script, backend=pool, progress=False).resume()
        Sweep.from_manifest(path, backend=pool, trust_hook=True, progress=False).resume()

    assert f"trusted as the manifest names it: the mission script {script}" in caplog.text
