"""One Prefect home, one engine cache and one pool of workers for the whole session."""

from __future__ import annotations

import atexit
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

# Prefect reads PREFECT_HOME when it is imported: no module may import it before this line.
_HOME = tempfile.TemporaryDirectory(prefix="gmat-sweep-tests-")
os.environ["PREFECT_HOME"] = _HOME.name
os.environ.pop("PREFECT_API_URL", None)
os.environ["DO_NOT_TRACK"] = "1"
# A server ends with the tests that have started it, even if these are killed.
os.environ["GMAT_SWEEP_SERVER_IDLE"] = "0"

import hypothesis  # noqa: E402
import pytest  # noqa: E402

import soak_figures  # noqa: E402
from chromium import browser  # noqa: E402, F401
from gmat_sweep.backends.joblib import LocalJoblibPool  # noqa: E402
from gmat_sweep.backends.process.worker_process import WorkerProcess  # noqa: E402
from gmat_sweep.flow import server  # noqa: E402
from gmat_sweep.flow.servers.shared import end_server  # noqa: E402
from plain_gmat import PlainGmat  # noqa: E402
from prefect_records import write_down_every_run  # noqa: E402
from repository import DATA, EXAMPLES, PROJECT  # noqa: E402
from soak_figures import figures  # noqa: E402, F401

# The files that take longest, which are begun first: the last one would go on alone.
LONGEST = (
    "deployments/test_running.py",
    "docs/test_pages.py",
    "flow/test_flow.py",
    "seeds/test_seeds.py",
    "sweep/test_sweep.py",
    "sweep/test_resume_extend.py",
    "peer/test_better_than_the_peer.py",
    "backends/test_joblib.py",
    "backends/process/test_worker_process.py",
    "cli/test_engine.py",
)

# No deadline: on a shared machine the time of an example says nothing about the code.
hypothesis.settings.register_profile("shared machine", deadline=None)
hypothesis.settings.load_profile("shared machine")
write_down_every_run()


@atexit.register
def end_servers() -> None:
    """End the servers of this process before their home is removed."""
    for each in server._servers.values():
        end_server(each.place)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that take longest first; the others stay in their order."""
    places = {PROJECT / "tests" / name: place for place, name in enumerate(LONGEST)}
    gone = [str(path) for path in places if not path.exists()]
    if gone:
        raise pytest.UsageError(f"conftest.py has these among the longest test files: {gone}")
    items.sort(key=lambda item: places.get(item.path, len(places)))


@pytest.fixture(scope="session")
def pool() -> Iterator[LocalJoblibPool]:
    """Two workers, shared by every test that does not break them."""
    with LocalJoblibPool(2) as workers:
        yield workers


@pytest.fixture(scope="module")
def worker() -> Iterator[WorkerProcess]:
    """The product's engine: one for all missions of a module, as in a pool that is kept."""
    own = WorkerProcess()
    yield own
    own.close()


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlainGmat]:
    """GMAT itself, one for a module."""
    with PlainGmat(tmp_path_factory.mktemp("plain")) as gmat:
        yield gmat


@pytest.fixture(scope="session")
def prefect_url() -> str:
    """The address of the local server, configured as a server of the user's would be.

    Its key is in the environment of this process and of the programs that a test starts. Programs
    that are not given the address find the server by its record, in the home of these tests.
    """
    record = server.shared_server().record
    os.environ["PREFECT_API_AUTH_STRING"] = record.auth
    return record.api_url


@pytest.fixture
def leo_basic() -> Path:
    """The point-mass LEO mission with elements in its report."""
    return DATA / "leo_basic.script"


@pytest.fixture
def leo_short() -> Path:
    """The point-mass LEO mission with the Cartesian state only."""
    return DATA / "leo_short.script"


@pytest.fixture
def injection() -> Path:
    """The mission of the demo."""
    return EXAMPLES / "injection.script"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print at the end the counts of the soak tests."""
    told = soak_figures.line(
        counted
        for reports in terminalreporter.stats.values()
        for report in reports
        if getattr(report, "when", None) == "teardown"
        for counted in report.user_properties
    )
    if told is not None:
        terminalreporter.write_sep("=", "soak")
        terminalreporter.write_line(told)
