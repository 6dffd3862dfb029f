# The cells of the notebook "Downstream-consumer pipeline: postprocess hooks, extra outputs, and
# resume", as printed. The modules that it writes with %%writefile are downstream_pipeline.py and
# killable_sweep.py.
# ruff: noqa: B018
# fmt: off
# mypy: ignore-errors

# %%
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd
from gmat_run import locate_gmat

from gmat_sweep import Manifest, Sweep, lazy_extra_outputs, lazy_multiindex, sweep
from gmat_sweep.backends.joblib import LocalJoblibPool

# The postprocess hook is written next to this notebook with %%writefile;
# make that directory importable by this kernel and its worker subprocesses.
sys.path.insert(0, str(Path.cwd()))

install = locate_gmat()
script_path = Path("../../tests/data/leo_basic.script").resolve()
print(f"GMAT version: {install.version}")
print(f"Script: {script_path.name}")
print(f"Exists: {script_path.exists()}")

# %%
HOOK = "downstream_pipeline:derive_orbit_metrics"
SMA_GRID = [6800.0, 6900.0, 7000.0, 7100.0, 7200.0]

main_tmp = tempfile.TemporaryDirectory(prefix="downstream-main-")
main_dir = Path(main_tmp.name)

result = sweep(
    script_path,
    grid={"Sat.SMA": SMA_GRID},
    out=main_dir,
    postprocess=HOOK,
    progress=False,
)
print(f"Runs: {result.index.get_level_values('run_id').nunique()}")
result["__status"].value_counts()

# %%
manifest = Manifest.load(main_dir / "manifest.jsonl")
report_frame = lazy_multiindex(manifest, main_dir)
metrics = lazy_extra_outputs(main_dir / "manifest.jsonl", "orbit_metrics")

print(f"ReportFile : index={report_frame.index.names} shape={report_frame.shape}")
print(f"orbit_metrics : index={metrics.index.names} shape={metrics.shape}")
print()
print(report_frame[["Sat.Earth.SMA", "__status"]].head(6))
metrics

# %%
meta_tmp = tempfile.TemporaryDirectory(prefix="downstream-meta-")
scratch_tmp = tempfile.TemporaryDirectory(prefix="downstream-scratch-")
meta_dir = Path(meta_tmp.name)
scratch_dir = Path(scratch_tmp.name)
killed_manifest = meta_dir / "manifest.jsonl"


def _entries_on_disk(path: Path) -> int:
    if not path.exists():
        return 0
    # One header line plus one line per completed run.
    return max(0, sum(1 for _ in path.open(encoding="utf-8")) - 1)


proc = subprocess.Popen(
    [sys.executable, "killable_sweep.py", str(script_path), str(meta_dir), str(scratch_dir)],
    stdout=subprocess.DEVNULL,
    stderr=subprocess.DEVNULL,
)

deadline = time.monotonic() + 120.0
while time.monotonic() < deadline:
    if proc.poll() is not None:
        raise RuntimeError(f"driver exited before it could be killed (rc={proc.returncode})")
    if _entries_on_disk(killed_manifest) >= 4:
        break
    time.sleep(0.1)
else:
    proc.kill()
    raise RuntimeError("driver did not reach the manifest-entry threshold in time")

proc.send_signal(signal.SIGINT)
rc = proc.wait(timeout=30)

partial = Manifest.load(killed_manifest)
first = partial.entries[0]
print(f"Driver exited with rc={rc} after SIGINT")
print(f"Planned runs (manifest header): {partial.run_count}")
print(f"Completed before the kill: {len(partial.entries)}")
print(f"Hook recorded on the header: {partial.postprocess}")
print(
    f" run {first.run_id}: status={first.status!r}, "
    f"postprocess_status={first.postprocess_status!r}, "
    f"extra_outputs={list(first.extra_outputs)}"
)

# %%
with LocalJoblibPool(max_workers=2) as pool:
    resumed = Sweep.from_manifest(
        killed_manifest,
        script_path,
        backend=pool,
        output_dir=scratch_dir,
        progress=False,
    ).resume()

resumed_reports = resumed.to_dataframe()
resumed_metrics = resumed.to_extra_outputs("orbit_metrics")

print(f"Manifest entries after resume: {len(Manifest.load(killed_manifest).entries)}")
print(
    f"Runs in the report frame: {resumed_reports.index.get_level_values('run_id').nunique()}"
)
print(f"Rows in orbit_metrics: {len(resumed_metrics)}")
print(resumed_reports["__status"].value_counts())
resumed_metrics

# %%
variant_tmp = tempfile.TemporaryDirectory(prefix="downstream-variant-")
variant_dir = Path(variant_tmp.name)

sweep(
    script_path,
    grid={"Sat.SMA": SMA_GRID, "Sat.ECC": [0.02]},
    out=variant_dir,
    postprocess=HOOK,
    progress=False,
)
variant_metrics = lazy_extra_outputs(variant_dir / "manifest.jsonl", "orbit_metrics")

comparison = pd.concat({"baseline": metrics, "ecc=0.02": variant_metrics}, names=["arm"])
print("Mean radius span per arm (km):")
print(comparison.groupby("arm")["radius_span_km"].mean())
comparison

# %%
entry_manifest = Manifest.load(main_dir / "manifest.jsonl")
entry = entry_manifest.entries[0]
print(f"Sweep-wide postprocess hook: {entry_manifest.postprocess}")
print(
    f"run {entry.run_id}: status={entry.status!r}, postprocess_status={entry.postprocess_status!r}"
)
print()
print("GMAT-native outputs (entry.output_paths):")
for key, path in entry.output_paths.items():
    print(f" {key:14s} -> {path.name}")
print("Hook-registered output (entry.extra_outputs):")
for key, path in entry.extra_outputs.items():
    print(f" {key:14s} -> {path.name}")
