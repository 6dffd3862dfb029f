"""Finished sweeps whose manifest has the SHA-256 of each file, as a real one has."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from gmat_sweep.aggregate import (
    extra_outputs,
    lazy_contacts,
    lazy_ephemerides,
    lazy_fused_reports,
    lazy_multiindex,
    solver_runs,
)
from gmat_sweep.analysis import runs_table
from gmat_sweep.analysis.final_values import final_values
from gmat_sweep.manifest import Manifest
from sweep_on_disk import SweepOnDisk, report

ODD_NAN = struct.unpack("<d", struct.pack("<Q", 0x7FF8_0000_DEAD_BEEF))[0]
"""A NaN with bits of its own."""


def recorded(sweep: SweepOnDisk) -> Path:
    """Write the manifest with the size and SHA-256 of each file, and return the sweep folder."""
    for position, entry in enumerate(sweep.entries):
        files = {}
        for path in (*entry.output_paths.values(), *entry.extra_outputs.values(),
                     *entry.solver_paths.values()):  # fmt: skip
            content = (sweep.folder / path).read_bytes()
            digest = hashlib.sha256(content).hexdigest()
            files[path.name] = {"size": len(content), "sha256": digest}
        folder = f"{sweep.folder.as_posix()}/run-{entry.run_id}"
        sweep.entries[position] = replace(entry, files=files, output_dir=folder)
    sweep.save()
    return sweep.folder


def reports_of_many_shapes(folder: Path) -> Path:
    """Write runs whose reports differ in columns, types, index, rows and missing values."""
    sweep = SweepOnDisk(folder)
    for run_id in (3, 0, 1):
        frame = report(7000.0 + run_id, Sat_X=np.array([ODD_NAN, np.nan, -0.0]))
        frame.loc[1, "Sat.UTCGregorian"] = pd.NaT
        sweep.ok(run_id, {"report__R": frame, "report__Other": report(1.0).drop(columns="time")})
    # As Arrow writes a NaN; pandas makes it a missing value.
    path = folder / "run-0" / "report__R.parquet"
    table = pq.read_table(path)
    numbers = pa.array([ODD_NAN, float("nan"), -0.0], from_pandas=False)
    pq.write_table(table.set_column(2, "Sat_X", numbers), path, use_dictionary=False)
    # Integers in one run, floats in the others; a column of its own; text; backwards in time.
    odd = report(7100.0, rows=4, Mode=["a", None, "", "ü"], Count=np.arange(4))[::-1]
    odd["Sat.SMA"] = [7100, 7101, 7102, 7103]
    sweep.ok(4, {"report__R": odd})
    sweep.ok(5, {"report__R": report(rows=0)})
    sweep.ok(6, {"report__R": report().set_index("Sat.SMA")})
    named = report().set_index(pd.RangeIndex(10, 16, 2, name="step"))
    sweep.ok(7, {"report__R": named})
    sweep.failed(8)
    sweep.ok(9, {"report__R": report(flag=[True, None, False]), "report__Other": report()})
    return recorded(sweep)


def outputs_of_all_kinds(folder: Path) -> Path:
    """Write runs with an ephemeris, contacts, a hook's output and a solver's history."""
    sweep = SweepOnDisk(folder)
    for run_id in range(4):
        contacts = pd.DataFrame({"interval_id": [0, 1], "Duration": [60.5, 61.0 + run_id]})
        history = pd.DataFrame({"iteration": [1, 2], "V": [0.5, 0.25 * run_id]})
        history["status"] = ["running", "converged"]
        sweep.ok(
            run_id,
            {
                "report__R": report(7000.0 + run_id),
                "ephemeris__E": report(1.0 + run_id, rows=5),
                "contact__C": contacts if run_id else contacts[:0],
            },
            extra={"m": pd.DataFrame({"miss": [float(run_id)], "of": ["x"]})},
            solvers={"DC": history},
            converged={"DC": True},
            overrides={"Sat.SMA": 7000.0 + run_id},
        )
    return recorded(sweep)


READERS: dict[str, Callable[[Path], Any]] = {
    "report": lambda it: lazy_multiindex(Manifest.load(it / "manifest.jsonl"), it, name="R"),
    "fused": lambda it: lazy_fused_reports(
        Manifest.load(it / "manifest.jsonl"), it, ["R", "Other"], tolerance="1s"
    ),
    "ephemeris": lambda it: lazy_ephemerides(Manifest.load(it / "manifest.jsonl"), it),
    "contacts": lambda it: lazy_contacts(Manifest.load(it / "manifest.jsonl"), it),
    "extra": lambda it: extra_outputs(Manifest.load(it / "manifest.jsonl"), it, "m"),
    "solvers": lambda it: solver_runs(Manifest.load(it / "manifest.jsonl"), it),
    "final_values": lambda it: final_values(it, epochs=True),
    "runs_table": lambda it: runs_table(it, {"R.Sat.SMA": ["first", "max"]}),
}


def bits(frame: pd.DataFrame) -> tuple[Any, ...]:
    """Return all that a frame is made of, numbers as the bits that they have."""
    columns = []
    for place in range(frame.shape[1]):
        column = frame.iloc[:, place]
        values = column.to_numpy().view(np.uint64) if column.dtype == np.float64 else column.array
        columns.append([repr(value) for value in values])
    metadata = pa.Schema.from_pandas(frame).metadata
    index = [*map(repr, frame.index)]
    kinds = [*map(str, frame.dtypes), *map(str, frame.index.to_frame().dtypes)]
    return (columns, kinds, index, [*frame.columns], frame.index.names, frame.attrs, metadata)
