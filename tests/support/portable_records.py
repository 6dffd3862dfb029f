"""Records of sweeps in different folders, made comparable."""

import json
from pathlib import Path
from typing import Any


def in_any_folder(record: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Return a record whose paths lack the place of the sweep folder."""
    told_of: dict[str, Any] = json.loads(json.dumps(record).replace(str(folder), "SWEEP"))
    return told_of
