"""The doctor's findings in a sweep folder, in words."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gmat_sweep.printable import one_line

__all__ = ["Finding", "SweepHealth"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding.

    Attributes
    ----------
    kind : {"damage", "note"}
        Whether something was lost or changed, or is only worth knowing.
    text : str
        The finding, and what it means.
    run_id : int or None
        The run that it is about.
    """

    kind: Literal["damage", "note"]
    text: str
    run_id: int | None = None

    def __str__(self) -> str:
        where = "" if self.run_id is None else f"run {self.run_id}: "
        return f"{self.kind + ':':<8}{where}{one_line(self.text)}"


@dataclass(frozen=True, slots=True)
class SweepHealth:
    """The state of a sweep folder.

    Attributes
    ----------
    manifest : Path
        The manifest, which may be missing.
    findings : tuple of Finding
        The findings, damage first; after a repair, those that remain.
    runs : int or None
        How many runs the plan has; None if nothing says so any more.
    ok, failed : int
        Recorded runs whose files are as they were recorded, and recorded failures.
    repaired : tuple of str
        The things that a repair did.
    resume_command : str
        The shell command that flies the rest; empty if nothing is left to fly.
    """

    manifest: Path
    findings: tuple[Finding, ...]
    runs: int | None
    ok: int
    failed: int
    repaired: tuple[str, ...] = ()
    resume_command: str = ""

    @property
    def is_healthy(self) -> bool:
        """Whether nothing is damaged; a sweep that is not finished is healthy too."""
        return not self.damage

    @property
    def damage(self) -> tuple[Finding, ...]:
        """The findings that are damage."""
        return tuple(finding for finding in self.findings if finding.kind == "damage")

    def __str__(self) -> str:
        of = "" if self.runs is None else f" of {self.runs}"
        unfit = f", {self.failed} failed" if self.failed else ""
        lines = [f"{one_line(self.manifest.parent)}: {self.ok}{of} runs ok{unfit}"]
        lines += [f"  repaired: {one_line(action)}" for action in self.repaired]
        lines += [f"  {finding}" for finding in self.findings]
        lines.append("  healthy" if self.is_healthy else f"  damaged: {len(self.damage)} findings")
        if not self.is_healthy and not self.repaired:
            folder = one_line(shlex.quote(str(self.manifest.parent)))
            lines.append(f"  save what can be saved with `gmat-sweep doctor {folder} --repair`")
        elif self.is_healthy and self.resume_command:
            lines.append(f"  fly the rest with `{one_line(self.resume_command)}`")
        return "\n".join(lines)
