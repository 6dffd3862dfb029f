"""What the parameters of the flow come to: names, folders, bounds, and the final state."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from prefect.exceptions import ParameterTypeError

from cli_sweeps import manifest
from gmat_sweep import Manifest
from gmat_sweep.backends import DaskPool
from gmat_sweep.errors import SweepConfigError, SweepFailedError
from gmat_sweep.flow.artifacts import slug
from gmat_sweep.flow.final_state import final_state
from gmat_sweep.flows import gmat_sweep_flow
from gmat_sweep.flows.parameters import (
    HOME_VARIABLE,
    RunSettings,
    SweepParameters,
    absolute,
    fresh_folder,
    in_parameters,
    title_of,
)
from gmat_sweep.flows.requested import pool_of, run_requested
from gmat_sweep.spec import FailureKind, RunStatus
from gmat_sweep.sweep.recorded_script import recorded_script
from gmat_sweep.sweep.resuming import check_drift
from gmat_sweep.sweep.trust import check_trust
from gmat_sweep.verdicts.requirement import Requirement, Verdict
from gmat_sweep.verdicts.results import RequirementVerdict, Verdicts

_ONE_HOME = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
_NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A worker's GMAT_SWEEP_HOME."""
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path))
    return tmp_path


class TestSlug:
    @given(st.text())
    def test_it_is_fit_for_the_key_of_an_artifact(self, text: str) -> None:
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", slug(text))

    @given(st.text())
    def test_a_slug_is_its_own(self, text: str) -> None:
        assert slug(slug(text)) == slug(text)

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("monte_carlo", "monte-carlo"),
            ("GTO Injection (v2)", "gto-injection-v2"),
            ("月", "sweep"),
            ("", "sweep"),
        ],
    )
    def test_letters_and_digits_stay(self, text: str, expected: str) -> None:
        assert slug(text) == expected


class TestPaths:
    def test_a_relative_path_starts_from_the_workers_home(self, home: Path) -> None:
        assert absolute(Path("missions/leo.script")) == home / "missions/leo.script"

    def test_an_absolute_path_stays(self, home: Path) -> None:
        assert absolute(Path("/data/leo.script")) == Path("/data/leo.script")

    def test_without_a_home_it_starts_from_the_current_folder(
        self, home: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv(HOME_VARIABLE)
        monkeypatch.chdir(home)

        assert absolute(Path("leo.script")) == home / "leo.script"

    def test_a_tilde_is_the_users_folder_in_both(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv(HOME_VARIABLE, "~/missions")

        assert absolute(Path("leo.script")) == tmp_path / "missions/leo.script"
        assert absolute(Path("~/leo.script")) == tmp_path / "leo.script"

    @_ONE_HOME
    @given(name=_NAMES)
    @example(name="~no-such-user")
    def test_any_path_becomes_absolute_and_an_absolute_one_is_left_alone(
        self, home: Path, name: str
    ) -> None:
        path = absolute(Path(name))

        assert path.is_absolute()
        assert absolute(path) == path

    @_ONE_HOME
    @given(stem=_NAMES)
    def test_a_fresh_folder_is_the_flow_runs_own_and_the_same_when_it_is_retried(
        self, home: Path, stem: str
    ) -> None:
        mission = Path("missions") / f"{stem}.script"

        folder = fresh_folder(mission, "grid", "id-1")

        assert folder.parent == home / "sweeps"
        assert folder == fresh_folder(mission, "grid", "id-1")
        assert folder != fresh_folder(mission, "grid", "id-2")

    def test_without_a_home_it_is_in_a_folder_of_the_user(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.delenv(HOME_VARIABLE, raising=False)

        folder = fresh_folder(Path("leo.script"), "grid", "id")
        assert folder == tmp_path / "gmat-sweeps/sweeps/leo-grid-id"


def parameters(**given: Any) -> dict[str, Any]:
    """Return the parameters of a flow run as Prefect has them."""
    unset: dict[str, Any] = {
        "vary": [],
        "n": None,
        "rows": None,
        "out": None,
        "resume": False,
        "study": None,
    }
    return {"mission": "missions/leo.script", "kind": "monte_carlo", **unset, **given}


class TestTitle:
    @pytest.mark.parametrize(
        ("given", "title"),
        [
            ({"n": 20}, "leo monte-carlo n=20"),
            ({"kind": "latin_hypercube", "n": 5}, "leo latin-hypercube n=5"),
            ({"kind": "grid", "vary": ["Sat.SMA=1:2:3", "Sat.INC=1,2"]}, "leo grid n=6"),
            ({"kind": "explicit", "rows": "tables/cases.csv"}, "leo explicit rows=cases.csv"),
            ({"resume": True, "n": 20}, "leo resume"),
            ({"resume": True, "mission": None, "out": "sweeps/mc.2"}, "mc.2 resume"),
            ({"resume": True, "mission": None}, "sweep resume"),
            ({"study": "studies/drag.toml"}, "drag"),
            ({"study": "studies/drag.toml", "mission": None, "n": 7}, "drag n=7"),
            ({"study": "studies/drag.toml", "resume": True}, "drag resume"),
            ({"max_runs": 500}, "leo until decided, 500 runs at most"),
            ({"study": "s/drag.toml", "max_runs": 7}, "drag until decided, 7 runs at most"),
            # What is wrong with these is said later, in the state.
            ({}, "leo monte-carlo"),
            ({"kind": "grid", "vary": ["Sat.SMA"]}, "leo grid"),
            ({"kind": "explicit"}, "leo explicit"),
        ],
    )
    def test_it_is_the_mission_the_kind_and_the_size(
        self, given: dict[str, Any], title: str
    ) -> None:
        assert title_of(parameters(**given)) == title


class TestBounds:
    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("n", 0),
            ("n", 10_000_001),
            ("seed", -1),
            ("seed", 2**63),
            ("kind", "random"),
            ("max_failed", "a few"),
            ("settings", {"workers": 0}),
            ("settings", {"retries": -1}),
            ("settings", {"timeout_s": 0}),
            ("settings", {"postprocess": "no function"}),
            ("settings", {"wrokers": 2}),
            ("settings", {"dask_cluster": "SLURMCluster"}),
            ("settings", {"dask_options": "queue=short"}),
            ("requirements", 3),
            ("plan", "looks"),
            ("max_runs", 0),
            ("batch", 10_000_001),
        ],
    )
    def test_a_value_out_of_bounds_is_refused_and_its_parameter_named(
        self, name: str, value: object
    ) -> None:
        with pytest.raises(ParameterTypeError, match=name):
            gmat_sweep_flow.validate_parameters({"mission": "leo.script", name: value})


SLURM = "dask_jobqueue.SLURMCluster"
ADDRESS = "tcp://10.0.0.1:8786"


class TestMission:
    def test_a_new_sweep_needs_one(self, tmp_path: Path) -> None:
        without = replace(asked(tmp_path, tmp_path / "out", RunSettings()), mission=None)

        with pytest.raises(SweepConfigError, match=r"^mission: a new sweep needs one"):
            run_requested(without, "flow-run")
        assert not (tmp_path / "out").exists()

    def test_what_a_resume_advises_is_named_as_the_parameter_that_sets_it(
        self, leo_short: Path, tmp_path: Path
    ) -> None:
        drifted = manifest("ok", script_sha256="0" * 64)
        drifted.extra["mission_path"] = str(leo_short)
        drifted.save(tmp_path / "manifest.jsonl")
        hooked = replace(drifted, postprocess="theirs:hook")

        def trust() -> None:
            check_trust(
                *(hooked, [], leo_short, tmp_path), named=None, script_named=False, trusted=False
            )

        said = []
        for asks in (
            lambda: recorded_script(Manifest.load(tmp_path / "manifest.jsonl")),
            lambda: recorded_script(manifest("ok")),
            lambda: check_drift(leo_short, drifted, allow=False),
            trust,
        ):
            with pytest.raises(SweepConfigError) as refused:
                asks()
            said.append(in_parameters(str(refused.value)))

        assert [message for message in said if "--" in message or "=True" in message] == []
        told = " ".join(said)
        for name in ("allow_script_drift", "postprocess", "trust_hook"):
            assert f"settings.{name}" in told
            assert name in RunSettings.model_fields
        assert "name the unchanged one with mission" in told


def asked(mission: Path, out: Path, run_settings: RunSettings) -> SweepParameters:
    """Return what a flow run is asked for that varies one field over two values."""
    return SweepParameters(
        mission=mission,
        kind="grid",
        vary=["Sat.SMA=7000,7010"],
        n=None,
        seed=None,
        rows=None,
        out=out,
        resume=False,
        settings=run_settings,
        max_failed=None,
    )


class TestClusters:
    def test_a_class_is_named_with_its_keywords(self) -> None:
        cluster = RunSettings(
            backend="dask",
            dask_cluster="distributed.LocalCluster",
            dask_options=[
                "processes=false",
                "memory_limit=2GB",
                'plugins=["a", "b"]',
                "adapt.minimum=1",
                "adapt.maximum=40",
            ],
            workers=3,
        )

        pool = pool_of(cluster)

        assert isinstance(pool, DaskPool)
        made = pool.runner_settings
        assert made["cluster_class"].__name__ == "LocalCluster"
        assert made["cluster_kwargs"] == {
            "processes": False, "memory_limit": "2GB", "plugins": ["a", "b"], "n_workers": 3,
        }  # fmt: skip
        assert made["adapt_kwargs"].items() >= {"minimum": 1, "maximum": 40}.items()

    @pytest.mark.parametrize(
        ("wrong", "said"),
        [
            ({"dask_cluster": SLURM}, "settings.dask_cluster: .* back end local"),
            ({"dask_options": ["queue=short"]}, "settings.dask_options: .* back end local"),
            ({"dask_address": ADDRESS}, "settings.dask_address: .* back end local"),
            (
                {"backend": "dask", "dask_address": ADDRESS, "dask_cluster": SLURM},
                "settings.dask_cluster: .* together with settings.dask_address",
            ),
            (
                {"backend": "dask", "dask_address": ADDRESS, "dask_options": ["queue=short"]},
                "settings.dask_options: .* together with settings.dask_address",
            ),
            (
                {"backend": "dask", "dask_address": ADDRESS, "workers": 2},
                "settings.workers: .* together with settings.dask_address",
            ),
            (
                {"backend": "dask", "dask_options": ["queue=short"]},
                "settings.dask_options: .* without settings.dask_cluster",
            ),
            (
                {"backend": "dask", "dask_cluster": SLURM, "dask_options": ["queue"]},
                "settings.dask_options 'queue' must be 'KEY=VALUE'",
            ),
            (
                {"backend": "dask", "dask_cluster": SLURM, "dask_options": ["job.queue=a"]},
                "settings.dask_options: 'job.queue'",
            ),
            (
                {"backend": "dask", "dask_cluster": "os.system", "dask_options": ["command=id"]},
                "settings.dask_cluster: .*not derived from Dask's",
            ),
            (
                {"backend": "dask", "dask_cluster": "no_such_package.Cluster"},
                "settings.dask_cluster: .*no_such_package",
            ),
        ],
    )
    def test_what_cannot_be_is_refused_before_there_is_a_folder(
        self, leo_short: Path, tmp_path: Path, wrong: dict[str, Any], said: str
    ) -> None:
        parameters = asked(leo_short, tmp_path / "out", RunSettings(**wrong))

        with pytest.raises(SweepConfigError, match=f"^{said}"):
            run_requested(parameters, "a flow run")
        assert not (tmp_path / "out").exists()

    @pytest.mark.services
    def test_a_sweep_runs_on_a_cluster_of_that_class(self, leo_short: Path, tmp_path: Path) -> None:
        cluster = RunSettings(
            backend="dask",
            dask_cluster="distributed.LocalCluster",
            dask_options=["threads_per_worker=1", "dashboard_address=127.0.0.1:0"],
            workers=2,
        )

        flown = run_requested(asked(leo_short, tmp_path / "out", cluster), "a flow run")

        assert [entry.status for entry in Manifest.load(flown.manifest).entries] == ["ok", "ok"]


def shown(verdict: Verdict) -> Verdicts:
    """Return verdicts on two requirements, of which one is PASS and one decides the campaign."""
    reason = "" if verdict in ("PASS", "FAIL") else "because"
    apogee, perigee = (
        Requirement(name, column=name, limit="< 1", probability=0.9)
        for name in ("apogee", "perigee")
    )
    return Verdicts(
        verdict=verdict,
        requirements=(
            RequirementVerdict(apogee, verdict, "fixed", reason, n=9, violations=3),
            RequirementVerdict(perigee, "PASS", "fixed", n=9),
        ),
        plan="fixed",
        manifest=Path("out/manifest.jsonl"),
        manifest_lines=3,
        design="monte_carlo",
        seed=42,
        planned=2,
        prefix=2,
        beyond_prefix=0,
        script_sha256="5c" * 32,
    )


class TestFinalState:
    @pytest.mark.parametrize(
        ("statuses", "planned", "max_failed", "type_and_name", "message"),
        [
            (["ok", "ok"], 2, None, ("COMPLETED", "Completed"), "2 of 2 runs ok"),
            (["ok", "ok"], 2, "0", ("COMPLETED", "Completed"), "2 of 2 runs ok"),
            (["ok", "skipped"], 2, None, ("COMPLETED", "Completed"), "2 of 2 runs ok"),
            (
                ["ok", "failed"], 2, None,
                ("COMPLETED", "CompletedWithFailures"), "1 of 2 runs ok, 1 failed",
            ),
            (
                ["failed", "failed"], 2, None,
                ("COMPLETED", "CompletedWithFailures"), "0 of 2 runs ok, 2 failed",
            ),
            (
                ["ok", "failed"], 2, "1",
                ("COMPLETED", "CompletedWithFailures"), "1 of 2 runs ok, 1 failed",
            ),
            (
                ["ok", "failed"], 2, "50%",
                ("COMPLETED", "CompletedWithFailures"), "1 of 2 runs ok, 1 failed",
            ),
            (
                ["ok", "failed"], 2, "49%",
                ("FAILED", "TooManyFailedRuns"), "1 of 2 runs ok, 1 failed; at most 49% may",
            ),
            (
                ["failed", "ok"], 2, "0",
                ("FAILED", "TooManyFailedRuns"), "1 of 2 runs ok, 1 failed; at most 0 may",
            ),
            (
                ["ok"], 3, None,
                ("FAILED", "Incomplete"),
                "1 of 3 runs are recorded. Resume the sweep to run the rest",
            ),
            (
                ["failed"], 3, "0",
                ("FAILED", "Incomplete"),
                "1 of 3 runs are recorded. Resume the sweep to run the rest",
            ),
        ],
    )  # fmt: skip
    def test_it_follows_from_the_manifest_and_max_failed(
        self,
        statuses: list[RunStatus],
        planned: int,
        max_failed: str | None,
        type_and_name: tuple[str, str],
        message: str,
    ) -> None:
        state = final_state(manifest(*statuses, run_count=planned), max_failed)

        assert (state.type.value, state.name) == type_and_name
        assert (state.message or "").partition(": gmat-sweep resume ")[0] == message
        assert ("gmat-sweep resume" in (state.message or "")) == (state.name == "Incomplete")

    @pytest.mark.parametrize(
        ("verdict", "statuses", "max_failed", "type_and_name"),
        [
            ("PASS", ["ok", "ok"], "0", ("COMPLETED", "Completed")),
            ("PASS", ["ok", "failed"], None, ("COMPLETED", "CompletedWithFailures")),
            ("PASS", ["ok", "failed"], "0", ("FAILED", "TooManyFailedRuns")),
            ("INCONCLUSIVE", ["ok", "ok"], None, ("COMPLETED", "Inconclusive")),
            ("INCONCLUSIVE", ["ok", "failed"], "1", ("COMPLETED", "Inconclusive")),
            ("INCONCLUSIVE", ["ok", "failed"], "0", ("FAILED", "TooManyFailedRuns")),
            ("NOT APPLICABLE", ["ok", "failed"], None, ("FAILED", "NotApplicable")),
            ("NOT APPLICABLE", ["ok", "failed"], "0", ("FAILED", "TooManyFailedRuns")),
            ("FAIL", ["ok", "ok"], None, ("FAILED", "RequirementFailed")),
            ("FAIL", ["ok", "failed"], "0", ("FAILED", "RequirementFailed")),
            ("FAIL", ["ok"], None, ("FAILED", "Incomplete")),
            ("PASS", ["ok"], None, ("FAILED", "Incomplete")),
        ],
    )
    def test_verdicts_and_failed_runs_make_one_state_whose_message_has_both(
        self,
        verdict: Verdict,
        statuses: list[RunStatus],
        max_failed: str | None,
        type_and_name: tuple[str, str],
    ) -> None:
        found = shown(verdict)

        state = final_state(manifest(*statuses, run_count=2), max_failed, found)

        assert (state.type.value, state.name) == type_and_name
        assert state.message is not None
        assert found.headline in state.message
        assert f"{statuses.count('ok')} of " in state.message
        told: Any = state.result(raise_on_failure=False)
        outcome = told.outcome if isinstance(told, SweepFailedError) else told
        assert outcome.verdicts is found

    def test_its_message_says_in_a_sentence_which_requirement_and_why(self) -> None:
        said = {
            verdict: final_state(manifest("ok", "ok"), None, shown(verdict)).message
            for verdict in get_args(Verdict.__value__)
        }

        assert said == {
            "PASS": "PASS: the 2 requirements are met. 2 of 2 runs ok",
            "FAIL": "FAIL: 1 of 2 requirements is not met: apogee (3 of 9 violate). 2 of 2 runs ok",
            "INCONCLUSIVE": (
                "INCONCLUSIVE: 1 of 2 requirements is not decided: apogee (3 of 9 violate; "
                "because). 2 of 2 runs ok"
            ),
            "NOT APPLICABLE": (
                "NOT APPLICABLE: 1 of 2 requirements is not judged: apogee (because; 3 of 9 "
                "violate). 2 of 2 runs ok"
            ),
        }

    def test_its_message_tells_where_failures_lie_and_which_are_not_the_missions(self) -> None:
        statuses: list[RunStatus] = ["failed" if run_id < 24 else "ok" for run_id in range(41)]
        kinds: list[FailureKind | None] = [
            "timeout" if run_id == 0 else "mission" if run_id < 24 else None for run_id in range(41)
        ]
        whole = manifest(*statuses)
        whole.entries[:] = [
            replace(each, overrides={"Sat.INC": each.run_id - 23.5}, failure_kind=kind)
            for each, kind in zip(whole.entries, kinds, strict=True)
        ]

        assert final_state(whole, None).message == (
            "17 of 41 runs ok, 24 failed; 1 of the 24 failed runs did not fail in the mission: "
            "1 timeout; 23 of 40 failed, all with Sat.INC < 0 (p = 4e-10)"
        )

    def test_its_message_and_its_outcome_tell_of_solvers_that_did_not_converge(self) -> None:
        whole = manifest("ok", "ok", "failed")
        whole.entries[1] = replace(whole.entries[1], converged={"DC": False, "Opt": False})

        state = final_state(whole, None)

        assert state.name == "CompletedWithFailures"
        assert state.message == (
            "2 of 3 runs ok, 1 failed; 1 of 3 runs has a solver that did not converge: "
            "DC (run 1), Opt (run 1)"
        )
        assert state.result().unconverged == 1

    @given(
        statuses=st.lists(st.sampled_from(["ok", "failed", "skipped"]), min_size=1, max_size=8),
        missing=st.integers(0, 2),
        limit=st.integers(0, 8) | st.none(),
    )
    def test_it_is_failed_only_for_missing_runs_and_for_more_failed_ones_than_may(
        self, statuses: list[RunStatus], missing: int, limit: int | None
    ) -> None:
        whole = manifest(*statuses, run_count=len(statuses) + missing)

        state = final_state(whole, None if limit is None else str(limit))

        too_many = limit is not None and statuses.count("failed") > limit
        assert state.is_failed() == (missing > 0 or too_many)

    def test_a_limit_that_is_no_share_is_refused_by_its_name(self) -> None:
        with pytest.raises(SweepConfigError, match=r"^max_failed '150%'"):
            final_state(manifest("failed"), "150%")
