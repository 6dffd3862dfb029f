"""Subprocess driver for the kill-and-resume section of notebook 12.

Run as ``python killable_sweep.py <script> <manifest_dir> <scratch_dir>``.
It dispatches a hooked sweep whose manifest and per-run output tree live
in separate directories, so the notebook can SIGINT it mid-flight and
then resume it with a caller-supplied ``output_dir``.
"""

import sys
from pathlib import Path

from gmat_sweep import Sweep, expand_grid_to_run_specs
from gmat_sweep.backends.joblib import LocalJoblibPool

SMA_GRID = [6700.0 + 50.0 * i for i in range(12)]
HOOK = "downstream_pipeline:derive_orbit_metrics"


def main() -> None:
    script_path, manifest_dir, scratch_dir = (Path(arg) for arg in sys.argv[1:4])
    specs = expand_grid_to_run_specs({"Sat.SMA": SMA_GRID}, script_path, scratch_dir)
    with LocalJoblibPool(max_workers=1) as pool:
        Sweep(
            runs=specs,
            backend=pool,
            manifest_path=manifest_dir / "manifest.jsonl",
            output_dir=scratch_dir,
            script_path=script_path,
            postprocess=HOOK,
            progress=False,
        ).run()


if __name__ == "__main__":
    main()
