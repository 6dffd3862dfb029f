"""Records of sweeps in different folders, made comparable."""

import json
from pathlib import Path
from typing import Any


def in_any_folder(record: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return a record with the sweep folder's own place left out of its paths."""
    told_of: dict[str, Any] = json.loads(json.dumps(record).replace(str(folder), "SWEEP"))
    return told_of
