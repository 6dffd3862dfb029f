"""A flow run whose process is told to end, or killed, says so and reaches a final state.

A Prefect worker that gets SIGTERM kills the processes of its flow runs at once, without a word to
the server: without more, such a flow run stays Running, and fills the concurrency limit of its
deployment. So there are two ways to the end:

* SIGTERM or Ctrl-C reaches the flow: Prefect marks the flow run Crashed, and then calls the hook
  `say_interrupted`, which names the state Interrupted and says what to do.
* The flow is killed: the reaper, which outlives it, starts `gmat_sweep.flow.last_words`, for as
  long as the block `with_last_words` is under way or an interruption leaves it.

``gmat-sweep worker`` is a Prefect worker that lets its flow runs take the first way.
"""

from __future__ import annotations

import contextlib
import json
import shlex
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

from prefect.client.orchestration import get_client
from prefect.states import Crashed

from gmat_sweep.backends.process.reaper import REAPER
from gmat_sweep.flow.handover import AbandonedError
from gmat_sweep.flow.prefect_internals import flow_run_of_this_process, is_termination
from gmat_sweep.flow.server import lasting_api_url, record_file
from gmat_sweep.folder.layout import MANIFEST_NAME
from gmat_sweep.printable import one_line
from gmat_sweep.sweep.recorded_script import no_option

if TYPE_CHECKING:
    from prefect import Flow
    from prefect.client.schemas.objects import FlowRun, State

__all__ = ["interrupted_state", "say_interrupted", "why", "with_last_words"]


def why(error: BaseException) -> str:
    """Return why an exception ended a pass over a sweep, as ``last-pass.json`` records it."""
    if is_termination(error):
        return "ended by a signal: cancelled, or its machine was shut down"
    if isinstance(error, KeyboardInterrupt):
        return "interrupted from the keyboard"
    if isinstance(error, AbandonedError):
        return "its outcomes were no longer read"
    return f"{type(error).__name__}: {error}"


def interrupted_state(reason: str, sweep_folder: str = "") -> State[Any]:
    """Return the final state of a flow run that was interrupted.

    Parameters
    ----------
    reason : str
        Why.
    sweep_folder : str
        The folder of its sweep, if it is known: the message says how to go on with it.
    """
    where, how = "", "resume its sweep"
    if sweep_folder:
        manifest = no_option(Path(sweep_folder) / MANIFEST_NAME)
        where = f" in {sweep_folder}"
        how = f"resume its sweep: {shlex.join(['gmat-sweep', 'resume', manifest])}"
    return Crashed(
        name="Interrupted",
        message=one_line(
            f"interrupted: {reason}. Runs that were recorded stay recorded{where}: retry the flow "
            f"run, or {how}"
        )
        + ("" if sweep_folder else "."),
    )


def say_interrupted(flow: Flow[..., Any], flow_run: FlowRun, state: State[Any]) -> None:
    """Name the state of a flow run that a signal ended Interrupted; Prefect's hook on a crash.

    Prefect calls it where it handles the exception. In a Prefect worker, which calls it for a flow
    run whose process was killed, there is none: the state then has the exit code already.
    """
    del flow
    error = sys.exception()
    if error is not None and (is_termination(error) or isinstance(error, KeyboardInterrupt)):
        with get_client(sync_client=True) as client:
            state = interrupted_state(why(error), _folder_of(str(flow_run.id)))
            client.set_flow_run_state(flow_run.id, state, force=True)


@contextlib.contextmanager
def with_last_words(flow_run_id: UUID, sweep_folder: Path | None = None) -> Iterator[None]:
    """Have a flow run marked Interrupted if this process is killed during the block.

    The same goes for the flow run of the whole process, which may have called this one. After an
    exception that ends the process it goes on until the process ends, as Prefect may be killed
    before it has told the server. The program does nothing for a flow run in a final state.

    Parameters
    ----------
    flow_run_id : UUID
        The flow run.
    sweep_folder : Path or None
        Where ``last-pass.json`` is, which then says that the pass was interrupted.
    """
    api_url = lasting_api_url()
    if api_url is None:
        yield
        return
    ordered = [(str(flow_run_id), "" if sweep_folder is None else str(sweep_folder))]
    if (whole := flow_run_of_this_process()) not in (None, flow_run_id):
        ordered.append((str(whole), ""))
    _order(api_url, more=ordered)
    try:
        yield
    except Exception:
        _order(api_url, less=ordered)
        raise
    _order(api_url, less=ordered)


def _folder_of(flow_run: str) -> str:
    """Return the sweep folder of a flow run that was interrupted; empty if it has none.

    A flow run that called another one, such as a night's, has the folder of that.
    """
    with _lock:
        folders = [folder for each, folder in _ordered if each == flow_run and folder]
        return (folders or [folder for _, folder in _ordered if folder] or [""])[-1]


_LAST_WORDS = (sys.executable, "-P", "-m", "gmat_sweep.flow.last_words")

# What is ordered at present, and the program that the reaper has for it: one for all flow runs.
_ordered: list[tuple[str, str]] = []
_program: list[str] = []
_lock = threading.RLock()


def _order(
    api_url: str, *, more: Sequence[tuple[str, str]] = (), less: Sequence[tuple[str, str]] = ()
) -> None:
    """Have the reaper start one program for all that is ordered, instead of the one it had."""
    with _lock:
        before = list(_program)
        _ordered.extend(more)
        for each in less:
            _ordered.remove(each)
        folders: dict[str, str] = {}
        for flow_run, folder in _ordered:
            folders[flow_run] = folder or folders.get(flow_run, "")
        _program[:] = [*_LAST_WORDS, api_url, json.dumps(folders)] if folders else []
        if _program and (record := record_file()) is not None:
            _program.append(str(record))
        if _program and _program != before:
            REAPER.add_program(_program)
        if before and _program != before:
            REAPER.discard_program(before)
