"""Examine a sweep folder, and change nothing in it."""

from __future__ import annotations

import itertools
import json
import shlex
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gmat_sweep.aggregate.compacted import Damaged, parts_of
from gmat_sweep.disk.append_log import torn_ends
from gmat_sweep.disk.files import TEMPORARY_FILE
from gmat_sweep.disk.held import read_plain
from gmat_sweep.doctor.findings import Finding
from gmat_sweep.doctor.links import refused_places
from gmat_sweep.doctor.log_lines import SalvagedLog, salvaged
from gmat_sweep.draws.designs import DESIGNS
from gmat_sweep.errors import GmatSweepError, NotPlainFileError, SweepConfigError
from gmat_sweep.folder import run_files
from gmat_sweep.folder.layout import (
    HEADLESS_FOLDER,
    RUN_FOLDER,
    SEAL_NAME,
    header_copy,
    run_folder_name,
    run_folders,
)
from gmat_sweep.folder.packed import PackedRuns, unpack_command
from gmat_sweep.folder.run_seal import RunSeal, read_seal
from gmat_sweep.manifest import Manifest, ManifestEntry
from gmat_sweep.manifest.lines import checked_record
from gmat_sweep.mission.script import canonical_script_sha256
from gmat_sweep.plans import EXPLICIT_RUNS_KEY, RecordedPlan, planned_count, recorded_plan
from gmat_sweep.plans.header import kind_of
from gmat_sweep.plans.nominal import has_nominal
from gmat_sweep.sweep.recorded_script import MISSION_PATH_KEY, recorded_script, resume_command

__all__ = ["Examination", "examined"]


@dataclass(slots=True)
class Examination:
    """The contents of a sweep folder, the damage, and the work for a repair.

    Attributes
    ----------
    manifest_path, folder : Path
        The manifest, and the sweep folder, which is its folder unless the header says otherwise.
    log : SalvagedLog
        The readable lines of the manifest.
    is_missing : bool
        Whether there is no manifest.
    header : dict or None
        The header's record, from the manifest or from its copy.
    copy_is_good : bool
        Whether the copy of the header is there and is that of this manifest.
    latest : dict of int to dict
        The last record of each recorded run, which counts.
    planned : RecordedPlan or None
        The runs of the plan; None if the header does not bring them back.
    damaged : dict of int to list of str
        Recorded ``ok`` runs whose files are not as they were recorded, and why.
    unrecorded : dict of int to RunSeal
        Sealed runs whose files are as the seal says. The manifest has no entry for such a run, or
        an older one.
    bad_seals : list of Path
        Seals that cannot be read.
    leftovers : list of Path
        Temporary files of killed processes.
    findings : list of Finding
        Damage and notes in words.
    resume_command : str
        The shell command that would resume the sweep; empty if there is no header.
    """

    manifest_path: Path
    folder: Path
    log: SalvagedLog
    is_missing: bool = False
    header: dict[str, Any] | None = None
    copy_is_good: bool = False
    latest: dict[int, dict[str, Any]] = field(default_factory=dict)
    planned: RecordedPlan | None = None
    damaged: dict[int, list[str]] = field(default_factory=dict)
    unrecorded: dict[int, RunSeal] = field(default_factory=dict)
    bad_seals: list[Path] = field(default_factory=list)
    leftovers: list[Path] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    resume_command: str = ""

    def damage(self, text: str, run_id: int | None = None) -> None:
        """Note that something was lost or changed."""
        self.findings.append(Finding("damage", text, run_id))

    def note(self, text: str, run_id: int | None = None) -> None:
        """Note something that is only worth knowing."""
        self.findings.append(Finding("note", text, run_id))

    @property
    def log_is_whole(self) -> bool:
        """Whether the manifest itself can be read to its last byte."""
        return not (self.is_missing or self.log.problems or self.log.torn_bytes)


def examined(manifest_path: Path) -> Examination:
    """Look at a sweep.

    Raises
    ------
    SweepConfigError
        There is no sweep in this place.
    OSError
        A file cannot be read.
    """
    it = Examination(manifest_path, manifest_path.parent, SalvagedLog())
    _look_at_log(it)
    _look_at_header(it)
    for record in it.log.entries:
        it.latest[record["run_id"]] = record
    manifest = _manifest_of(it)
    if manifest is not None and manifest.output_dir is not None:
        it.folder = manifest.output_dir
    seals = list(_seals(it, manifest))
    if it.is_missing and it.header is None and not seals and not it.bad_seals:
        raise SweepConfigError(
            f"{manifest_path.parent} holds no sweep: neither a manifest nor what it could be "
            "rebuilt from. Name the folder of one."
        )
    if manifest is not None:
        script = _look_at_script(it, manifest)
        _look_at_plan(it, manifest, seals, script)
    _look_at_files(it)
    _look_at_seals(it, manifest, seals)
    _look_at_rest(it)
    for text in refused_places(it.manifest_path, it.folder):
        it.damage(text)
    it.findings.sort(key=lambda finding: finding.kind != "damage")
    return it


def _look_at_log(it: Examination) -> None:
    try:
        it.log = salvaged(it.manifest_path)
    except FileNotFoundError:
        it.is_missing = True
        it.damage(f"the manifest {it.manifest_path.name} is missing")
        return
    for oddity in it.log.oddities:
        it.note(f"{it.manifest_path.name}, {oddity}")
    for problem in it.log.problems:
        it.damage(f"{it.manifest_path.name}, {problem}")
    if it.log.torn_bytes:
        it.damage(
            f"{it.manifest_path.name} ends in {it.log.torn_bytes} bytes without a newline, left by "
            "a process that was killed while it wrote; readers ignore them"
        )


def _look_at_header(it: Examination) -> None:
    it.header = it.log.header
    copy = header_copy(it.manifest_path)
    try:
        record = checked_record(read_plain(copy), 1)
        Manifest.from_header(record, it.manifest_path)
    except FileNotFoundError:
        if it.header is not None:
            it.note(f"there is no copy of the header ({copy.name}); a repair makes one")
        record = None
    except (ValueError, GmatSweepError) as error:
        it.damage(f"{copy.name}, the copy of the header, is damaged: {error}")
        record = None
    if it.header is None:
        it.header = record
        if record is None:
            it.damage(
                "what the sweep was is lost: neither the manifest's header nor its copy can be "
                "read, and a repair cannot make one up"
            )
    elif record is not None and record != it.header:
        it.damage(f"{copy.name} is the copy of another sweep's header")
        record = None
    it.copy_is_good = record is not None


def _manifest_of(it: Examination) -> Manifest | None:
    """Return the manifest as far as it can be read, with the last record of each run."""
    if it.header is None:
        return None
    manifest = Manifest.from_header(it.header, it.manifest_path)
    manifest.entries = [ManifestEntry.from_dict(record) for record in it.latest.values()]
    return manifest


def _look_at_script(it: Examination, manifest: Manifest) -> Path:
    """Return the mission script, or a path where there is none if it is not as it was."""
    it.resume_command = resume_command(manifest, it.manifest_path, it.folder)
    try:
        return recorded_script(manifest, it.folder)
    except SweepConfigError as error:
        if MISSION_PATH_KEY in manifest.extra:
            it.note(f"a resume needs the mission script: {error}")
        return it.folder / HEADLESS_FOLDER / "mission script"


def _look_at_plan(it: Examination, manifest: Manifest, seals: list[RunSeal], script: Path) -> None:
    if not it.log_is_whole:
        # Only the entries of its runs tell of an extension: take the lost ones from the seals.
        known = {entry.run_id for entry in manifest.entries}
        sealed = (seal.entry for seal in seals)
        manifest.entries += [entry for entry in sealed if entry.run_id not in known]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            it.planned = recorded_plan(manifest, script, it.folder, nominal=True)
    except SweepConfigError as error:
        it.damage(f"the header does not say which runs there are: {error}")
        return
    if len(it.planned) != planned_count(manifest) + has_nominal(manifest):
        it.note(
            f"the header's run_count is {manifest.run_count}, and its plan has {len(it.planned)} "
            "runs"
        )
    if strange := sorted(run_id for run_id in it.latest if run_id not in it.planned):
        it.note(
            f"the manifest has entries of runs that the sweep does not have: {_listed(strange)}"
        )


def _seals(it: Examination, manifest: Manifest | None) -> Iterator[RunSeal]:
    """Yield the seals of all run folders; a hand-made run may have its folder anywhere."""
    folders = {path for path in run_folders(it.folder) if RUN_FOLDER.fullmatch(path.name)}
    kept = None if manifest is None else manifest.extra.get(EXPLICIT_RUNS_KEY)
    for record in kept if isinstance(kept, list) else []:
        if isinstance(record, dict) and isinstance(record.get("output_dir"), str):
            folders.add(it.folder / record["output_dir"])
    for folder in sorted(folders):
        try:
            yield read_seal(folder)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except (ValueError, NotPlainFileError) as error:
            it.bad_seals.append(folder / SEAL_NAME)
            it.damage(f"the seal {folder.name}/{SEAL_NAME} is damaged: {error}")


def _look_at_files(it: Examination) -> None:
    packed = PackedRuns(it.manifest_path.parent)
    for text in packed.damaged:
        it.damage(text)
    if len(packed):
        it.note(
            f"the folders of {len(packed)} runs are packed; "
            f"`{unpack_command(it.manifest_path.parent)}` brings them back"
        )
    for run_id, record in sorted(it.latest.items()):
        entry = ManifestEntry.from_dict(record)
        if entry.status != "ok":
            continue
        if run_id in packed and not (it.folder / run_folder_name(run_id)).exists():
            if problems := packed.problems(entry):
                it.damage("; ".join(problems), run_id)
            continue
        problems = run_files.damage(entry, [it.folder]) or _unreadable(entry, it.folder)
        if problems:
            it.damaged[run_id] = problems
            it.damage("; ".join(problems), run_id)


def _unreadable(entry: ManifestEntry, folder: Path) -> list[str]:
    """Say which of a run's tables are no whole Parquet files, although they are as recorded."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    problems = []
    for recorded in (*entry.output_paths.values(), *entry.solver_paths.values()):
        try:
            pq.read_metadata(run_files.found(recorded, entry.run_id, [folder]))
        except (pa.ArrowException, OSError) as error:
            problems.append(f"{recorded} cannot be read as Parquet ({error})")
    return problems


def _look_at_seals(it: Examination, manifest: Manifest | None, seals: list[RunSeal]) -> None:
    if manifest is None:
        if seals:
            it.note(f"{len(seals)} run folders are sealed and keep their results")
        return
    scripts = _known_scripts(it, manifest)
    by_run: dict[int, list[RunSeal]] = {}
    for seal in seals:
        by_run.setdefault(seal.entry.run_id, []).append(seal)
    for run_id, found in sorted(by_run.items()):
        newest = max(found, key=lambda seal: seal.entry.ended_at)
        recorded = it.latest.get(run_id)
        if recorded is not None:
            ended_at = ManifestEntry.from_dict(recorded).ended_at
            if newest.entry.ended_at <= ended_at:
                continue
        if stranger := _stranger(it, newest, scripts):
            if recorded is None:
                it.note(f"{newest.folder.name} is not of this sweep: {stranger}", run_id)
        elif problems := _problems_of(newest):
            if recorded is None:
                it.note(f"was sealed, but {'; '.join(problems)}; it is flown again", run_id)
        else:
            it.unrecorded[run_id] = newest
            it.note(f"ended ({newest.entry.status}) but is not recorded; a repair does it", run_id)


def _problems_of(seal: RunSeal) -> list[str]:
    return run_files.damage(seal.entry, [seal.folder]) if seal.entry.status == "ok" else []


def _stranger(it: Examination, seal: RunSeal, scripts: set[str]) -> str:
    """Say why a seal is not one of this sweep's runs; empty if it is."""
    entry = seal.entry
    if seal.script_sha256 not in scripts and not (
        seal.script_sha256 is None and entry.status == "failed"
    ):
        return "it flew another script"
    if it.planned is None:
        return ""
    run = it.planned.get(entry.run_id)
    if run is None:
        return "the sweep has no such run"
    if _draws_are_known(it) and _text(run.overrides) != _text(entry.overrides):
        return f"it flew {entry.overrides}"
    return ""


def _draws_are_known(it: Examination) -> bool:
    """Whether the plan gives the draws again; a sweep of the peer without a seed lost them."""
    assert it.header is not None
    spec = it.header["parameter_spec"]
    is_random = kind_of(spec) in ("monte_carlo", *DESIGNS)
    return not is_random or spec.get("seed") is not None


def _text(overrides: dict[str, Any]) -> str:
    return json.dumps(overrides, sort_keys=True)


def _known_scripts(it: Examination, manifest: Manifest) -> set[str]:
    """Return the hashes of the scripts that runs of this sweep fly."""
    files = list((it.folder / HEADLESS_FOLDER).rglob("*"))
    files += [] if it.planned is None else it.planned.scripts()
    hashes = {canonical_script_sha256(path) for path in dict.fromkeys(files) if path.is_file()}
    return {manifest.script_sha256, *hashes}


def _look_at_rest(it: Examination) -> None:
    folders = [it.manifest_path.parent, it.folder, *run_folders(it.folder)]
    for folder in dict.fromkeys(path for path in folders if path.is_dir()):
        it.leftovers += sorted(
            path
            for path in folder.iterdir()
            if TEMPORARY_FILE.fullmatch(path.name) and path.is_file()
        )
    if it.leftovers:
        it.note(
            f"{len(it.leftovers)} temporary files were left by killed processes, such as "
            f"{it.leftovers[0].name}"
        )
    _look_at_copies(it)
    if torn := torn_ends(it.manifest_path):
        it.note(f"{len(torn)} torn ends of the manifest were set aside earlier")
    counts = Counter(record["run_id"] for record in it.log.entries)
    if again := sorted(run_id for run_id, count in counts.items() if count > 1):
        it.note(f"runs with several entries, of which the last counts: {_listed(again)}")
    if failed := sorted(i for i, record in it.latest.items() if record["status"] == "failed"):
        it.note(f"failed runs: {_listed(failed)}")
    if it.planned is None:
        return
    count, missing = it.planned.without([*it.latest, *it.unrecorded])
    if count:
        it.note(f"runs without an entry: {_listed(missing, count)}")
    is_planned = it.planned.folder_names()
    stray = [path.name for path in run_folders(it.folder) if not is_planned(path.name)]
    if stray:
        it.note(f"folders of runs that the sweep does not have: {', '.join(sorted(stray)[:8])}")


def _look_at_copies(it: Examination) -> None:
    """Note copies of runs' tables that are not as they were written: the runs' files are theirs."""
    damaged = []
    try:
        for part in parts_of(it.manifest_path.parent):
            try:
                part.verify()
            except Damaged as error:
                damaged.append(str(error))
    except FileNotFoundError:
        return
    except (Damaged, NotPlainFileError) as error:
        damaged.append(str(error))
    if damaged:
        folder = shlex.quote(str(it.manifest_path.parent))
        it.note(f"{damaged[0]}. `gmat-sweep compact {folder}` copies the runs' files again")


def _listed(run_ids: Iterable[int], count: int | None = None, most: int = 12) -> str:
    """Return run ids as text: the first few, and how many there are if these are not all."""
    if count is None:
        run_ids = list(run_ids)
        count = len(run_ids)
    ids = [str(run_id) for run_id in itertools.islice(run_ids, most)]
    return f"{', '.join(ids)}, ... ({count})" if count > most else ", ".join(ids)
