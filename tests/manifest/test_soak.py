"""Long rounds of kills and faults on the manifest: nothing that was acknowledged is lost."""

import errno
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

import pytest

from fault_injection import OS_CALLS, nth_call
from gmat_sweep.errors import DurabilityError
from gmat_sweep.manifest import Manifest
from gmat_sweep.manifest import manifest as manifest_module
from gmat_sweep.manifest.lines import line_of
from manifests import entry, header, ids
from soak_figures import Figures

SOURCE = str(Path(manifest_module.__file__).parents[1])
ERRORS = (errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EMFILE)
FAULTY_ROUNDS = 3000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sweep" / "manifest.jsonl"


@pytest.mark.promise("1", "200 kills, with an acknowledgement after each line")
@pytest.mark.soak
def test_killed_at_random_200_times_no_acknowledged_entry_is_lost(
    path: Path, figures: Figures
) -> None:
    """A child appends and acknowledges through a pipe until it is killed, time and again."""
    script = """
import dataclasses, sys
sys.path.insert(0, sys.argv[2])
from gmat_sweep.manifest import Manifest
manifest = Manifest.load(sys.argv[1])
template, next_id = manifest.entries[0], max(each.run_id for each in manifest.entries) + 1
while True:
    manifest.append_entry(dataclasses.replace(template, run_id=next_id))
    print(next_id, flush=True)
    next_id += 1
"""
    header(entries=[entry(0, stderr="x" * 20_000)]).save(path)
    seed = random.randrange(2**32)
    rng = random.Random(seed)
    acknowledged = {0}
    for _ in range(200):
        before = set(acknowledged)
        child = subprocess.Popen(
            [sys.executable, "-c", script, str(path), SOURCE], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        acknowledged.add(int(child.stdout.readline()))
        time.sleep(rng.uniform(0, 0.02))
        child.send_signal(signal.SIGKILL)
        rest, _ = child.communicate()
        acknowledged.update(int(line) for line in rest.split("\n")[:-1])

        figures.add(rounds=1, kills=1)
        figures.acknowledged(acknowledged - before, found := set(ids(path)))
        assert acknowledged <= found, f"seed {seed}"
        if path.stat().st_size > 20_000_000:
            header(entries=[entry(max(acknowledged), stderr="x" * 20_000)]).save(path)
            acknowledged = {max(acknowledged)}


@pytest.mark.promise("1", "random calls that fail, in thousands of rounds")
@pytest.mark.soak
def test_random_calls_fail_in_thousands_of_rounds_and_no_acknowledged_entry_is_lost(
    path: Path, figures: Figures
) -> None:
    """A disk that fails anywhere, in any way, time and again; now and then the writer is new."""
    seed = random.randrange(2**32)
    rng = random.Random(seed)
    header().save(path)
    manifest = Manifest.load(path)
    acknowledged: set[int] = set()
    next_id = 0
    for number in range(FAULTY_ROUNDS):
        where = f"seed {seed}, round {number}"
        code = rng.choice(ERRORS)

        def fail(code: int = code) -> NoReturn:
            raise OSError(code, os.strerror(code))

        nth, promised = rng.randrange(1, 5), set()
        if rng.random() < 0.2:
            with path.open("ab") as file:
                file.write(rng.randbytes(rng.randrange(1, 40)).replace(b"\n", b""))
        with nth_call(rng.choice(OS_CALLS), nth, fail) as calls:
            for _ in range(rng.randrange(1, 5)):
                try:
                    manifest.append_entry(entry(next_id))
                except DurabilityError:
                    pass
                else:
                    promised.add(next_id)
                next_id += 1
        figures.add(rounds=1, faults_injected=int(calls[0] >= nth))
        if rng.random() < 0.3:
            manifest = Manifest.load(path)
        lost = figures.acknowledged(promised, found := set(ids(path)))
        acknowledged |= promised

        assert not lost, where
        assert acknowledged <= found <= set(range(next_id)), where
        if len(found) > 300:
            header().save(path)
            manifest, acknowledged = Manifest.load(path), set()
    assert list(path.parent.glob("*.torn-*")), "no torn line was ever set aside"


@pytest.mark.promise("1", "100,000 entries")
@pytest.mark.soak
def test_100_000_entries_are_appended_and_loaded_in_seconds_and_in_a_few_hundred_megabytes(
    path: Path,
) -> None:
    manifest = header(fsync_each=False)
    manifest.save(path)
    start = time.process_time()
    for _ in range(2000):
        manifest.append_entry(entry(0))
    per_entry = (time.process_time() - start) / 2000
    manifest.close()
    header().save(path)
    with path.open("ab") as file:
        record = entry(0).to_dict()
        for run_id in range(100_000):
            file.write(line_of(record | {"run_id": run_id}, run_id + 1))
    script = """
import re, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from gmat_sweep.manifest import Manifest
start = time.process_time()
entries = Manifest.load(sys.argv[1]).entries
print(len(entries), time.process_time() - start)
# Not ru_maxrss, in which the memory of the process that started this one counts.
print(int(re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024)
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(path), SOURCE],
        capture_output=True,
        text=True,
        check=True,
    )
    count, seconds, megabytes = map(float, done.stdout.split())

    assert per_entry < 0.2e-3
    assert count == 100_000
    assert seconds < 4
    assert megabytes < 300
