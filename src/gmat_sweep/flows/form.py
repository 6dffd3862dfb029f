"""The settings of a flow run as the form shows them: on this machine, or on a Dask cluster.

The form has one of two groups of fields, and who uses no Dask sees nothing of it. Both have the
fields of `RunSettings`, which is what a flow gets: names and values are the same, and settings of
code, of a schedule or of a command line stay as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    WrapValidator,
    create_model,
    model_serializer,
)

from gmat_sweep.sweep.settings import RunSettings

__all__ = ["DEFAULT_FORM", "DaskSettings", "FormSettings", "LocalSettings"]

_DASK = ("dask_address", "dask_cluster", "dask_options")
# What is asked for most comes first, and what belongs together is together.
_FIELDS = (
    "workers",
    "timeout_s",
    "memory_limit",
    "retries",
    "postprocess",
    "unconverged",
    "nominal",
    "end_state",
    "allow_script_drift",
    "trust_hook",
    "fsync_each",
    "fsync_batch",
)


def _form(name: str, title: str, doc: str, fields: tuple[str, ...], backend: Any) -> Any:
    """Return a model with some fields of `RunSettings`, and of the back end no choice."""
    known = RunSettings.model_fields
    shown: dict[str, Any] = {each: (known[each].annotation, known[each]) for each in fields}
    shown["backend"] = backend
    return create_model(
        name,
        __config__=ConfigDict(extra="forbid", title=title),
        __doc__=doc,
        __module__=__name__,
        **shown,
    )


_WHICH = "Says which of the two these settings are for."

LocalSettings = _form(
    "LocalSettings",
    "This machine",
    "Worker processes of the machine that runs the flow.",
    _FIELDS,
    (Literal["local"], Field(default="local", title="Back end", description=_WHICH)),
)
"""The settings of runs on the machine of the flow."""
DaskSettings = _form(
    "DaskSettings",
    "Dask cluster",
    "Workers of a Dask cluster: without a scheduler or a cluster class, one on this machine.",
    _DASK + _FIELDS,
    (Literal["dask"], Field(default="dask", title="Back end", description=_WHICH)),
)
"""The settings of runs on a Dask cluster."""


def _settings(given: Any, validated: Any) -> RunSettings:
    """Return the settings that a form, or anybody else, has filled in."""
    if isinstance(given, RunSettings):
        return given
    form = validated(given)
    return RunSettings(**{**form.model_dump(exclude_unset=True), "backend": form.backend})


if TYPE_CHECKING:
    FormSettings = RunSettings
else:
    FormSettings = Annotated[LocalSettings | DaskSettings, WrapValidator(_settings)]


class _AtFirst(RunSettings):
    """The default settings, written without those of Dask, so that they fit the first group.

    Prefect does not validate a default: so this is what a flow gets, and what the form shows.
    """

    @model_serializer(mode="wrap")
    def _on_this_machine(self, written: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in written(self).items() if name not in _DASK}


DEFAULT_FORM: RunSettings = _AtFirst()
"""What the form shows at first."""
