"""The program of a worker process: one GMAT engine, one request at a time.

Requests and replies are JSON, one per line, on two pipes whose descriptors are given on the command
line. Standard output and standard error go to a file, which the parent reads when this process
dies. This process ends when the request pipe closes.
"""

from __future__ import annotations

import contextlib
import dataclasses
import faulthandler
import importlib
import json
import os
from pathlib import Path
from typing import IO, Any

from gmat_sweep.import_places import look_for_hooks_in
from gmat_sweep.worker.lazy_pandas import import_gmat_run

_STDERR_FD = 2


def main(request_fd: int, reply_fd: int) -> None:
    """Serve requests until the parent closes the pipe."""
    faulthandler.enable()
    for descriptor in (request_fd, reply_fd):
        # A program that a hook leaves running must not hold the pipes open.
        os.set_inheritable(descriptor, False)
    with (
        os.fdopen(request_fd, "r", encoding="utf-8") as requests,
        os.fdopen(reply_fd, "w", encoding="utf-8") as replies,
    ):
        # The parent sends work only after this line: a start-up failure is then never taken for
        # the failure of a run.
        _import_engine()
        _reply(replies, {"ready": os.getpid()})
        for line in requests:
            _reply(replies, _answer(json.loads(line)))


def _import_engine() -> None:
    import_gmat_run()
    for name in ("pyarrow.parquet", "gmat_sweep.worker.run"):
        importlib.import_module(name)


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    from gmat_sweep.spec import RunSpec
    from gmat_sweep.worker.loading import inspect_mission
    from gmat_sweep.worker.run import run_one

    if "hooks" in request:
        look_for_hooks_in(request["hooks"])
    if request["kind"] == "run":
        # The output of one run must not be mistaken for another's, nor grow without bound. By
        # descriptor, as an earlier hook may have replaced or closed sys.stderr.
        with contextlib.suppress(OSError):
            os.ftruncate(_STDERR_FD, 0)
        return {"outcome": run_one(RunSpec.from_dict(request["spec"])).to_dict()}
    script = request["script_path"]
    facts = inspect_mission(
        None if script is None else Path(script), request["overrides"], request["wanted"]
    )
    return {"facts": {**dataclasses.asdict(facts), "resource_types": sorted(facts.resource_types)}}


def _reply(replies: IO[str], message: dict[str, Any]) -> None:
    replies.write(json.dumps(message) + "\n")
    replies.flush()
