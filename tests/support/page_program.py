"""Run the code of one documentation page as a reader would: in order, as one program.

    python page_program.py [CORE] < blocks.json > outputs.json

Blocks are ``{"page", "line", "language", "code"}``. Python blocks share one namespace, shell blocks
run in bash, both in the current folder. A Python block whose first line is a comment with the name
of a module is saved as that file instead. The output is one text per block: what the block printed,
on either stream if it is a shell block. A block that fails ends the program with its error. With
CORE, all blocks run on that core of the processor.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

_MODULE = re.compile(r"# (\w+\.py)\n")


def main() -> None:
    """Run the blocks on standard input."""
    if sys.argv[1:]:
        os.sched_setaffinity(0, {int(sys.argv[1])})
    blocks = json.load(sys.stdin)
    # As in a script that a reader saves: Python puts the script's folder first on the path.
    sys.path[0] = str(Path.cwd())
    namespace: dict[str, Any] = {"__name__": "__main__"}
    json.dump([_output(block, namespace) for block in blocks], sys.stdout)


def _output(block: dict[str, Any], namespace: dict[str, Any]) -> str:
    code, place = block["code"], f"{block['page']}, line {block['line']}"
    if block["language"] != "python":
        return _shell_output(code, place)
    if module := _MODULE.match(code):
        Path(module[1]).write_text(code, encoding="utf-8")
        return ""
    printed = io.StringIO()
    # Newlines before the code, so that a traceback names the line of the page.
    program = compile("\n" * (block["line"] - 1) + code, block["page"], "exec")
    with contextlib.redirect_stdout(printed):
        exec(program, namespace)
    return printed.getvalue()


def _shell_output(code: str, place: str) -> str:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", code],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode != 0:
        sys.exit(f"{place}: exit code {done.returncode}\n{code}\n{done.stdout}")
    return done.stdout


if __name__ == "__main__":
    main()
