"""A program that runs a sweep on a disk with hardly any room, makes room, and resumes the sweep.

    python small_disk_sweep.py FOLDER mount|hook

With ``mount`` the program mounts a small disk on the folder, which must be allowed, as in
``unshare --map-root-user --mount``. With ``hook`` it uses the disk as it is, and a hook raises the
error of a full one. It prints a JSON object.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import gmat_sweep as gs
from gmat_sweep.disk.shortages import LEAST_FREE_BYTES
from gmat_sweep.errors import SweepStoppedError
from repository import DATA

SHORT = DATA / "leo_short.script"
RUNS = 40
DISK_BYTES = 32 * LEAST_FREE_BYTES
ROOM_FOR_A_FEW_RUNS = LEAST_FREE_BYTES // 2


def main(folder: Path, how: str) -> None:
    """Run, be stopped, make room, resume."""
    room = folder / "room"
    if how == "mount":
        options = f"size={DISK_BYTES}"
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", folder], check=True)
        room.write_bytes(bytes(DISK_BYTES - LEAST_FREE_BYTES - ROOM_FOR_A_FEW_RUNS))
    else:
        room.touch()
    out, manifest = folder / "sweep", folder / "sweep" / "manifest.jsonl"
    runs = gs.expand_grid_to_run_specs({"Sat.SMA": [7000.0 + n for n in range(RUNS)]}, SHORT, out)
    told: dict[str, object] = {}
    with gs.LocalJoblibPool(2) as pool:
        sweep = gs.Sweep(
            runs=runs,
            backend=pool,
            manifest_path=manifest,
            output_dir=out,
            script_path=SHORT,
            postprocess=None if how == "mount" else "sweep_hooks:find_the_disk_full",
            progress=False,
        )
        try:
            sweep.run()
        except SweepStoppedError as error:
            told["error"] = str(error)
        stopped = gs.Manifest.load(manifest)
        told["recorded"] = [entry.status for entry in stopped.entries]
        told["files"] = sorted(path.name for path in out.rglob("*.tmp-*"))
        room.unlink()
        frame = (
            gs.Sweep.from_manifest(manifest, SHORT, backend=pool, progress=False)
            .resume()
            .to_dataframe()
        )
        again = gs.Manifest.load(manifest)
        told["resumed"] = sorted(entry.run_id for entry in again.entries if entry.status == "ok")
        whole = gs.sweep(SHORT, grid=_grid(runs), backend=pool, progress=False)
        told["is_whole"] = bool(frame.equals(whole))
    print(json.dumps(told))


def _grid(runs: list[gs.RunSpec]) -> dict[str, list[float]]:
    return {"Sat.SMA": [run.overrides["Sat.SMA"] for run in runs]}


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
