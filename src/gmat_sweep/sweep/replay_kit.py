"""What lies beside the script of a replay, and `check_replay`, which flies it and compares.

``expected.json`` says how the run ended: its values, the last row of each table with a hash of all
rows, its number of a requirement, and what its hook wrote. ``hashes.json`` has the SHA-256 of each
file of the folder and of the engine's data that the script uses, ``versions.json`` what the run was
flown with. ``replay.sh`` calls `check_replay`.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmat_sweep.analysis.nightly.inputs import used_data
from gmat_sweep.causes import headline
from gmat_sweep.disk.files import write_file
from gmat_sweep.disk.held import plain_reader, read_plain
from gmat_sweep.disk.owner import origin
from gmat_sweep.disk.paths import absolute_path
from gmat_sweep.engine.data_versions import data_versions
from gmat_sweep.errors import EngineError, SweepConfigError
from gmat_sweep.failure_kinds import kind_of
from gmat_sweep.folder.run_files import found
from gmat_sweep.manifest.drift import ENGINE_KEY, HOOK_KEY
from gmat_sweep.manifest.values import jsonable
from gmat_sweep.mission.replaying import INPUTS_FOLDER
from gmat_sweep.plans.header import ENGINE_DATA_KEY
from gmat_sweep.printable import one_line
from gmat_sweep.spec import RunSpec
from gmat_sweep.sweep.replayed_hook import hook_record, replayed_hook

if TYPE_CHECKING:
    import pyarrow as pa

    from gmat_sweep.manifest import Manifest, ManifestEntry
    from gmat_sweep.mission.replaying import WrittenReplay
    from gmat_sweep.spec import RunOutcome
    from gmat_sweep.verdicts.requirement import Requirement
    from gmat_sweep.verdicts.worst import RankedRun

__all__ = ["ReplayCheck", "check_replay", "write_kit"]

EXPECTED_NAME = "expected.json"
HASHES_NAME = "hashes.json"
VERSIONS_NAME = "versions.json"
PROGRAM_NAME = "replay.sh"

_SCHEMA_VERSION = 1
_FLOWN_BY_GMAT = ("ok", "failed")
# A run that was stopped here would be stopped there, too, or never end.
_STOPPED = frozenset({"timeout", "memory"})
# These failed beside GMAT: the script itself says nothing of them.
_BESIDE_GMAT = frozenset({"hook", "storage", "worker", None})

_PROGRAM = """\
#!/bin/sh
# Flies run {run} again and says whether it is what {expected} has, bit for bit.
# PYTHON names another Python that has gmat-sweep. Without one, GMAT_ROOT names a GMAT that only
# flies the script.
here=$(CDPATH= cd -- "$(dirname -- "$0")" && pwd) || exit 1
for python in "${{PYTHON:-}}" {python} python3; do
    if [ -n "$python" ] && "$python" -P -c 'import gmat_sweep' 2>/dev/null; then
        exec "$python" -P -c 'import sys; from gmat_sweep.cli import main; sys.exit(main())' \\
            replay "$here" --check
    fi
done
if [ -x "${{GMAT_ROOT:-}}/bin/GmatConsole" ]; then
    echo "no Python with gmat-sweep: nothing is compared with {expected}" >&2
    cd "$here" && exec "$GMAT_ROOT/bin/GmatConsole" --run "$here"/{script} --exit
fi
echo "set PYTHON to a Python that has gmat-sweep, or GMAT_ROOT to the folder of a GMAT" >&2
exit 1
"""


@dataclass(frozen=True, slots=True)
class ReplayCheck:
    """How the run of a replay compares with the one that was recorded.

    Attributes
    ----------
    run_id : int
        The run.
    is_equal : bool
        Whether it ended as the recorded one, with the same bits in every table.
    differences : tuple of str
        What differs; empty if it is equal.
    compared : tuple of str
        What was found equal.
    notes : tuple of str
        What a reader must know besides, such as another engine.
    """

    run_id: int
    is_equal: bool
    differences: tuple[str, ...]
    compared: tuple[str, ...]
    notes: tuple[str, ...]

    def text(self) -> str:
        """Return the result in lines."""
        end = "equal, bit for bit" if self.is_equal else "not equal"
        lines = [f"run {self.run_id}: {end}"]
        lines += [f"  {word}" for word in (*self.differences, *self.compared, *self.notes)]
        return "\n".join(map(one_line, lines))


def write_kit(
    written: WrittenReplay,
    run: RunSpec,
    header: Manifest,
    entry: ManifestEntry | None,
    folders: Sequence[Path],
    ranked: tuple[Requirement, RankedRun | None] | None = None,
) -> None:
    """Write what lies beside the script of a replay.

    Parameters
    ----------
    written : WrittenReplay
        The script and its files.
    run : RunSpec
        The run.
    header : Manifest
        The sweep's manifest.
    entry : ManifestEntry or None
        The run's entry; None if it has not been flown.
    folders : sequence of Path
        Where the run's files may be.
    ranked : tuple, optional
        A requirement, and what the run says of it, if it says something.

    Raises
    ------
    DurabilityError
        A file could not be written.
    """
    folder = written.script.parent
    expected = _expected(run, entry, folders, ranked)
    if run.postprocess is not None:
        expected["hook"] = hook_record(header, entry, folders, _told)
    versions = _versions(header, entry)
    _write(folder / EXPECTED_NAME, expected)
    _write(folder / VERSIONS_NAME, versions)
    program = folder / PROGRAM_NAME
    text = _PROGRAM.format(
        run=run.run_id,
        expected=EXPECTED_NAME,
        python=shlex.quote(sys.executable or "python3"),
        script=shlex.quote(written.script.name),
    )
    write_file(program, text.encode("utf-8", "surrogateescape"))
    program.chmod(0o755)
    files = [*written.scripts, *written.inputs, EXPECTED_NAME, VERSIONS_NAME, PROGRAM_NAME]
    _write(
        folder / HASHES_NAME,
        {
            "schema_version": _SCHEMA_VERSION,
            "script": written.script.name,
            "written_in": folder.as_posix(),
            "files": {name: _sha256(folder / name) for name in files},
            "copied_from": {name: path.as_posix() for name, path in written.inputs.items()},
            "engine_data": _data_of(written.script),
        },
    )


def _data_of(script: Path) -> dict[str, str]:
    """Return the hashes of the engine's data that a script uses; none where there is no engine."""
    try:
        return used_data(script)
    except EngineError:
        return {}


def check_replay(folder: str | Path, *, hook: bool = True, trust_hook: bool = False) -> ReplayCheck:
    """Fly the script of a replay, and compare it with the run that was recorded.

    A folder that was moved first gets the names of its inputs mended, which GMAT takes only as
    absolute paths. What GMAT writes goes to a temporary folder.

    Parameters
    ----------
    folder : str or Path
        The folder that `gmat_sweep.replay_run` or `replay_worst` wrote.
    hook : bool
        Whether the run's hook is called, too, and its files compared.
    trust_hook : bool
        Whether a hook is called that is named by a replay of another user or another machine.

    Returns
    -------
    ReplayCheck
        Whether it is equal, and what differs.

    Raises
    ------
    SweepConfigError
        It is no such folder; the run has not been flown, or was stopped at a limit; or a path
        cannot be written in a GMAT script.
    EngineError
        There is no engine.
    """
    place = absolute_path(folder, "folder").resolve()
    hashes, expected, versions = (
        _read(place / name) for name in (HASHES_NAME, EXPECTED_NAME, VERSIONS_NAME)
    )
    try:
        run_id, status, kind = expected["run_id"], expected["status"], expected["failure_kind"]
        script = place / Path(hashes["script"]).name
        _refuse_to_fly(run_id, status, kind)
        if hashes["copied_from"]:
            _refuse_odd(place)
        changed = _changed(place, hashes["files"])
        if not changed and place.as_posix() != hashes["written_in"]:
            _mend(place, hashes)
        if changed:
            return ReplayCheck(run_id, False, tuple(changed), (), ())
        with tempfile.TemporaryDirectory(prefix="gmat-sweep-replay-") as scratch:
            spec = RunSpec(
                script_path=script,
                overrides={},
                output_dir=Path(scratch) / f"run-{run_id}",
                run_id=run_id,
                seed=None,
                run_options=dict(expected["run_options"]),
                unconverged=expected["unconverged"],
            )
            outcome, engine_notes = _flown(spec, versions)
            differences, compared = _compared(expected, outcome)
            notes = [*engine_notes, *_notes_on(expected, place, hashes)]
            if hook:
                called = replayed_hook(
                    script, spec.output_dir, expected, versions, outcome, _told, trusted=trust_hook
                )
                differences += called.differences
                compared += called.compared
                notes += called.notes
            elif expected["postprocess"] is not None:
                notes.append(f"the hook {expected['postprocess']} was not called")
    except (KeyError, TypeError, AttributeError) as error:
        raise SweepConfigError(
            f"{place} is no replay that can be checked ({error!r}). Write it again."
        ) from error
    return ReplayCheck(run_id, not differences, tuple(differences), tuple(compared), tuple(notes))


def _expected(
    run: RunSpec,
    entry: ManifestEntry | None,
    folders: Sequence[Path],
    ranked: tuple[Requirement, RankedRun | None] | None,
) -> dict[str, Any]:
    record: dict[str, Any] = {
        "schema_version": _SCHEMA_VERSION,
        "run_id": run.run_id,
        "status": None if entry is None else entry.status,
        "failure_kind": None,
        "cause": None,
        "seed": run.seed,
        "overrides": jsonable(dict(run.overrides), "overrides"),
        "run_options": jsonable(dict(run.run_options), "run_options"),
        "unconverged": run.unconverged,
        "postprocess": run.postprocess,
    }
    if entry is not None:
        if entry.status == "failed":
            record |= {"failure_kind": kind_of(entry), "cause": headline(entry.stderr)}
        tables, lacking = {}, []
        for key, path in _tables_of(entry):
            place = found(path, entry.run_id, folders)
            told = None if place is None else _told(place)
            if told is None:
                lacking.append(key)
            else:
                tables[key] = told
        record |= {"converged": dict(entry.converged), "tables": tables, "lacking": lacking}
    if ranked is not None:
        requirement, said = ranked
        record["requirement"] = {
            "name": requirement.name,
            "identity": requirement.identity,
            "statement": requirement.statement,
            "outcome": "unknown" if said is None else said.outcome,
            "value": None if said is None else said.value,
            "margin": None if said is None else said.margin,
            "unit": requirement.unit,
            "why": "it says nothing of the requirement" if said is None else said.why,
        }
    return record


def _tables_of(entry: ManifestEntry | RunOutcome) -> Iterator[tuple[str, Path]]:
    yield from entry.output_paths.items()
    yield from ((f"solver__{name}", path) for name, path in entry.solver_paths.items())


def _versions(header: Manifest, entry: ManifestEntry | None) -> dict[str, Any]:
    extra = {} if entry is None else entry.extra
    return {
        "schema_version": _SCHEMA_VERSION,
        "gmat": extra.get(ENGINE_KEY, header.gmat_install_version),
        "gmat_sweep": header.gmat_sweep_version,
        "gmat_run": header.gmat_run_version,
        "python": header.python_version,
        "platform": header.os_platform,
        "host": None if entry is None else entry.host,
        "engine_data": header.extra.get(ENGINE_DATA_KEY) or {},
        "created_by": origin(),
        "hook": header.postprocess,
        "hook_sha256": extra.get(HOOK_KEY, header.extra.get(HOOK_KEY)),
        "written_by": {
            "gmat_sweep": version("gmat-sweep"),
            "python": platform.python_version(),
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
        },
    }


def _told(path: Path) -> dict[str, Any] | None:
    """Return what a table holds: how many rows, their hash, the last one; None if unreadable."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException):
        return None
    last = table.slice(max(table.num_rows - 1, 0)).to_pylist()
    final = {name: _value(value) for name, value in last[0].items()} if last else {}
    return {"rows": table.num_rows, "sha256": _digest(table), "final": final}


def _digest(table: pa.Table) -> str:
    """Return a hash of all bits of a table, whatever file it is in."""
    import numpy as np
    import pyarrow as pa

    digest = hashlib.sha256()
    for name, column in zip(table.column_names, table.columns, strict=True):
        digest.update(f"{name}\0{column.type}\0{len(column)}\0".encode())
        if pa.types.is_floating(column.type) and not column.null_count:
            digest.update(np.ascontiguousarray(column.to_numpy()).tobytes())
        elif pa.types.is_timestamp(column.type) or pa.types.is_duration(column.type):
            digest.update(repr(column.cast(pa.int64()).to_pylist()).encode())
        else:
            digest.update(repr(column.to_pylist()).encode())
    return digest.hexdigest()


def _value(value: object) -> object:
    """Return a value of a table as strict JSON can hold it, with all its digits."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _refuse_to_fly(run_id: int, status: str | None, kind: str | None) -> None:
    if status not in _FLOWN_BY_GMAT:
        raise SweepConfigError(
            f"run {run_id} has not been flown: there is nothing to compare it with. Resume its "
            "sweep, or open the script in GMAT."
        )
    if kind in _STOPPED:
        raise SweepConfigError(
            f"run {run_id} was stopped at its {kind} limit, so it has no end to compare with. Open "
            "the script in GMAT."
        )


def _refuse_odd(folder: Path) -> None:
    name = folder.as_posix()
    if not name.isascii() or not name.isprintable() or set(name) & {"'", "%"}:
        raise SweepConfigError(
            f"{folder} is a place that GMAT scripts cannot name: one with a quote, a percent sign "
            "or a character other than ASCII. Move it to a folder with a plain name."
        )


def _changed(folder: Path, files: Mapping[str, str]) -> list[str]:
    """Return which files of a replay are not as they were written."""
    told = []
    for name, digest in files.items():
        path = folder / name
        if not path.is_file():
            told.append(f"{name} is gone")
        elif _sha256(path) != digest:
            told.append(f"{name} has changed since it was written")
    return told


def _mend(folder: Path, hashes: dict[str, Any]) -> None:
    """Lead the absolute names of inputs to where the folder is now, and keep the new hashes."""
    before = f"{hashes['written_in']}/{INPUTS_FOLDER}/"
    after = f"{folder.as_posix()}/{INPUTS_FOLDER}/"
    for name in hashes["files"]:
        path = folder / name
        if "/" in name or name in (EXPECTED_NAME, VERSIONS_NAME, PROGRAM_NAME):
            continue
        content = path.read_bytes()
        mended = re.sub(rb"(?<=')" + re.escape(os.fsencode(before)), os.fsencode(after), content)
        if mended == content:
            continue
        write_file(path, mended)
        hashes["files"][name] = _sha256(path)
    hashes["written_in"] = folder.as_posix()
    _write(folder / HASHES_NAME, hashes)


def _flown(spec: RunSpec, versions: Mapping[str, Any]) -> tuple[RunOutcome, list[str]]:
    """Fly the run in a process of its own; return how it ended, and what is not as it was."""
    from gmat_sweep.backends.faults import failed_by
    from gmat_sweep.backends.process.worker_process import WorkerDiedError, WorkerProcess
    from gmat_sweep.engine import activate

    engine = activate()
    notes = []
    if engine.version != versions["gmat"]:
        notes.append(
            f"the engine is GMAT {engine.version}; the run was flown by {versions['gmat']}"
        )
    now = data_versions(engine)
    notes += [
        f"the engine's {name} is another file than that of the sweep"
        for name, digest in versions["engine_data"].items()
        if now.get(name) != digest
    ]
    started = datetime.now(UTC)
    worker = WorkerProcess()
    try:
        return worker.run(spec), notes
    except WorkerDiedError as error:
        return failed_by(spec, error, started), notes
    finally:
        worker.close()


def _compared(expected: Mapping[str, Any], outcome: RunOutcome) -> tuple[list[str], list[str]]:
    """Return what differs between a run and what is expected of it, and what does not."""
    kind, status = expected["failure_kind"], expected["status"]
    if status == "failed" and kind in _BESIDE_GMAT - {"worker"} and outcome.status == "ok":
        return [], []
    if kind == "hook" and outcome.status == "failed":
        return [f"GMAT failed: {headline(outcome.stderr)}; the run failed in its hook alone"], []
    if outcome.status != status:
        cause = f": {headline(outcome.stderr)}" if outcome.status == "failed" else ""
        return [f"it ended {outcome.status}{cause}; the run was {status}"], []
    if status == "failed":
        said = headline(outcome.stderr)
        if kind == "mission" and _bare(said) != _bare(expected["cause"]):
            return [f"it failed otherwise: {said}; the run: {expected['cause']}"], []
        return [], [f"it failed as the run did: {said}"]
    told = {key: _told(path) for key, path in _tables_of(outcome)}
    differences, compared = [], []
    for key, was in expected["tables"].items():
        now = told.get(key)
        if now is None:
            differences.append(f"{key} is missing")
        elif now["sha256"] != was["sha256"]:
            differences.append(f"{key} {_difference(was, now)}")
        else:
            compared.append(f"{key}: {was['rows']} row{'s' * (was['rows'] != 1)}")
    known = {*expected["tables"], *expected["lacking"]}
    differences += [f"{key} is new" for key in told if key not in known]
    if dict(outcome.converged) != expected["converged"]:
        differences.append(f"solvers converged otherwise: {dict(outcome.converged)}")
    return differences, compared


def _difference(was: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    if was["rows"] != now["rows"]:
        return f"has {now['rows']} rows; the run had {was['rows']}"
    for name, value in was["final"].items():
        if now["final"].get(name) != value:
            return f"ends with {name} = {now['final'].get(name)}; the run with {value}"
    return "differs before its last row"


def _bare(cause: str | None) -> str:
    """Return a cause without paths and line numbers, which are those of another folder."""
    return re.sub(r"\S*[/\\]\S*|line\s+\d+|\s+", " ", cause or "").strip()


def _notes_on(expected: Mapping[str, Any], folder: Path, hashes: Mapping[str, Any]) -> list[str]:
    notes = []
    data = hashes.get("engine_data") or {}
    now = used_data(folder / Path(hashes["script"]).name) if data else {}
    notes += [
        f"the engine's {name} is another file than when this replay was written"
        for name, digest in data.items()
        if now.get(name) != digest
    ]
    if expected["failure_kind"] in _BESIDE_GMAT and expected["status"] == "failed":
        notes.append(f"the run failed beside GMAT: {expected['cause']}")
    if expected["lacking"]:
        lacking = ", ".join(expected["lacking"])
        notes.append(f"these tables of the run could not be read, and are not compared: {lacking}")
    return notes


def _write(path: Path, record: Mapping[str, Any]) -> None:
    write_file(path, json.dumps(record, indent=1, allow_nan=False).encode() + b"\n")


def _read(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(read_plain(path), parse_constant=_refuse_constant)
        known = isinstance(record, dict) and record["schema_version"] == _SCHEMA_VERSION
    except (OSError, ValueError, KeyError, RecursionError) as error:
        raise SweepConfigError(
            f"{path.parent} is no replay that can be checked: {path.name} cannot be read "
            f"({error}). Name a folder that `gmat-sweep replay` wrote."
        ) from error
    if not known:
        raise SweepConfigError(
            f"{path} is of another version of gmat-sweep. Check it with that one."
        )
    return record  # type: ignore[no-any-return]


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def _sha256(path: Path) -> str:
    with plain_reader(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
