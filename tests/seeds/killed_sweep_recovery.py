# The cells of the notebook "Surviving a kill: partial manifest recovery and programmatic resume",
# as printed.
# ruff: noqa: E402
# mypy: ignore-errors

# %%
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from gmat_run import locate_gmat

from gmat_sweep import Manifest, lazy_multiindex

install = locate_gmat()
script_path = Path("leo_short.script").resolve()
print(f"GMAT version: {install.version}")
print(f"Script: {script_path.name}")
print(f"Exists: {script_path.exists()}")

# %%
tmpdir = tempfile.TemporaryDirectory(prefix="killed-sweep-")
out_dir = Path(tmpdir.name)
manifest_path = out_dir / "manifest.jsonl"

proc = subprocess.Popen(
    [
        "gmat-sweep",
        "run",
        "--grid",
        "Sat.SMA=7000:8000:20",
        "--workers",
        "1",
        "--out",
        str(out_dir),
        str(script_path),
    ],
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
)
print(f"Spawned gmat-sweep pid={proc.pid}, output dir = {out_dir}")

# %%
TARGET_ENTRIES = 5
DEADLINE_S = 60.0
deadline = time.monotonic() + DEADLINE_S


def _entries_on_disk(path: Path) -> int:
    if not path.exists():
        return 0
    # Header line + one per-run line. Subtract 1 for the header.
    return max(0, sum(1 for _ in path.open("r", encoding="utf-8")) - 1)


while time.monotonic() < deadline:
    if proc.poll() is not None:
        raise RuntimeError(
            f"gmat-sweep exited before SIGINT could be sent (rc={proc.returncode}); "
            f"stderr: {proc.stderr.read().decode(errors='replace') if proc.stderr else ''}"
        )
    if _entries_on_disk(manifest_path) >= TARGET_ENTRIES:
        break
    time.sleep(0.1)
else:
    proc.kill()
    raise RuntimeError(
        f"gmat-sweep did not append {TARGET_ENTRIES} manifest entries within {DEADLINE_S} s"
    )

n_before_kill = _entries_on_disk(manifest_path)
proc.send_signal(signal.SIGINT)
rc = proc.wait(timeout=30)
n_after_kill = _entries_on_disk(manifest_path)

print(f"Subprocess exited with rc={rc}")
print(f"Manifest entries at kill: {n_before_kill}")
print(f"Manifest entries on disk: {n_after_kill}")

# %%
show = subprocess.run(
    ["gmat-sweep", "show", str(manifest_path)],
    capture_output=True,
    text=True,
    check=True,
)
print(show.stdout.strip())

# %%
manifest = Manifest.load(manifest_path)
print(f"Header.run_count (planned): {manifest.run_count}")
print(f"Entries on disk (completed): {len(manifest.entries)}")
print(f"GMAT install version: {manifest.gmat_install_version}")
print(f"Script SHA-256 (canonical): {manifest.script_sha256[:16]}...")
for entry in manifest.entries[:3]:
    print(f" run_id={entry.run_id} status={entry.status} overrides={entry.overrides}")

# %%
df = lazy_multiindex(manifest, out_dir)
print(f"Partial DataFrame shape: {df.shape}")
print(f"Distinct run_ids: {df.index.get_level_values('run_id').nunique()}")
df.head()

# %%
from gmat_sweep import Sweep
from gmat_sweep.backends.joblib import LocalJoblibPool

with LocalJoblibPool(workers=1) as pool:
    resumed_df = (
        Sweep.from_manifest(
            manifest_path,
            script_path,
            backend=pool,
            progress=False,
        )
        .resume()
        .to_dataframe()
    )

resumed_manifest = Manifest.load(manifest_path)
print(f"Manifest entries after resume: {len(resumed_manifest.entries)}")
print(f"Distinct run_ids in DataFrame: {resumed_df.index.get_level_values('run_id').nunique()}")
print("Status counts:")
print(resumed_df["__status"].value_counts())
