"""Paths of the parts of the repository."""

from __future__ import annotations

from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
EXAMPLES = PROJECT / "examples"
TESTS = PROJECT / "tests"
DATA = TESTS / "data"
SEEDS = TESTS / "seeds"
SUPPORT = TESTS / "support"
