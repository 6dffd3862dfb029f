"""mission_key: two missions of one file name share neither nights nor the keys of artifacts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gmat_sweep.flow.mission_keys import mission_key
from gmat_sweep.flow.sweep_flow import _key_of


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("GMAT_SWEEP_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_the_first_of_a_name_has_the_plain_key_and_others_a_hash_of_their_place(
    home: Path,
) -> None:
    first, second = home / "a" / "leo.script", home / "b" / "leo.script"

    assert mission_key(first) == "leo"
    other = mission_key(second)
    assert re.fullmatch(r"leo-[0-9a-f]{8}", other)
    assert [mission_key(each) for each in (first, second, first)] == ["leo", other, "leo"]
    assert mission_key(home / "b" / ".." / "a" / "leo.script") == "leo"
    assert mission_key(home / "c" / "leo.script") not in ("leo", other)
    # Another name in small letters is the same key.
    assert mission_key(home / "LEO.script").startswith("leo-")
    assert _key_of(second, "monte_carlo", home / "x") == f"{other}-monte-carlo"


def test_the_cohorts_of_a_night_have_each_their_own(home: Path) -> None:
    """Versions of one key would alternate between the two."""
    mission, night = home / "leo.script", home / "nights" / "leo" / "2026-11-20T033000Z"

    assert _key_of(mission, "monte_carlo", night) == "leo-monte-carlo"
    assert _key_of(mission, "monte_carlo", night / "rotating") == "leo-monte-carlo-rotating"
    # A folder that somebody has named so is no cohort.
    assert _key_of(mission, "monte_carlo", home / "rotating") == "leo-monte-carlo"


def test_studies_of_one_mission_are_told_apart_by_name_and_place(home: Path) -> None:
    mission = home / "leo.script"
    keys = [
        mission_key(mission, study)
        for study in (None, home / "x" / "mass.toml", home / "y" / "mass.toml")
    ]

    assert keys[:2] == ["leo", "leo-mass"]
    assert keys[2].startswith("leo-mass-")


def test_a_home_that_is_mounted_elsewhere_keeps_its_keys(tmp_path: Path) -> None:
    one = tmp_path / "one"
    assert mission_key(one / "leo.script", home=one) == "leo"
    one.rename(tmp_path / "two")

    two = tmp_path / "two"
    assert mission_key(two / "leo.script", home=two) == "leo"
    assert mission_key(one / "leo.script", home=two) != "leo"


def test_where_nobody_can_tell_the_key_has_the_hash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GMAT_SWEEP_HOME", raising=False)
    first = mission_key(tmp_path / "a" / "leo.script")
    assert re.fullmatch(r"leo-[0-9a-f]{8}", first)
    assert mission_key(tmp_path / "a" / "leo.script") == first
    assert mission_key(tmp_path / "b" / "leo.script") != first
    (tmp_path / "home").write_text("no folder")
    monkeypatch.setenv("GMAT_SWEEP_HOME", str(tmp_path / "home"))
    assert mission_key(tmp_path / "a" / "leo.script") == first
