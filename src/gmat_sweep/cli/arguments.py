"""Options of a back end as they are written on the command line."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from gmat_sweep.errors import SweepConfigError
from gmat_sweep.notation import number_or_text

__all__ = ["parse_backend_args"]


def parse_backend_args(specs: Iterable[str]) -> dict[str, Any]:
    """Parse ``KEY=VALUE`` options of a back end; values are numbers, true/false, or text."""
    parsed: dict[str, Any] = {}
    for text in specs:
        key, equals, value = text.partition("=")
        if not equals:
            raise SweepConfigError(f"--backend-arg {text!r} must be 'KEY=VALUE'.")
        if not key:
            raise SweepConfigError(f"--backend-arg {text!r} is missing a key. Write KEY=VALUE.")
        if not value:
            raise SweepConfigError(f"--backend-arg {text!r} has no value. Write KEY=VALUE.")
        if key in parsed:
            raise SweepConfigError(f"--backend-arg {key!r} is given more than once. Give it once.")
        parsed[key] = _option(text, value)
    return parsed


def _option(text: str, value: str) -> Any:
    if value.lower() in ("true", "false"):
        return value.lower() == "true"
    option = number_or_text(value)
    if isinstance(option, float) and not math.isfinite(option):
        raise SweepConfigError(
            f"--backend-arg {text!r} has a non-finite value. Give a finite number or text."
        )
    return option
