"""The exceptions: their tree, and the data they carry."""

import inspect
import pickle
from pathlib import Path

import pytest

from gmat_sweep import errors
from gmat_sweep.errors import (
    BackendError,
    DurabilityError,
    GmatSweepError,
    ManifestCorruptError,
    MissionScriptError,
    RunFailed,
    SweepConfigError,
    SweepFolderInUseError,
)


def drawn_tree() -> dict[str, str]:
    """Return class name to base name, as the module docstring draws it."""
    bases: dict[str, str] = {}
    path = ["Exception"]
    for line in inspect.cleandoc(errors.__doc__ or "").splitlines():
        indented = line.removeprefix("    ")
        name_at = next((i for i, c in enumerate(indented) if c not in " │├└─"), None)
        if line == indented or name_at is None:
            continue
        name = indented[name_at:].split()[0]
        depth = name_at // 4
        bases[name] = path[depth]
        path[depth + 1 :] = [name]
    return bases


def test_the_tree_in_the_docstring_is_the_tree_of_the_classes() -> None:
    actual = {
        name: cls.__mro__[1].__name__
        for name, cls in inspect.getmembers(errors, inspect.isclass)
        if issubclass(cls, Exception)
    }

    assert drawn_tree() == actual


def test_every_exception_is_exported() -> None:
    assert sorted(drawn_tree()) == sorted(errors.__all__)


def test_every_exception_has_a_docstring() -> None:
    assert all(getattr(errors, name).__doc__ for name in errors.__all__)


@pytest.mark.parametrize("name", errors.__all__)
def test_one_except_clause_catches_them_all(name: str) -> None:
    assert issubclass(getattr(errors, name), GmatSweepError)


@pytest.mark.parametrize("cls", [GmatSweepError, SweepConfigError, BackendError])
def test_a_plain_error_is_its_message(cls: type[GmatSweepError]) -> None:
    assert str(cls("what, where, what to do")) == "what, where, what to do"


def test_a_failed_run_carries_its_id_and_cause() -> None:
    error = RunFailed("run 3 failed", 3, "Traceback")

    assert (str(error), error.run_id, error.stderr) == ("run 3 failed", 3, "Traceback")
    assert RunFailed("run 3 failed", run_id=3).stderr is None


def test_a_corrupt_manifest_carries_its_path_and_line() -> None:
    error = ManifestCorruptError("bad", Path("m.jsonl"), 7)

    assert (str(error), error.path, error.line_number) == ("bad", Path("m.jsonl"), 7)
    assert ManifestCorruptError("bad", path=Path("m.jsonl")).line_number is None


def test_a_mission_script_error_carries_its_path_and_line() -> None:
    error = MissionScriptError("bad", Path("a.script"), line_number=12)

    assert (str(error), error.path, error.line_number) == ("bad", Path("a.script"), 12)
    assert MissionScriptError("bad", Path("a.script")).line_number is None


def test_a_folder_in_use_carries_its_path_and_holder() -> None:
    error = SweepFolderInUseError("busy", Path("out"), "pid 12 on host")

    assert (str(error), error.path, error.holder) == ("busy", Path("out"), "pid 12 on host")


@pytest.mark.parametrize(
    "error",
    [
        GmatSweepError("m"),
        RunFailed("m", 3, "why"),
        ManifestCorruptError("m", Path("manifest.jsonl"), 4),
        MissionScriptError("m", Path("a.script"), 5),
        SweepFolderInUseError("m", Path("out"), "pid 1"),
        DurabilityError(28, "No space left on device", "manifest.jsonl"),
    ],
)
def test_an_error_crosses_a_process_boundary_whole(error: GmatSweepError) -> None:
    copy = pickle.loads(pickle.dumps(error))

    assert type(error) is type(copy)
    assert str(error) == str(copy)
    assert vars(error) == vars(copy)
    assert getattr(error, "errno", None) == getattr(copy, "errno", None)
