"""From where code is imported: hooks from where the caller says, nothing from here by accident."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gmat_sweep import import_places
from gmat_sweep.errors import BackendError, SweepConfigError
from gmat_sweep.flow.prefect_internals import server_command
from gmat_sweep.import_places import HOOKS_VARIABLE
from gmat_sweep.sweep.preflight import check_hook
from gmat_sweep.worker import load_hook
from strangers_folder import ran_there, strangers_folder

HOOK = "def f(spec, outcome):\n    return {}\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(HOOKS_VARIABLE, raising=False)
    return tmp_path


def test_the_current_folder_is_handed_on_for_hooks_alone(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", ["", "relative", *sys.path])

    assert import_places.import_paths()[0] == str(here / "relative")
    assert str(here) not in import_places.import_paths()
    assert import_places.hook_folders() == [str(here)]


def test_this_package_is_handed_on_although_it_is_in_the_current_folder(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source = Path(import_places.__file__).parent.parent
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path != str(source)])

    assert import_places.import_paths() == [*sys.path, str(source)]


@pytest.mark.parametrize("text", ["/a:/b", '["/a", "/b"]', ":/a::/b:"])
def test_folders_of_hooks_are_named_as_path_has_them_or_as_a_list(
    here: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv(HOOKS_VARIABLE, text)
    before = dict(os.environ)

    assert import_places.hook_folders() == ["/a", "/b"]
    with import_places.hooks_from(here / "at 12:30"):
        assert import_places.hook_folders() == ["/a", "/b", str(here / "at 12:30")]
        assert import_places.handed_hook_folders()[HOOKS_VARIABLE] == os.environ[HOOKS_VARIABLE]
    assert dict(os.environ) == before


def test_a_hook_and_the_modules_beside_it_come_from_its_folder_and_nothing_else_does(
    here: Path,
) -> None:
    (here / "hook_of_mine.py").write_text("import beside_my_hook\n" + HOOK)
    (here / "beside_my_hook.py").touch()
    (here / "colorsys.py").write_text("raise RuntimeError('the wrong one')")
    before = list(sys.path)

    with pytest.raises(SweepConfigError, match=HOOKS_VARIABLE):
        check_hook("hook_of_mine:f")
    with import_places.hooks_from(here):
        check_hook("hook_of_mine:f")
        check_hook("colorsys:rgb_to_hsv")
        assert import_places.folder_of_hook("hook_of_mine:f") == str(here)
        assert import_places.folder_of_hook("colorsys:rgb_to_hsv") is None
        assert import_places.folder_of_hook("os:getcwd") is None
    assert sys.path == before


def test_a_hook_of_a_package_is_from_the_folder_around_it(here: Path) -> None:
    (here / "package_of_mine").mkdir()
    (here / "package_of_mine/__init__.py").touch()
    (here / "package_of_mine/hooks.py").write_text(HOOK)

    with import_places.hooks_from(here):
        load_hook("package_of_mine.hooks:f")
        assert import_places.folder_of_hook("package_of_mine.hooks:f") == str(here)


@pytest.mark.promise("folders from somebody else", "modules of libraries' names in the folder")
def test_no_python_that_is_started_begins_with_the_current_folder(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = strangers_folder(here / "theirs")
    monkeypatch.chdir(folder)
    # Not being an order, it ends the server's program once that has been loaded.
    server = server_command("no order")

    for command, said in (
        ([*import_places.python_command(), "-c", "import json; print('ran')"], "ran"),
        (server, "JSONDecodeError"),
    ):
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert said in done.stdout + done.stderr
    assert ran_there(folder) == ""


class TestClusterClass:
    """A cluster class by name: the parameters of a flow run may name one."""

    @pytest.mark.parametrize(
        "named",
        [
            "os.system",
            "subprocess.Popen",
            "distributed.Client",
            "distributed.deploy.spec.run_spec",
            "gmat_sweep.sweep.Sweep",
            "no_such_package.Cluster",
            "no_such_name",
            "distributed.NoSuchCluster",
            ".Cluster",
            "distributed.",
        ],
    )
    def test_anything_but_a_class_of_dasks_is_refused(self, here: Path, named: str) -> None:
        from gmat_sweep.backends.dask import class_named

        with pytest.raises(BackendError, match="cannot be used"):
            class_named(named)

    @pytest.mark.parametrize("named", ["distributed.LocalCluster", "dask_jobqueue.SLURMCluster"])
    def test_dasks_classes_are_taken(self, here: Path, named: str) -> None:
        from gmat_sweep.backends.dask import class_named

        assert getattr(class_named(named), "__name__", None) == named.rpartition(".")[2]

    @pytest.mark.parametrize("first", ["", "{here}"])
    def test_a_module_of_the_current_folder_is_not_imported_unless_pythonpath_names_it(
        self, here: Path, monkeypatch: pytest.MonkeyPatch, first: str
    ) -> None:
        from gmat_sweep.backends.dask import class_named

        name = f"clusters_{'at' if first else 'by'}_name"
        (here / f"{name}.py").write_text(
            "from distributed import LocalCluster\nfrom pathlib import Path; Path('RAN').touch()\n"
            "class Mine(LocalCluster): pass\n"
        )
        monkeypatch.setattr(sys, "path", [first.format(here=here), *sys.path])
        before = list(sys.path)

        with pytest.raises(BackendError, match=f"No module named '{name}'"):
            class_named(f"{name}.Mine")
        assert not (here / "RAN").exists()
        assert sys.path == before
        if first:
            monkeypatch.setenv("PYTHONPATH", f"/elsewhere:{here}")
            class_named(f"{name}.Mine")


def test_a_hook_of_the_same_name_from_another_folder_is_not_the_earlier_one(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digests = []
    for folder in ("apogee", "perigee", "apogee"):
        (here / folder).mkdir(exist_ok=True)
        (here / folder / "namesake.py").write_text(f"{HOOK}FROM = {folder!r}\n")
        monkeypatch.setenv(HOOKS_VARIABLE, str(here / folder))
        check_hook("namesake:f")
        assert folder == sys.modules["namesake"].FROM
        digests.append(import_places.hook_digest("namesake:f"))

    assert digests[0] == digests[2] != digests[1]


def test_what_the_program_imported_itself_is_not_imported_anew(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(here)
    (here / "own_of_program.py").write_text(HOOK)
    own = importlib.import_module("own_of_program")
    check_hook("own_of_program:f")
    (here / "own_of_program.py").write_text(f"{HOOK}\nOTHER = 1\n")
    check_hook("own_of_program:f")

    assert sys.modules["own_of_program"] is own


def test_a_folder_beside_pythons_own_is_not_pythons(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = here / "python-hooks"
    folder.mkdir()
    monkeypatch.setattr(sys, "base_prefix", str(here / "python"))
    monkeypatch.syspath_prepend(folder)
    for value in (1, 22):
        (folder / "beside_python.py").write_text(f"{HOOK}VALUE = {value}\n")
        check_hook("beside_python:f")
        assert vars(sys.modules["beside_python"])["VALUE"] == value


def test_an_edit_of_the_same_size_with_the_old_time_is_seen(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As unpacking an archive, or copying with times, leaves a file."""
    monkeypatch.setenv(HOOKS_VARIABLE, str(here))
    source = here / "hook_of_one_time.py"
    source.write_text("value = 1\n")
    import_places.look_at_hooks_anew()
    assert import_places.hook_module(source.stem).value == 1
    then = source.stat().st_mtime_ns

    source.write_text("value = 2\n")
    os.utime(source, ns=(then, then))
    import_places.look_at_hooks_anew()

    assert import_places.hook_module(source.stem).value == 2
    sys.modules.pop(source.stem)
