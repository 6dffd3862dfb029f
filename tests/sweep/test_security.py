"""Nothing that lies in a sweep folder can make a program run what its user did not mean to run."""

from __future__ import annotations

import ast
import json
import os
import shutil
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

import gmat_sweep
from cli_sweeps import refused
from gmat_sweep import (
    LocalJoblibPool,
    Manifest,
    SweepConfigError,
    lazy_extra_outputs,
    monte_carlo,
    monte_carlo_extend,
)
from gmat_sweep.cli import EXIT_CONFIG, EXIT_OK, main
from gmat_sweep.disk.owner import current_user, origin
from gmat_sweep.errors import NotPlainFileError
from gmat_sweep.flow.server import shared_server
from resumed_sweeps import NOTE, SHORT, content, forget, hand_made, ran, reopened, run_of

SOURCE = Path(gmat_sweep.__file__).parent
PERTURB = {"Sat.SMA": ("normal", 7100, 50)}


@pytest.fixture(scope="module")
def whole(pool: LocalJoblibPool, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two draws with a hook."""
    folder = tmp_path_factory.mktemp("security") / "whole"
    monte_carlo(
        SHORT,
        n=2,
        perturb=PERTURB,
        seed=1,
        postprocess=NOTE,
        backend=pool,
        out=folder,
        progress=False,
    )
    return folder


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    """A copy of `whole` of which a run is missing."""
    copy = shutil.copytree(whole, tmp_path / "sweep")
    forget(copy, 1)
    return copy


def written_by(folder: Path, writer: object) -> None:
    """Let the manifest say that somebody else wrote it; None takes the key away."""
    manifest = Manifest.load(folder / "manifest.jsonl")
    manifest.extra = {**manifest.extra, "created_by": writer}
    if writer is None:
        del manifest.extra["created_by"]
    manifest.save(folder / "manifest.jsonl")
    manifest.close()


STRANGERS = {
    "another user": {**origin(), "user": "mallory"},
    "another machine": {**origin(), "host": "elsewhere"},
    "nobody it names": None,
    "a list": ["root"],
    "a user without a machine": {"user": current_user()},
}


class TestLinks:
    """A sweep is refused, before any run, where it would write through a link."""

    @pytest.mark.promise("folders from somebody else", "a resume of a folder with links in it")
    def test_a_resume_of_a_folder_with_links_changes_nothing(
        self, folder: Path, pool: LocalJoblibPool, tmp_path: Path
    ) -> None:
        outside = tmp_path / "outside"
        outside.mkdir()
        (outside / "mine").write_text("mine")
        shutil.rmtree(folder / "run-1")
        for name, target in (
            ("run-1", outside),
            ("run-1/worker.log", outside / "mine"),
            ("run-1/note.parquet", outside / "mine"),
            ("last-pass.json", outside / "mine"),
            ("headless", outside),
            (".gmat-sweep.lock", outside / "mine"),
        ):
            link = folder / name
            kept = link.rename(folder / "kept") if link.exists() else None
            link.parent.mkdir(exist_ok=True)
            link.symlink_to(target)
            before = content(folder)
            with pytest.raises(NotPlainFileError, match=f"{name} is a symbolic link"):
                reopened(folder, pool, postprocess=NOTE).resume()
            assert {n: before[n] for n in before if "lock" not in n} == {
                n: each for n, each in content(folder).items() if "lock" not in n
            }
            link.unlink()
            if kept is not None:
                kept.rename(link)
        assert content(outside) == {"mine": b"mine"}

    def test_a_sweep_folder_that_only_a_strangers_manifest_names_is_not_written_to(
        self, folder: Path, pool: LocalJoblibPool, tmp_path: Path
    ) -> None:
        apart = tmp_path / "apart" / "manifest.jsonl"
        manifest = Manifest.load(folder / "manifest.jsonl")
        manifest.extra["created_by"] = {**origin(), "user": "mallory"}
        manifest.output_dir = folder
        manifest.save(apart)
        manifest.close()

        with pytest.raises(SweepConfigError, match=f"the sweep folder {folder}"):
            reopened(apart.parent, pool, postprocess=NOTE).resume()

    @pytest.mark.promise("folders from somebody else", "a new sweep into a folder with links in it")
    def test_a_new_sweep_into_a_folder_with_links_starts_nothing(
        self, pool: LocalJoblibPool, tmp_path: Path
    ) -> None:
        (tmp_path / "outside").mkdir()
        (tmp_path / "sweep").mkdir()
        (tmp_path / "sweep" / "run-1").symlink_to(tmp_path / "outside")
        runs = [run_of(0, tmp_path / "sweep"), run_of(1, tmp_path / "sweep")]
        with pytest.raises(NotPlainFileError, match="run-1 is a symbolic link"):
            hand_made(runs, tmp_path / "sweep", pool).run()

        assert list((tmp_path / "outside").iterdir()) == []
        assert not (tmp_path / "sweep" / "manifest.jsonl").exists()


class TestHooks:
    """A hook that a manifest names is called where it is one's own, and otherwise when told so."""

    def test_one_of_my_own_is_called_and_shown(
        self, folder: Path, pool: LocalJoblibPool, capsys: pytest.CaptureFixture[str]
    ) -> None:
        manifest = folder / "manifest.jsonl"
        gmat_sweep.Sweep.from_manifest(manifest, SHORT, backend=pool).resume()

        assert f"calls what the manifest names: the postprocess hook '{NOTE}'" in (
            capsys.readouterr().err
        )
        assert len(lazy_extra_outputs(manifest, "note")) == 2

    @pytest.mark.promise(
        "folders from somebody else", "a hook of another user or machine, or of nobody"
    )
    @pytest.mark.parametrize("writer", STRANGERS)
    def test_one_of_somebody_elses_is_not_even_imported(
        self,
        writer: str,
        folder: Path,
        pool: LocalJoblibPool,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        (tmp_path / "trap.py").write_text("open('sprung', 'w')\ndef hook(s, o): return {}\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        monkeypatch.chdir(tmp_path)
        manifest = Manifest.load(folder / "manifest.jsonl")
        manifest.postprocess = "trap:hook"
        manifest.save(folder / "manifest.jsonl")
        manifest.close()
        written_by(folder, STRANGERS[writer])
        before = content(folder)
        given_up: list[Callable[[gmat_sweep.Sweep], object]] = [
            lambda sweep: sweep.resume(),
            lambda sweep: sweep.extend(n=1),
        ]

        for act in given_up:
            with pytest.raises(SweepConfigError, match=r"hook 'trap:hook'.*--trust-hook"):
                act(reopened(folder, pool))
        assert content(folder) == before
        assert not (tmp_path / "sprung").exists()
        assert "trap" not in sys.modules

    @pytest.mark.parametrize("told", [{"postprocess": NOTE}, {"trust_hook": True}])
    def test_named_again_or_trusted_it_is_called(
        self, told: dict[str, Any], folder: Path, pool: LocalJoblibPool
    ) -> None:
        written_by(folder, STRANGERS["another user"])

        reopened(folder, pool, **told).resume()
        monte_carlo_extend(
            folder / "manifest.jsonl", SHORT, n=1, backend=pool, progress=False, **told
        )

        assert ran(folder, 1) == [1, 2]
        assert len(lazy_extra_outputs(folder / "manifest.jsonl", "note")) == 3

    def test_trusting_says_what_is_trusted(
        self, folder: Path, pool: LocalJoblibPool, caplog: pytest.LogCaptureFixture
    ) -> None:
        written_by(folder, STRANGERS["another user"])

        reopened(folder, pool, trust_hook=True).resume()

        assert f"trusted as the manifest names it: the postprocess hook '{NOTE}'" in caplog.text

    def test_another_hook_than_the_sweeps_is_refused(
        self, folder: Path, pool: LocalJoblibPool, tmp_path: Path
    ) -> None:
        with pytest.raises(SweepConfigError, match=f"its manifest names .*{NOTE}"):
            reopened(folder, pool, postprocess="os:getcwd")
        plain = hand_made([run_of(0, tmp_path / "plain")], tmp_path / "plain", pool)
        plain.run()
        with pytest.raises(SweepConfigError, match="its manifest names no hook"):
            reopened(tmp_path / "plain", pool, postprocess="os:getcwd")

    def test_a_sweep_of_somebody_elses_without_any_is_resumed_as_ever(
        self, tmp_path: Path, pool: LocalJoblibPool
    ) -> None:
        hand_made([run_of(0, tmp_path), run_of(1, tmp_path)], tmp_path, pool).run()
        written_by(tmp_path, STRANGERS["another machine"])
        forget(tmp_path, 1)

        reopened(tmp_path, pool).resume()

        assert ran(tmp_path, 1) == [1]

    def test_the_command_line_has_both_ways(
        self, folder: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        written_by(folder, STRANGERS["another user"])
        resume = ["resume", folder / "manifest.jsonl", "--script", SHORT, "--quiet"]

        said = refused(capsys, EXIT_CONFIG, *resume)
        assert "by user 'mallory' on" in said
        assert "--trust-hook" in said
        assert main([str(word) for word in [*resume, "--postprocess", NOTE]]) == EXIT_OK
        forget(folder, 0)
        assert main([str(word) for word in [*resume, "--trust-hook"]]) == EXIT_OK


class TestHandMadeRuns:
    """So it is with the scripts and the folders that hand-made runs name."""

    @pytest.mark.promise("folders from somebody else", "scripts and folders of hand-made runs")
    @pytest.mark.parametrize("what", ["script", "folder", "hook"])
    def test_those_of_somebody_elses_are_refused_unless_trusted(
        self, what: str, tmp_path: Path, pool: LocalJoblibPool
    ) -> None:
        other = Path(shutil.copy(SHORT, tmp_path / "other.script"))
        changes: dict[str, dict[str, Any]] = {
            "script": {"script_path": other},
            "folder": {"output_dir": tmp_path / "outside"},
            "hook": {"postprocess": NOTE},
        }
        folder = tmp_path / "sweep"
        hand_made([run_of(0, folder), run_of(1, folder, **changes[what])], folder, pool).run()
        forget(folder, 1)
        said = {"script": "other.script", "folder": "outside", "hook": NOTE}[what]

        written_by(folder, STRANGERS["another user"])
        with pytest.raises(SweepConfigError, match=f"{said}.*--trust-hook"):
            reopened(folder, pool).resume()
        reopened(folder, pool, trust_hook=True).resume()
        assert ran(folder, 1) == [1]

        written_by(folder, origin())
        forget(folder, 1)
        reopened(folder, pool).resume()
        assert ran(folder, 1) == [1]


def test_a_user_without_a_name_is_one_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def nameless() -> str:
        raise OSError("No username set in the environment")

    monkeypatch.setattr("getpass.getuser", nameless)

    assert origin()["user"] == f"uid {os.getuid()}"


@pytest.mark.promise("folders from somebody else", "unpickling, evaluating")
def test_nothing_that_lies_in_a_sweep_folder_is_unpickled_or_evaluated() -> None:
    """No module names what would do that; pyarrow has not unpickled Parquet since version 14.

    The modules that talk to Dask's and Ray's workers do: what they unpickle comes from a cluster's
    own connections, never from a file.
    """
    talks_to_workers = {
        "dask_batches.py",
        "ray.py",
        "dask_local.py",
        "dask_plugins.py",
        "ray_actor.py",
    }
    unsafe = {
        "pickle", "cPickle", "cloudpickle", "dill", "marshal", "shelve", "eval", "exec",
        "read_pickle", "unpickle", "allow_pickle", "load_pickle",
    }  # fmt: skip
    found = []
    for path in SOURCE.rglob("*.py"):
        if path.is_relative_to(SOURCE / "backends") and path.name in talks_to_workers:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names: set[str] = set()
            match node:
                case ast.Import():
                    names = {alias.name.partition(".")[0] for alias in node.names}
                case ast.ImportFrom():
                    names = {str(node.module).partition(".")[0], *(a.name for a in node.names)}
                case ast.Name():
                    names = {node.id}
                case ast.Attribute():
                    names = {node.attr}
                case ast.keyword():
                    names = {str(node.arg)}
            found += [f"{path.name}:{name}" for name in names & unsafe]

    assert found == []


@pytest.mark.promise("folders from somebody else", "the server's address")
def test_the_local_server_listens_on_loopback_alone_and_asks_for_a_key_that_its_user_has() -> None:
    server = shared_server()
    record = server.record

    listening = {
        address.laddr.ip
        for address in psutil.Process(record.pid).net_connections(kind="inet")
        if address.status == psutil.CONN_LISTEN
    }
    assert listening == {"127.0.0.1"}
    assert record.url.startswith("http://127.0.0.1:")
    with httpx.Client(base_url=record.api_url, trust_env=False) as client:
        for path in ("/flow_runs/filter", "/flow_runs/", "/deployments/filter"):
            assert client.post(path, json={}).status_code == httpx.codes.UNAUTHORIZED
            wrong = {"Authorization": record.authorization[:-4]}
            assert client.post(path, json={}, headers=wrong).status_code == 401
        right = {"Authorization": record.authorization}
        assert client.post("/flow_runs/filter", json={}, headers=right).is_success
    # Only the record has the key: no command line and no file that others can read.
    key = record.auth.partition(":")[2]
    assert key not in " ".join(psutil.Process(record.pid).cmdline())
    assert stat.S_IMODE(server.place.folder.stat().st_mode) == 0o700
    for file in server.place.folder.iterdir():
        assert key.encode() not in file.read_bytes() or stat.S_IMODE(file.stat().st_mode) == 0o600
    assert key not in repr(record)


def test_a_distribution_in_a_manifest_can_name_nothing_but_a_distribution(
    folder: Path, pool: LocalJoblibPool
) -> None:
    manifest = Manifest.load(folder / "manifest.jsonl")
    spec = json.loads(json.dumps(manifest.parameter_spec))
    spec["perturb"]["Sat.SMA"] = {"name": "__builtins__", "args": [], "kwds": {}}
    manifest.parameter_spec = spec
    manifest.save(folder / "manifest.jsonl")
    manifest.close()

    with pytest.raises(SweepConfigError, match=r"unknown scipy\.stats distribution"):
        reopened(folder, pool)
