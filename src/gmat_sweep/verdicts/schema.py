"""The JSON schema of requirements, for editors; the rules say what a schema cannot."""

from __future__ import annotations

from typing import Any

from gmat_sweep.verdicts.rules import KEYS, NUMBERS, SHARES, WORDS

__all__ = ["requirements_schema"]

_SAID = {
    "name": "Small letters, digits and hyphens; each name once.",
    "column": "The quantity, by GMAT's name in the report, or by its name in the hook's file.",
    "report": "The ReportFile, where several have the column.",
    "extra": "A file that the postprocess hook registered, instead of a report.",
    "reduce": "How a run's rows become one number.",
    "limit": "A relation and a number, such as '< 100'.",
    "within": "The lowest and the highest number that are allowed.",
    "target": "The number to hit.",
    "tolerance": "How far off the target a number may be.",
    "wrap": "Of an angle: the full circle, 360 in deg.",
    "unit": "Unit of the numbers; that of the column when left out.",
    "probability": "The share of runs that must meet the limit, such as 0.997.",
    "quantile": "The same as probability.",
    "every": "Every run must meet it, instead of a share.",
    "all_of": "Names of requirements that must be met together, instead of a limit.",
    "confidence": "How surely it has to be shown, such as 0.9.",
    "at": "Of 'at': seconds after the first epoch such as '3600 s', or an epoch.",
    "between": "Of 'at': whether there is a value between two rows.",
    "when": "Of events: the condition, such as 'Sat.Earth.Altitude < 120'.",
    "never": "Of events: what a run is in which the condition never begins to hold.",
    "solver": "Of 'converged': the solver.",
    "since": "Of epochs: the epoch from which seconds are counted.",
    "missing": "What an ok run without the number is.",
    "failed": "What a run is that failed in the mission.",
    "timeout": "What a run is that was stopped at its time limit.",
}


def requirements_schema() -> dict[str, Any]:
    """Return the JSON schema of a list of requirements."""
    return {
        "type": "array",
        "minItems": 1,
        "items": {
            "type": "object",
            "title": "Requirement",
            "additionalProperties": False,
            "required": ["name"],
            "properties": {key: {**_type_of(key), "description": _SAID[key]} for key in KEYS},
        },
    }


def _type_of(key: str) -> dict[str, Any]:
    if key in WORDS:
        return {"enum": list(WORDS[key])}
    if key in SHARES:
        return {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}
    if key in NUMBERS:
        return {"type": "number"}
    others: dict[str, dict[str, Any]] = {
        "name": {"type": "string", "pattern": "^[a-z0-9-]+$"},
        "within": {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
        "every": {"type": "boolean"},
        "all_of": {"type": "array", "items": {"type": "string"}},
    }
    return others.get(key, {"type": "string"})
