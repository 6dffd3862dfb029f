"""Where GMAT is found, and how the wheel's engine is presented as an install."""

import importlib.metadata
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

import pandas as pd
import pytest

from gmat_sweep.backends.process.worker_process import WorkerProcess
from gmat_sweep.engine import (
    DATA_VARIABLE,
    ROOT_VARIABLE,
    SCRATCH_VARIABLE,
    Engine,
    activate,
    find_engine,
    finding,
    offer_wheel,
    presentation,
)
from gmat_sweep.errors import EngineError
from gmat_sweep.spec import RunOutcome, RunSpec
from repository import DATA

LEO = DATA / "leo_basic.script"
GMATPY = Path(str(importlib.metadata.distribution("gmatpy").locate_file("gmatpy")))


def set_up_machine(patch: pytest.MonkeyPatch, home: Path) -> None:
    """Have a home and a cache of one's own, and nothing said about GMAT."""
    home.mkdir(exist_ok=True)
    patch.setenv("HOME", str(home))
    patch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    for variable in (ROOT_VARIABLE, DATA_VARIABLE):
        patch.setenv(variable, "")
        patch.delenv(variable)


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    set_up_machine(monkeypatch, tmp_path / "home")
    return tmp_path / "home"


def make_install(root: Path, version_line: str = "# GMAT R2025a") -> Path:
    """Make what gmat-run takes for an installed GMAT."""
    (root / "bin" / "gmatpy").mkdir(parents=True)
    (root / "bin" / "gmat_startup_file.txt").write_text(version_line)
    (root / "api").mkdir()
    (root / "api" / "load_gmat.py").touch()
    return root.resolve()


def contents(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of every file, without the bytecode that importing may leave anywhere."""
    return {
        str(path.relative_to(folder)): (path.lstat().st_size, path.lstat().st_mtime_ns)
        for path in folder.rglob("*")
        if "__pycache__" not in path.parts and not path.is_dir()
    }


def presentations(home: Path) -> list[str]:
    return sorted(path.name for path in (home / "cache" / "gmat-sweep" / "engine").iterdir())


def run_one(worker: WorkerProcess, script: Path, folder: Path) -> RunOutcome:
    return worker.run(RunSpec(script, {}, folder, 0, None, {}), timeout_s=60)


def python(program: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def answer(process: subprocess.Popen[str]) -> str:
    output, complaint = process.communicate(timeout=60)
    assert (process.returncode, complaint) == (0, "")
    return output.strip()


# --- an installed GMAT ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("missing", "reason"),
    [
        ("", "does not exist"),
        ("bin", "missing bin/ directory"),
        ("bin/gmatpy", "missing bin/gmatpy/ directory"),
        ("api", "missing api/load_gmat.py"),
    ],
)
def test_a_gmat_root_that_is_no_install_is_an_error_that_names_the_reason(
    home: Path, missing: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never a silent fall-back, although another GMAT and the wheel are there."""
    make_install(home / "gmat-R2024a")
    root = make_install(home / "mine")
    shutil.rmtree(root / missing)
    monkeypatch.setenv(ROOT_VARIABLE, str(root))

    with pytest.raises(EngineError) as caught:
        find_engine()

    message = str(caught.value)
    assert f"GMAT_ROOT is set to {root}, which is not a GMAT install: {reason}." in message
    assert message.endswith("or unset it to use the engine that comes with this package.")
    with pytest.raises(EngineError):
        activate()
    assert os.environ[ROOT_VARIABLE] == str(root)
    assert not (home / "cache").exists()


def test_a_gmat_root_that_is_no_install_fails_the_run_with_the_reason(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ROOT_VARIABLE, str(home / "nowhere"))
    worker = WorkerProcess()
    try:
        outcome = run_one(worker, LEO, home / "run-0")
    finally:
        worker.close()

    assert outcome.status == "failed"
    assert outcome.stderr is not None
    assert "EngineError: GMAT_ROOT is set to" in outcome.stderr
    assert "does not exist" in outcome.stderr


def test_the_install_that_gmat_root_names_comes_first(home: Path) -> None:
    make_install(home / "gmat-R2026a")
    root = make_install(home / "mine")

    found = find_engine({ROOT_VARIABLE: str(root)})

    assert found == Engine(root, "R2025a", "GMAT_ROOT")
    assert found.describe() == f"GMAT R2025a, the install named by GMAT_ROOT, at {root}"
    assert not (home / "cache").exists()


def test_a_tilde_in_gmat_root_means_the_home_folder(home: Path) -> None:
    root = make_install(home / "mine")

    assert find_engine({ROOT_VARIABLE: "~/mine"}).root == root


def test_an_installed_gmat_comes_before_the_wheel(home: Path) -> None:
    root = make_install(home / "gmat-R2025a")

    found = find_engine()

    assert found == Engine(root, "R2025a", "installed")
    assert found.describe() == f"GMAT R2025a, an installed GMAT, at {root}"
    assert not (home / "cache").exists()


def test_an_install_that_does_not_say_its_version_has_an_unknown_one(home: Path) -> None:
    root = make_install(home / "mine", version_line="# no release named")

    assert find_engine({ROOT_VARIABLE: str(root)}).version == "unknown"


def test_something_that_only_looks_like_an_install_does_not_hide_the_wheel(home: Path) -> None:
    (home / "gmat-leftovers").mkdir()

    assert find_engine().source == "wheel"


def test_a_data_folder_beside_an_installed_gmat_is_an_error(home: Path) -> None:
    """It would be ignored: the install has a startup file of its own."""
    root = make_install(home / "mine")

    with pytest.raises(EngineError, match=r"Name the files in that install's") as caught:
        find_engine({ROOT_VARIABLE: str(root), DATA_VARIABLE: str(home)})

    assert str(root) in str(caught.value)


# --- the wheel -----------------------------------------------------------------------------------


def test_without_an_install_the_wheel_is_presented_in_the_users_cache(home: Path) -> None:
    found = find_engine()

    assert (found.version, found.source, found.data_folder) == ("R2026a", "wheel", None)
    assert found.root.parent == home / "cache" / "gmat-sweep" / "engine"
    assert presentations(home) == [found.root.name]
    assert found.describe() == f"GMAT R2026a, the engine in the gmatpy wheel, at {found.root}"


def test_finding_the_wheel_again_changes_nothing(home: Path) -> None:
    found = find_engine()
    before = contents(found.root)

    assert find_engine() == found
    assert contents(found.root) == before


def test_activate_points_gmat_run_at_the_engine(home: Path) -> None:
    from gmat_run import locate_gmat

    found = activate()

    assert os.environ[ROOT_VARIABLE] == str(found.root)
    assert locate_gmat().root == found.root.resolve()
    assert activate() == found


def test_a_presentation_handed_down_by_a_parent_counts_as_the_wheel(home: Path) -> None:
    found = find_engine()

    assert find_engine({ROOT_VARIABLE: str(found.root)}) == found


def test_the_startup_file_names_only_what_is_there(home: Path) -> None:
    """GMAT validates its folders at start-up; two files it wants named although it has none."""
    root = find_engine().root
    lines = (root / "bin" / "api_startup_file.txt").read_text().splitlines()
    settings = dict(line.split(" = ") for line in lines if not line.startswith("#"))
    paths = {key: Path(value) for key, value in settings.items() if value.startswith("/")}

    absent = {key for key, path in paths.items() if not path.exists()}

    assert absent == {"CSSI_FLUX_FILE", "SCHATTEN_FILE"}
    assert all(path.is_relative_to(root) for path in paths.values())
    assert paths["JGM2_FILE"].read_bytes() == (GMATPY / "data/gravity/earth/JGM2.cof").read_bytes()


def test_many_processes_that_present_at_once_get_the_same_whole_folder(home: Path) -> None:
    processes = [
        python("import os; from gmat_sweep.engine import offer_wheel; print(end='>', flush=True); "
               "input(); offer_wheel(); print(os.environ['GMAT_ROOT'])")
        for _ in range(8)
    ]  # fmt: skip
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.read(1) == ">"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    cache = home / "cache" / "gmat-sweep" / "engine"
    seen: list[Path] = []
    running = True
    while running and not seen:
        running = any(process.poll() is None for process in processes)
        seen = list(cache.glob("[!.]*"))
        time.sleep(0)
    seen_first = contents(seen[0]).keys()
    roots = {answer(process) for process in processes}

    found = find_engine()
    assert roots == {str(found.root)}
    assert presentations(home) == [found.root.name]
    assert contents(found.root).keys() == seen_first
    shutil.rmtree(found.root)
    assert contents(find_engine().root).keys() == seen_first


@pytest.mark.parametrize(
    "damage",
    ["bin/gmatpy/__init__.py", "bin", "api", "data/gravity/earth/JGM2.cof", "data/gravity/luna"],
)
def test_a_damaged_presentation_is_made_again(home: Path, damage: str) -> None:
    found = find_engine()
    whole = contents(found.root)
    path = found.root / damage
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()

    assert find_engine() == found
    assert path.exists()
    assert contents(found.root).keys() == whole.keys()
    assert presentations(home) == [found.root.name]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"complete": false}'])
def test_a_presentation_without_its_mark_of_completeness_is_made_again(
    home: Path, text: str
) -> None:
    """As a power failure may leave it."""
    found = find_engine()
    mark = found.root / "presented.json"
    mark.write_text(text)

    assert find_engine() == found
    assert json.loads(mark.read_text())["complete"] is True
    assert presentations(home) == [found.root.name]


def test_a_presentation_that_another_process_mends_meanwhile_is_whole(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The damaged folder is gone, or even replaced, when this process wants to move it away."""
    found = find_engine()
    (found.root / "api" / "load_gmat.py").unlink()
    rename = Path.rename
    moves: list[str] = []

    def other_first(path: Path, target: Path) -> Path:
        moves.append(path.name)
        if len(moves) == 1:
            rename(path, home / "moved away by the other process")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", other_first)

    assert find_engine() == found
    assert moves[0] == found.root.name
    assert (found.root / "api" / "load_gmat.py").exists()
    assert presentations(home) == [found.root.name]


def test_a_changed_wheel_gets_a_folder_of_its_own(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Processes that still run on the old one keep theirs."""
    old = find_engine()
    package, identity = presentation._wheel_package()
    monkeypatch.setattr(presentation, "_wheel_package", lambda: (package, f"{identity}changed"))

    new = find_engine({ROOT_VARIABLE: str(old.root)})

    assert new.root != old.root
    assert presentations(home) == sorted([old.root.name, new.root.name])
    assert contents(new.root).keys() == contents(old.root).keys()


def test_a_cache_that_cannot_be_written_is_an_error_that_names_it(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "file"))

    with pytest.raises(EngineError, match="set XDG_CACHE_HOME to one that is") as caught:
        find_engine()

    assert str(home / "file") in str(caught.value)


def test_a_full_disk_leaves_nothing_behind(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, *args: object, **kwargs: object) -> NoReturn:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", full)
        with pytest.raises(EngineError, match="No space left on device"):
            find_engine()

    assert presentations(home) == []


def test_a_wheel_without_an_engine_is_an_error(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presentation, "_wheel_package", lambda: (home, "0.2.1"))

    with pytest.raises(EngineError, match="holds no GMAT engine"):
        find_engine()


def test_no_engine_at_all_is_an_error_that_says_how_to_get_one(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def not_installed(name: str) -> NoReturn:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", not_installed)

    with pytest.raises(EngineError, match="pip install gmatpy"):
        find_engine()


# --- offering the wheel --------------------------------------------------------------------------


def test_the_wheel_is_offered_where_there_is_nothing_else(home: Path) -> None:
    offer_wheel()

    assert os.environ[ROOT_VARIABLE] == str(find_engine().root)


def test_the_wheel_is_not_offered_over_a_gmat_root_that_is_set(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even a wrong one: the user's word stands, and the error comes when GMAT is needed."""
    monkeypatch.setenv(ROOT_VARIABLE, str(home / "nowhere"))

    offer_wheel()

    assert os.environ[ROOT_VARIABLE] == str(home / "nowhere")
    assert not (home / "cache").exists()


def test_the_wheel_is_not_offered_beside_an_installed_gmat(home: Path) -> None:
    make_install(home / "gmat-R2025a")

    offer_wheel()

    assert ROOT_VARIABLE not in os.environ


def test_the_wheel_is_not_offered_beside_a_gmat_on_the_path(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = make_install(home / "elsewhere") / "bin" / "GmatConsole"
    program.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)

    offer_wheel()

    assert ROOT_VARIABLE not in os.environ
    assert find_engine().source == "installed"


def test_the_wheel_is_found_without_gmat_run_where_nothing_looks_like_an_install(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """gmat-run takes 0.3 s of CPU to load; it is asked as soon as there is a candidate."""
    monkeypatch.setitem(sys.modules, "gmat_run", None)

    assert find_engine().source == "wheel"

    (home / "gmat-R2025a").mkdir()
    with pytest.raises(ImportError, match="gmat_run"):
        find_engine()


def test_a_candidate_is_looked_for_wherever_gmat_run_looks() -> None:
    """On these systems: its release may look in other places than the one before."""
    from gmat_run import install

    looked_at = {*finding._PATTERNS}
    for system in ("linux", "darwin"):
        assert looked_at.issuperset(install._glob_patterns_for_platform(system))
    assert install._PATH_BINARY_NAMES == finding._PROGRAMS


def test_offering_a_wheel_that_cannot_be_presented_is_silent(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What needs an engine says so itself."""
    monkeypatch.setenv(DATA_VARIABLE, str(home / "nowhere"))

    offer_wheel()

    assert ROOT_VARIABLE not in os.environ


def test_gmat_run_finds_the_engine_as_soon_as_a_name_of_the_package_is_imported(
    home: Path,
) -> None:
    program = (
        "from gmat_sweep import Manifest; import gmat_run; "
        "found = gmat_run.locate_gmat(); print(found.version, found.root)"
    )

    assert answer(python(program)) == f"R2026a {find_engine().root.resolve()}"


# --- the user's own data -------------------------------------------------------------------------


def data_folder(home: Path) -> Path:
    """A gravity model under a name that the wheel does not have, and one that it has."""
    folder = home / "my data"
    earth = folder / "gravity" / "earth"
    earth.mkdir(parents=True)
    shutil.copy(GMATPY / "data/gravity/earth/JGM2.cof", earth / "Mine.cof")
    shutil.copy(GMATPY / "data/gravity/earth/JGM2.cof", earth / "JGM3.cof")
    return folder


def test_a_data_folder_adds_its_files_to_the_wheels_and_comes_first(home: Path) -> None:
    folder = data_folder(home)
    plain = find_engine()

    found = find_engine({DATA_VARIABLE: str(folder)})

    earth = found.root / "data" / "gravity" / "earth"
    assert found.data_folder == folder.resolve()
    assert found.root != plain.root
    assert (earth / "Mine.cof").resolve() == (folder / "gravity/earth/Mine.cof").resolve()
    assert (earth / "JGM3.cof").resolve() == (folder / "gravity/earth/JGM3.cof").resolve()
    assert (earth / "JGM2.cof").resolve() == (GMATPY / "data/gravity/earth/JGM2.cof").resolve()


def test_a_changed_data_folder_gets_a_presentation_of_its_own(home: Path) -> None:
    folder = data_folder(home)
    before = find_engine({DATA_VARIABLE: str(folder)})
    (folder / "gravity/earth/Mine.cof").write_text("changed")
    changed = find_engine({DATA_VARIABLE: str(folder)})
    (folder / "gravity/earth/New.cof").touch()
    added = find_engine({DATA_VARIABLE: str(folder)})

    assert len({before.root, changed.root, added.root}) == 3


def test_a_data_folder_may_hold_links_also_to_folders_and_to_nothing(home: Path) -> None:
    (home / "links").mkdir()
    (home / "links" / "gravity").symlink_to(data_folder(home) / "gravity")
    (home / "links" / "gone.txt").symlink_to(home / "gone")

    found = find_engine({DATA_VARIABLE: str(home / "links")})

    assert (found.root / "data" / "gravity" / "earth" / "Mine.cof").is_file()
    assert not (found.root / "data" / "gone.txt").is_symlink()


@pytest.mark.parametrize("name", ["nowhere", "file"])
def test_a_data_folder_that_is_no_folder_is_an_error(home: Path, name: str) -> None:
    (home / "file").touch()

    with pytest.raises(EngineError, match="which is not a folder") as caught:
        find_engine({DATA_VARIABLE: str(home / name)})

    assert str(home / name) in str(caught.value)


def test_a_mission_finds_the_files_of_the_data_folder(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when the variable is set after the engine was already offered to gmat-run."""
    offer_wheel()
    folder = data_folder(home)
    script = home / "mine.script"
    text = (DATA / "low_orbit.script").read_text(encoding="utf-8")
    script.write_text(text.replace("JGM2.cof", "Mine.cof"))
    monkeypatch.setenv(DATA_VARIABLE, str(folder))
    worker = WorkerProcess()
    try:
        plain = run_one(worker, DATA / "low_orbit.script", home / "run-0")
        mine = run_one(worker, script, home / "run-1")
    finally:
        worker.close()

    assert (plain.stderr, mine.stderr) == (None, None)
    one, other = (pd.read_parquet(run.output_paths["report__RF"]) for run in (plain, mine))
    pd.testing.assert_frame_equal(one, other, check_exact=True)


# --- workers side by side ------------------------------------------------------------------------


def test_two_workers_share_the_engine_but_neither_its_log_nor_its_stray_output(
    home: Path,
) -> None:
    """And neither writes into the wheel or into what presents it."""
    package = contents(GMATPY)
    presented = contents(find_engine().root)
    workers = (WorkerProcess(), WorkerProcess())
    try:
        runs = [run_one(worker, LEO, home / str(worker.pid)) for worker in workers]
        scratch = [contents(worker._scratch).keys() for worker in workers]
        startup = [(worker._scratch / "api_startup_file.txt").read_text() for worker in workers]
    finally:
        for worker in workers:
            worker.close()

    assert [run.status for run in runs] == ["ok", "ok"]
    assert contents(GMATPY) == package
    root = find_engine().root
    assert contents(root) == presented
    assert list((root / "output").iterdir()) == []
    assert presentations(home) == [root.name]
    for worker, files, settings in zip(workers, scratch, startup, strict=True):
        assert files == {"GmatLog.txt", "api_startup_file.txt", "output.txt"}
        assert f"LOG_FILE = {worker._scratch}/GmatLog.txt\n" in settings
        assert f"OUTPUT_PATH = {worker._scratch}/\n" in settings
    assert workers[0]._scratch != workers[1]._scratch


@pytest.mark.parametrize(
    "call",
    [
        "inspect_mission(script, {})",
        "pool.submit(inspect_mission, script, {}).result()",
    ],
    ids=["in a process of its own", "in a worker of multiprocessing"],
)
def test_an_engine_without_a_scratch_folder_makes_one_and_removes_it(
    home: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """As when `run_one` is called by somebody else's pool."""
    monkeypatch.delenv(SCRATCH_VARIABLE, raising=False)
    monkeypatch.setenv("TMPDIR", str(home))
    program = (
        "from concurrent.futures import ProcessPoolExecutor\n"
        "from multiprocessing import get_context\n"
        "from pathlib import Path\n"
        "from gmat_sweep.worker import inspect_mission\n"
        "if __name__ == '__main__':\n"
        "    with ProcessPoolExecutor(1, mp_context=get_context('spawn')) as pool:\n"
        f"        script = Path({str(LEO)!r})\n"
        f"        facts = {call}\n"
        f"        folders = list(Path({str(home)!r}).glob('gmat-engine-*'))\n"
        "        print(facts.problems, len(folders))\n"
    )

    assert answer(python(program)).endswith("() 1")
    assert list(home.glob("gmat-engine-*")) == []
