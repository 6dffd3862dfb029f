"""What a study file may say, as pydantic models; their schema is what editors take."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
    model_validator,
)

from gmat_sweep.sweep.settings import MaxFailed, RunCount, RunSettings, Seed
from gmat_sweep.verdicts.schema import requirements_schema

__all__ = [
    "Axis",
    "CovarianceTable",
    "DistributionTable",
    "RunTable",
    "Study",
    "StudyDesign",
    "Varied",
]

type StudyDesign = Literal["monte-carlo", "latin-hypercube", "sobol", "halton", "grid", "explicit"]
type Scalar = bool | int | float | str
type Number = float
type Spread = Annotated[
    int | float | str,
    Field(description="A number, or a share of the nominal value such as '1 %'."),
]
type Matrix = Annotated[
    Annotated[str, Tag("as file")] | Annotated[list[list[Number]], Tag("as matrix")],
    Discriminator(lambda value: "as file" if isinstance(value, str) else "as matrix"),
]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class DistributionTable(_Table):
    """A distribution with its parameters by name."""

    distribution: Literal[
        "normal", "uniform", "lognormal", "truncnorm", "triangular", "beta", "choice", "discrete"
    ] = Field(description="Its name.")
    about: Literal["nominal"] | None = Field(
        default=None,
        description="'nominal': the numbers are added to the value that the script gives.",
    )
    mean: Number | None = Field(default=None, description="Of normal and truncnorm.")
    sigma: Spread | None = Field(default=None, description="Standard deviation.")
    sigmas: Number = Field(
        default=1, gt=0, description="How many standard deviations the number `sigma` is."
    )
    mu: Number | None = Field(default=None, description="Of lognormal: mean of the logarithm.")
    low: Spread | None = Field(default=None, description="Lower bound.")
    mode: Number | None = Field(default=None, description="Likeliest value, of triangular.")
    high: Spread | None = Field(default=None, description="Upper bound.")
    a: Number | None = Field(default=None, description="First shape parameter of beta.")
    b: Number | None = Field(default=None, description="Second shape parameter of beta.")
    values: list[Scalar] | None = Field(default=None, description="Of choice and discrete.")
    weights: list[Number] | None = Field(default=None, description="One for each value.")
    unit: str | None = Field(
        default=None, description="Unit of the numbers; it must be GMAT's unit of the field."
    )


class CovarianceTable(_Table):
    """Fields that are drawn together; the key is the name of a Spacecraft."""

    covariance: Matrix = Field(description="The matrix, or a file: CSV, or a CCSDS OPM or OEM.")
    elements: Literal["cartesian", "keplerian", "equinoctial"] = Field(
        default="cartesian", description="What of the Spacecraft is drawn."
    )
    frame: Literal["RIC", "VNB", "LVLH", "TNW"] | None = Field(
        default=None, description="Axes of the matrix; those of the spacecraft when left out."
    )
    fields: list[str] = Field(
        default_factory=list, description="The fields that are drawn, instead of a state."
    )
    mean: list[Number] | None = Field(
        default=None, description="The mean; what the script gives when left out."
    )
    at: str | None = Field(default=None, description="Of an OEM: the epoch of its covariance.")


class Axis(_Table):
    """Evenly spaced values of a grid, ends included."""

    start: Number = Field(description="The first value.")
    stop: Number = Field(description="The last value.")
    count: int = Field(ge=2, description="How many values.")
    unit: str | None = Field(default=None, description="Unit of the numbers.")


def _form_of(value: Any) -> str:
    if isinstance(value, list):
        return "as values"
    if isinstance(value, dict | CovarianceTable | Axis | DistributionTable):
        keys = value if isinstance(value, dict) else vars(value)
        if "covariance" in keys:
            return "as covariance"
        return "as axis" if "count" in keys or "start" in keys else "as distribution"
    return "as text"


type Varied = Annotated[
    Annotated[str, Tag("as text")]
    | Annotated[list[Scalar], Field(min_length=1), Tag("as values")]
    | Annotated[DistributionTable, Tag("as distribution")]
    | Annotated[CovarianceTable, Tag("as covariance")]
    | Annotated[Axis, Tag("as axis")],
    Discriminator(_form_of),
]


class RunTable(RunSettings):
    """Where runs execute, how long each may take, and how many may fail."""

    max_failed: MaxFailed | None = Field(
        default=None,
        title="Runs that may fail",
        description="The study fails if more runs fail: a count such as 3, or a share such as 5%.",
    )


type Given = Annotated[
    Any,
    WithJsonSchema({"anyOf": [{"type": "string"}, requirements_schema()]}),
]
type Tables = Annotated[Any, WithJsonSchema(requirements_schema())]


class Study(_Table):
    """A study: a mission, what varies in it, and how its runs execute."""

    model_config = ConfigDict(extra="forbid", title="gmat-sweep study")

    mission: str = Field(description="The GMAT script; a relative path starts from this file.")
    design: StudyDesign = Field(default="monte-carlo", description="How values are chosen.")
    n: RunCount | None = Field(
        default=None,
        description="How many runs are drawn; with max_runs: before the first look, or a batch.",
    )
    seed: Seed | None = Field(
        default=None, description="Seed of the draws; one is drawn and recorded when left out."
    )
    nominal: bool = Field(
        default=False, description="Whether the mission flies undispersed as well, as run -1."
    )
    rows: str | None = Field(
        default=None, description="Of an explicit design: a CSV or Parquet file, a row per run."
    )
    out: str | None = Field(default=None, description="The sweep folder.")
    vary: dict[str, Varied] = Field(
        default_factory=dict,
        description="What varies: GMAT's name of a field, and its distribution or its values.",
    )
    run: RunTable = Field(default_factory=RunTable, description="Where and how runs execute.")
    requirements: Given = Field(
        default=None,
        description="What the mission must do: a file of requirements, or the tables themselves.",
    )
    requirement: Tables = Field(
        default=None, description="The tables of the requirements, as a file of them has them."
    )
    plan: Literal["fixed", "anytime"] | None = Field(
        default=None,
        description="How requirements are judged: once all n runs have ended, or at any time.",
    )
    confidence: float | None = Field(
        default=None, gt=0.5, lt=1, description="Of requirements that give none; 0.9 if left out."
    )
    sample: Literal["independent"] | None = Field(
        default=None,
        description="Of an explicit design: the claim that its rows are independent draws.",
    )
    max_runs: RunCount | None = Field(
        default=None,
        description="Fly until the requirements are decided, and no more runs than this.",
    )
    batch: RunCount | None = Field(
        default=None, description="How many runs are flown before the requirements are judged."
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Study:
        if self.design == "explicit":
            _must(self.rows is not None, "rows", "an explicit design needs the file of its rows")
            _must(not self.vary, "vary", "the rows of an explicit design say what varies")
        else:
            _must(self.rows is None, "rows", "only an explicit design has rows")
            _must(bool(self.vary), "vary", "nothing varies; name at least one field")
        if self.design in ("grid", "explicit"):
            _must(
                self.n is None, "n", f"the size of a design {self.design!r} is that of its values"
            )
        else:
            # Of a study that grows, the requirements say how many there are at first.
            grows = self.design == "monte-carlo" and self.max_runs is not None
            told = self.n is not None or grows
            _must(told, "n", f"a design {self.design!r} needs the number of runs")
        self._requirements_fit()
        return self

    def _requirements_fit(self) -> None:
        both = self.requirements is not None and self.requirement is not None
        _must(not both, "requirements", "there are tables [[requirement]], too; leave one out")
        for key in ("plan", "confidence", "sample", "max_runs", "batch"):
            if getattr(self, key) is not None:
                needed = self.requirements is not None or self.requirement is not None
                _must(needed, key, "there are no requirements; add them, or leave it out")
        if self.sample is not None:
            _must(
                self.design == "explicit", "sample", "only the rows of an explicit design claim it"
            )
        if self.max_runs is not None:
            _must(
                self.design == "monte-carlo",
                "max_runs",
                f"runs of a design {self.design!r} are not independent draws; fly monte-carlo",
            )
            _must(
                self.plan != "fixed",
                "max_runs",
                'a fixed plan flies n runs; write plan = "anytime", or leave it out',
            )
            _must(
                self.n is None or self.n <= self.max_runs,
                "max_runs",
                f"it is less than n, {self.n}; write more",
            )


def _must(holds: bool, key: str, problem: str) -> None:
    if not holds:
        raise ValueError(f"{key}: {problem}")
