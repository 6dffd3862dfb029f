"""Paths that no file system takes are refused in one short line, by every way to a sweep."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gmat_sweep import monte_carlo, monte_carlo_extend, sweep
from gmat_sweep.archive import archive_sweep
from gmat_sweep.backends.joblib import LocalJoblibPool
from gmat_sweep.disk.paths import absolute_path, current_folder, user_path
from gmat_sweep.doctor import check_sweep
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.sweep import Sweep
from gmat_sweep.sweep.replaying import replay_run
from repository import DATA

SCRIPT = DATA / "leo_short.script"
NO_PATHS: dict[str, tuple[Any, str]] = {
    "number": (5, "is a int, 5. Give a path"),
    "bytes": (b"sweep", "is a bytes, b'sweep'. Give a path"),
    "list": (["sweep"], "is a list"),
    "nothing": ("", "is empty. Give a path"),
    "nobody's home": ("~nosuchuser/", "is not known here. If it is"),
    "a million characters": ("a" * 1_000_000, "has 1,000,000 bytes, and 4,095 are the most"),
    "many folders": ("a/" * 500_000, "bytes, and 4,095 are the most"),
    "a long name": ("b/" + "a" * 256, "of 256 bytes, and 255 are the most"),
    "letters of two bytes": ("ä" * 128, "of 256 bytes, and 255 are the most"),
    "NUL": ("a\0b", "holds a NUL"),
}


def refusal(ask: Callable[[], object]) -> str:
    """Return the message of the refusal, after checking that it is short."""
    with pytest.raises(SweepConfigError) as caught:
        ask()
    assert len(str(caught.value)) < 300
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(("path", "said"), NO_PATHS.values(), ids=NO_PATHS.keys())
def test_what_is_no_path_is_refused_everywhere_and_leaves_nothing(
    path: Any, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    grid: dict[str, Any] = {"grid": {"Sat.SMA": [7000]}}
    draws: dict[str, Any] = {"n": 1, "perturb": {"Sat.SMA": ("normal", 7000.0, 1.0)}}
    place: dict[str, Any] = {
        "manifest_path": "m.jsonl", "output_dir": "out", "script_path": SCRIPT,
    }  # fmt: skip
    pool = LocalJoblibPool(1)

    everywhere: list[tuple[str, Callable[[], object]]] = [
        ("mission", lambda: sweep(path, **grid)),
        ("out", lambda: sweep(SCRIPT, out=path, **grid)),
        ("out", lambda: monte_carlo(SCRIPT, out=path, **draws)),
        ("manifest", lambda: monte_carlo_extend(path, SCRIPT, n=1)),
        ("script", lambda: monte_carlo_extend("m.jsonl", path, n=1)),
        *(
            (name, functools.partial(Sweep, runs=[], backend=pool, **(place | {name: path})))
            for name in place
        ),
        ("manifest_path", lambda: Sweep.from_manifest(path, SCRIPT, backend=pool)),
        ("folder", lambda: check_sweep(path)),
        ("manifest", lambda: replay_run(path, 0, "out")),
        ("out", lambda: archive_sweep(None, tmp_path, SCRIPT, path)),  # type: ignore[arg-type]
    ]
    for what, ask in everywhere:
        refused = refusal(ask)

        assert refused.startswith(f"{what} ")
        assert said in refused
    assert list(tmp_path.iterdir()) == []


def test_a_home_is_expanded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))

    assert user_path("~/sweep", "out") == tmp_path / "sweep"
    assert user_path("a/~nosuchuser", "out") == Path("a/~nosuchuser")


def test_the_longest_name_is_taken(tmp_path: Path) -> None:
    absolute_path(tmp_path / ("a" * 255), "out").mkdir()


def test_a_deleted_current_folder_is_named_where_it_matters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()

    for ask in (
        current_folder,
        lambda: absolute_path("sweep", "out"),
        lambda: sweep(SCRIPT, grid={"Sat.SMA": [7000]}, out="sweep"),
        lambda: sweep(SCRIPT, grid={"Sat.SMA": [7000]}, out=tmp_path / "sweep"),
        lambda: Sweep.from_manifest("m.jsonl", SCRIPT, backend=LocalJoblibPool(1)),
    ):
        assert refusal(ask).startswith("The current folder has been deleted. ")
    assert absolute_path(tmp_path, "out") == tmp_path
    assert list(tmp_path.iterdir()) == []
