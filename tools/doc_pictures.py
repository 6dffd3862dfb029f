#!/usr/bin/env python3
"""Draw the pictures of the pages that plot, by running their own code.

    python tools/doc_pictures.py

Every ``.png`` that a page saves replaces the one in ``docs/pictures``.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "docs" / name for name in ("plotting.md", "draws.md")]
PICTURES = ROOT / "docs" / "pictures"


def main() -> None:
    """Run each page in a scratch folder and keep its pictures."""
    for page in PAGES:
        draw(page)


def draw(page: Path) -> None:
    """Run a page in a scratch folder and keep its pictures."""
    blocks = re.findall(
        r"^```python\n(.*?)^```$", page.read_text("utf-8"), re.DOTALL | re.MULTILINE
    )
    with tempfile.TemporaryDirectory() as scratch:
        shutil.copytree(ROOT / "examples", Path(scratch) / "examples")
        subprocess.run(
            [sys.executable, "-c", "\n".join(blocks)],
            cwd=scratch,
            env={**os.environ, "MPLBACKEND": "Agg"},
            check=True,
        )
        PICTURES.mkdir(exist_ok=True)
        for picture in sorted(Path(scratch).glob("*.png")):
            shutil.copy(picture, PICTURES)
            print(PICTURES.relative_to(ROOT) / picture.name)


if __name__ == "__main__":
    main()
