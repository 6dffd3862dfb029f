"""A user who tries the commands of the README has nothing new to commit."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from repository import PROJECT


def test_the_folders_that_the_commands_of_the_readme_make_are_ignored(tmp_path: Path) -> None:
    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    made = {name for pair in re.findall(r'--out (\S+)|\bout="([^"]+)"', readme) for name in pair}
    made |= {f"replay-{run}" for run in re.findall(r"replay \S+ --run (\d+)", readme)}
    made = {f"{name}/manifest.jsonl" for name in made if name}
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    shutil.copy(PROJECT / ".gitignore", tmp_path)

    ignored = subprocess.run(
        ["git", "check-ignore", *made], cwd=tmp_path, capture_output=True, text=True
    )

    assert len(made) >= 4
    assert set(ignored.stdout.split()) == made
