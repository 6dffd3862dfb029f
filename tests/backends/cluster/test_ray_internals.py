"""What `ray_internals` relies on is still in Ray: a test for each use.

One that fails names what a release has taken away. Ray is not started, which takes long: the names
that it has in compiled code are looked for there.
"""

from __future__ import annotations

import inspect
import mmap
from pathlib import Path

import pytest
import ray
import ray._raylet
from ray.runtime_context import RuntimeContext

from gmat_sweep.backends.cluster import ray_internals as internals


def is_in_compiled_code(name: str) -> bool:
    """Return whether Ray's compiled part has a text."""
    with (
        Path(ray._raylet.__file__).open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as code,
    ):
        return code.find(name.encode()) >= 0


def test_ray_still_has_the_setting_after_how_long_it_gives_up_a_lost_head() -> None:
    assert internals.GIVES_UP_VARIABLE.startswith("RAY_")
    assert is_in_compiled_code(internals.GIVES_UP_VARIABLE.removeprefix("RAY_"))


def test_what_is_set_for_ray_is_known_and_a_minute_is_its_default(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(internals.GIVES_UP_VARIABLE, "24")
    assert internals.gives_up_after_s() == 24
    monkeypatch.delenv(internals.GIVES_UP_VARIABLE)
    assert internals.gives_up_after_s() == 60


@pytest.mark.parametrize(
    "key", ["NodeID", "NodeManagerAddress", "NodeManagerPort", "Resources", "Alive"]
)
def test_rays_records_of_nodes_still_have_this_key(key: str) -> None:
    assert is_in_compiled_code(key)


def test_ray_still_tells_of_its_nodes() -> None:
    inspect.signature(ray.nodes).bind()


def test_rays_runtime_context_still_has_the_address_of_the_head() -> None:
    assert isinstance(RuntimeContext.gcs_address, property)


def test_rays_runtime_context_still_has_the_id_of_this_node() -> None:
    inspect.signature(RuntimeContext.get_node_id).bind(None)


def test_a_name_that_ray_lacks_is_not_found_in_its_compiled_code() -> None:
    assert not is_in_compiled_code("NodeManagerAddress" + "OfGmatSweep")


def test_ray_still_extends_the_jobs_list_by_the_current_folder_of_the_driver(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = (Path(ray.__file__).parent / "_private/worker.py").read_text()
    assert "current_directory = os.path.abspath(os.path.curdir)\n" in source
    assert "job_config._py_driver_sys_path.extend(code_paths)\n" in source

    monkeypatch.chdir(tmp_path)
    job = internals.job_without_current_folder()
    job._py_driver_sys_path.extend(["/a", str(tmp_path), "/b"])
    assert job._py_driver_sys_path == ["/a", "/b"]
    assert inspect.signature(ray.init).parameters["job_config"].default is None
