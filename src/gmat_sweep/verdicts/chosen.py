"""What was chosen to be judged, and by which plan, before the data were seen.

A sweep that is started with requirements has them in its manifest's header. Otherwise the first
judgement writes them to ``verification.json`` beside the manifest. A later judgement by another
plan, or of other requirements, chose among results that could be seen: its chance of a wrong PASS
is not alpha, and nobody can tell what it is.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, get_args

from gmat_sweep.disk.files import write_file
from gmat_sweep.disk.held import read_plain
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.folder.layout import VERIFICATION_NAME

if TYPE_CHECKING:
    from pathlib import Path

    from gmat_sweep.manifest import Manifest
    from gmat_sweep.verdicts.requirement import PlanName, Requirements

__all__ = ["CHOSEN_AFTER", "VERIFICATION_KEY", "Choice", "keep_choice", "verification_record"]

VERIFICATION_KEY = "verification"
"""Header key of the requirements and the plan that a sweep was started with."""
CHOSEN_AFTER = "chosen after the data were seen"
"""What is said of a verdict by a plan, or on a requirement, that was chosen after a judgement."""

_SCHEMA_VERSION = 1


def verification_record(requirements: Requirements, plan: PlanName) -> dict[str, Any]:
    """Return what the header of a sweep has that is started with requirements.

    Parameters
    ----------
    requirements : Requirements
        The requirements.
    plan : {"fixed", "anytime"}
        The rule by which they will be judged.
    """
    return {
        "schema_version": _SCHEMA_VERSION,
        "plan": plan,
        "requirements": [
            {"name": each.name, "identity": each.identity} for each in requirements.requirements
        ],
    }


@dataclass(frozen=True, slots=True)
class Choice:
    """Plan and requirements that were chosen first.

    Attributes
    ----------
    plan : {"fixed", "anytime"}
        The rule.
    identities : mapping of str to str
        Identity of each requirement, by its name.
    """

    plan: PlanName
    identities: Mapping[str, str]

    @classmethod
    def of(cls, header: Manifest, folder: Path) -> Choice | None:
        """Return the choice that a sweep was started with, or that was made at its first judgement.

        Parameters
        ----------
        header : Manifest
            The manifest; its entries do not matter.
        folder : Path
            The folder of its file.

        Returns
        -------
        Choice or None
            None if nothing was chosen yet.

        Raises
        ------
        SweepConfigError
            The record of the choice is damaged.
        """
        if (record := header.extra.get(VERIFICATION_KEY)) is not None:
            return cls._from(record, f"the header of {header.path or folder}")
        path = folder / VERIFICATION_NAME
        try:
            record = json.loads(read_plain(path))
        except FileNotFoundError:
            return None
        except (ValueError, RecursionError) as error:
            raise _damaged(str(path), str(error)) from error
        return cls._from(record, str(path))

    @classmethod
    def _from(cls, record: Any, place: str) -> Choice:
        from gmat_sweep.verdicts.requirement import PlanName

        try:
            if record["schema_version"] != _SCHEMA_VERSION:
                raise _damaged(place, f"schema_version {record['schema_version']!r} is not known")
            plan = record["plan"]
            identities = {each["name"]: each["identity"] for each in record["requirements"]}
        except (TypeError, KeyError) as error:
            raise _damaged(place, f"{error!r}") from error
        if plan not in get_args(PlanName.__value__):
            raise _damaged(place, f"plan {plan!r} is not known")
        return cls(plan, identities)

    @classmethod
    def made(cls, requirements: Requirements, plan: PlanName) -> Choice:
        """Return the choice of these requirements and this plan."""
        return cls(plan, {each.name: each.identity for each in requirements.requirements})

    def differences(self, first: Choice) -> tuple[frozenset[str], tuple[str, ...]]:
        """Return in what this choice differs from the first one.

        Returns
        -------
        frozenset of str
            Names of requirements that were chosen after the data were seen.
        tuple of str
            What differs, in words.
        """
        told = []
        names = {
            name
            for name, identity in self.identities.items()
            if first.identities.get(name) != identity
        }
        for name in sorted(names):
            was = "changed" if name in first.identities else "added"
            told.append(f"requirement {name} was {was}")
        gone = first.identities.keys() - self.identities.keys()
        told += [f"requirement {name} was left out" for name in sorted(gone)]
        if self.plan != first.plan:
            names = set(self.identities)
            told.append(f"the plan was {first.plan}, and is {self.plan}")
        return frozenset(names), tuple(told)


def keep_choice(folder: Path, requirements: Requirements, plan: PlanName, lines: int) -> None:
    """Write the choice of the first judgement beside the manifest, on disk before this returns.

    Parameters
    ----------
    folder : Path
        The folder of the manifest.
    requirements, plan
        As for `verification_record`.
    lines : int
        How many lines the manifest had.

    Raises
    ------
    OSError
        It could not be written.
    """
    record = verification_record(requirements, plan) | {
        "manifest_lines": lines,
        "judged_at": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    write_file(folder / VERIFICATION_NAME, json.dumps(record, indent=1).encode() + b"\n")


def _damaged(place: str, problem: str) -> SweepConfigError:
    return SweepConfigError(
        f"{place}: what was chosen to be judged cannot be read ({problem}). Restore it from a "
        "copy: without it nobody can tell which verdicts were chosen after the data were seen."
    )
