"""The values that flags of the command line take, and what is said of those they do not."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gmat_sweep.errors import SweepConfigError
from gmat_sweep.plans.notation import max_failed, parse_backend_args, parse_grid, parse_perturb

NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_.]{0,20}", fullmatch=True)
NUMBERS = st.floats(-1e9, 1e9)
HUGE = "1" + "0" * 400


def refusal(parse: Callable[..., object], *arguments: Any) -> str:
    """Return the message with which the parser refuses."""
    with pytest.raises(SweepConfigError) as caught:
        parse(*arguments)
    return str(caught.value)


class TestGrid:
    def test_an_axis_of_values_keeps_their_order_and_types(self) -> None:
        grid = parse_grid(["Sat.DryMass=3,1,2.5,-1e3,abc"])

        assert grid == {"Sat.DryMass": [3, 1, 2.5, -1000.0, "abc"]}
        assert [type(value) for value in grid["Sat.DryMass"]] == [int, int, float, float, str]

    def test_one_value_is_an_axis_of_one(self) -> None:
        assert parse_grid(["Sat.SMA=7000"]) == {"Sat.SMA": [7000]}

    def test_an_integer_too_large_for_a_float_is_an_integer(self) -> None:
        assert parse_grid([f"V={HUGE}"]) == {"V": [int(HUGE)]}

    def test_a_range_has_both_its_ends_and_is_made_of_floats(self) -> None:
        values = parse_grid(["Sat.SMA=7000:7100:5"])["Sat.SMA"]

        assert values == [7000.0, 7025.0, 7050.0, 7075.0, 7100.0]
        assert {type(value) for value in values} == {float}

    @given(low=NUMBERS, high=NUMBERS, count=st.integers(2, 30))
    def test_a_range_is_numpy_linspace_to_the_last_bit(
        self, low: float, high: float, count: int
    ) -> None:
        expected = [float(value) for value in np.linspace(low, high, count)]

        assert parse_grid([f"a={low!r}:{high!r}:{count}"]) == {"a": expected}

    def test_a_range_may_descend(self) -> None:
        assert parse_grid(["a=1:0:3"]) == {"a": [1.0, 0.5, 0.0]}

    def test_axes_keep_the_order_they_were_given_in(self) -> None:
        assert list(parse_grid(["b=1", "a=2", "c=3"])) == ["b", "a", "c"]

    def test_blanks_around_names_and_values_do_not_count(self) -> None:
        assert parse_grid([" a = 1, 2 ,x y "]) == {"a": [1, 2, "x y"]}

    def test_only_the_first_equals_sign_divides(self) -> None:
        assert parse_grid(["a=x=1,2"]) == {"a": ["x=1", 2]}

    @pytest.mark.parametrize(
        ("spec", "values"),
        [
            ("S='a,b',c", ["a,b", "c"]),
            ("S='a:b:2' , 'c d'", ["a:b:2", "c d"]),
            ("S=' a'", [" a"]),
            ("S='5',5,'On'", ["'5'", 5, "'On'"]),
            ("S=it's,he's", ["it's", "he's"]),
            ("FM.PointMasses={Luna,Sun},{Luna}", ["{Luna,Sun}", "{Luna}"]),
            ("T.MixRatio=[1,2],[2, 1]", ["[1,2]", "[2, 1]"]),
            ("Sat.Epoch=01 Jan 2026 00:00:00.000", ["01 Jan 2026 00:00:00.000"]),
            (
                "Sat.Epoch=01 Jan 2026 00:00:00.000,2 Feb 2026 12:00:00",
                ["01 Jan 2026 00:00:00.000", "2 Feb 2026 12:00:00"],
            ),
            ("Sat.Epoch='01 Jan 2026 00:00:00.000'", ["01 Jan 2026 00:00:00.000"]),
        ],
    )
    def test_quotes_braces_and_epochs_hold_commas_and_colons(
        self, spec: str, values: list[Any]
    ) -> None:
        assert list(parse_grid([spec]).values()) == [values]

    @given(
        name=NAMES,
        values=st.lists(st.integers() | NUMBERS, min_size=1, max_size=8),
    )
    def test_numbers_are_read_back_as_they_are_written(self, name: str, values: list[Any]) -> None:
        listed = parse_grid([f"{name}={','.join(map(repr, values))}"])[name]

        assert listed == values
        assert list(map(type, listed)) == list(map(type, values))

    @pytest.mark.parametrize(
        ("spec", "message"),
        [
            ("Sat.SMA", "must contain '='"),
            ("", "must contain '='"),
            ("=1,2", "missing a name"),
            ("  =1,2", "missing a name"),
            ("Sat.SMA=", "no values"),
            ("Sat.SMA=  ", "no values"),
            ("a=1:2", "three colon-separated"),
            ("a=1:2:3:4", "three colon-separated"),
            ("a=x:2:3", "'x'.*numeric"),
            ("a=1:y:3", "'y'.*numeric"),
            ("a=:2:3", "''.*numeric"),
            ("a=nan:2:3", "'nan'.*finite"),
            ("a=1:inf:3", "'inf'.*finite"),
            ("a=1:2:2.5", "'2.5'.*integer"),
            ("a=1:2:", "''.*integer"),
            ("a=1:2:1", "1.*>= 2"),
            ("a=1:2:-5", "-5.*>= 2"),
            ("a=1,nan", "non-finite.*'nan'"),
            ("a=-inf", "non-finite.*'-inf'"),
            ("a=1e999", "non-finite.*'1e999'"),
            ("a=1,,2", "empty value"),
            ("a=1,", "empty value"),
            ("a=,", "empty value"),
        ],
    )
    def test_what_is_no_axis_is_refused_by_name(self, spec: str, message: str) -> None:
        refused = refusal(parse_grid, [spec])

        assert refused.startswith(f"--grid {spec!r}")
        assert re.search(message, refused)
        assert refused.endswith(".")

    def test_the_same_axis_twice_is_refused(self) -> None:
        refused = refusal(parse_grid, ["a=1", "b=1", " a =2"])

        assert "--grid 'a' is given more than once" in refused

    @given(st.text(max_size=25))
    @example(HUGE)
    @example("a=" + "9" * 5000)
    def test_any_text_is_an_axis_or_a_config_error(self, text: str) -> None:
        try:
            grid = parse_grid([text])
        except SweepConfigError:
            return

        assert [len(values) >= 1 for values in grid.values()] == [True]


class TestPerturb:
    def test_each_distribution_is_a_tag_and_two_floats(self) -> None:
        perturb = parse_perturb(
            [
                "Sat.SMA=normal:7100:50",
                " Sat.INC = uniform:0:90 ",
                "Sat.DryMass=lognormal:4.6:1e-1",
            ]
        )

        assert perturb == {
            "Sat.SMA": ("normal", 7100.0, 50.0),
            "Sat.INC": ("uniform", 0.0, 90.0),
            "Sat.DryMass": ("lognormal", 4.6, 0.1),
        }
        assert {type(number) for _, *pair in perturb.values() for number in pair} == {float}

    @given(
        name=NAMES, tag=st.sampled_from(["normal", "uniform", "lognormal"]), a=NUMBERS, b=NUMBERS
    )
    def test_parameters_are_read_back_as_they_are_written(
        self, name: str, tag: str, a: float, b: float
    ) -> None:
        assert parse_perturb([f"{name}={tag}:{a!r}:{b!r}"]) == {name: (tag, a, b)}

    @pytest.mark.parametrize(
        ("spec", "message"),
        [
            ("Sat.SMA", "must contain '='"),
            ("=normal:1:2", "missing a name"),
            ("Sat.SMA=", "no distribution"),
            ("a=normal:1", "three colon-separated"),
            ("a=normal:1:2:3", "three colon-separated"),
            ("a=normal", "three colon-separated"),
            (
                "a=zaphod:1:2",
                "unknown perturb distribution tag 'zaphod'.*normal, uniform, lognormal",
            ),
            ("a=:1:2", "unknown perturb distribution tag ''"),
            ("a=Normal:1:2", "unknown perturb distribution tag 'Normal'"),
            ("a=normal:x:2", "'x'.*must be numeric"),
            ("a=normal:1:", "''.*must be numeric"),
            ("a=normal:1:inf", "'inf'.*must be finite"),
            ("a=uniform:nan:1", "'nan'.*must be finite"),
        ],
    )
    def test_what_is_no_distribution_is_refused_by_name(self, spec: str, message: str) -> None:
        refused = refusal(parse_perturb, [spec])

        assert refused.startswith(f"--perturb {spec!r}")
        assert re.search(message, refused)
        assert refused.endswith(".")

    def test_the_same_name_twice_is_refused(self) -> None:
        refused = refusal(parse_perturb, ["a=normal:1:2", "a=uniform:1:2"])

        assert "--perturb 'a' is given more than once" in refused


class TestBackendArgs:
    def test_values_are_numbers_truths_or_text(self) -> None:
        options = parse_backend_args(
            ["n=4", "f=0.5", "yes=true", "no=FALSE", "text=a=b,c:d", "blank= "]
        )

        assert options == {
            "n": 4, "f": 0.5, "yes": True, "no": False, "text": "a=b,c:d", "blank": " ",
        }  # fmt: skip
        assert [type(value) for value in options.values()] == [int, float, bool, bool, str, str]

    def test_lists_and_mappings_are_written_as_json(self) -> None:
        options = parse_backend_args(['extra=["--lifetime", "55m"]', 'env={"A": "1"}', "none=[]"])

        assert options == {"extra": ["--lifetime", "55m"], "env": {"A": "1"}, "none": []}

    def test_no_options_are_no_options(self) -> None:
        assert parse_backend_args([]) == {}

    def test_an_integer_too_large_for_a_float_is_an_integer(self) -> None:
        assert parse_backend_args([f"n={HUGE}"]) == {"n": int(HUGE)}

    @pytest.mark.parametrize(
        ("spec", "message"),
        [
            ("workers", "must be 'KEY=VALUE'"),
            ("=4", "missing a key"),
            ("n=", "has no value"),
            ("n=nan", "non-finite"),
            ("n=-Infinity", "non-finite"),
            ("n=[--lifetime]", "not valid JSON"),
            ('n={"a": NaN}', "not valid JSON"),
        ],
    )
    def test_what_is_no_option_is_refused_by_name(self, spec: str, message: str) -> None:
        refused = refusal(parse_backend_args, [spec])

        assert refused.startswith(f"--backend-arg {spec!r}")
        assert message in refused
        assert refused.endswith(".")

    def test_the_same_key_twice_is_refused(self) -> None:
        assert "'n' is given more than once" in refusal(parse_backend_args, ["n=1", "n=2"])

    def test_a_parameter_is_named_instead_of_the_flag(self) -> None:
        refused = refusal(parse_backend_args, ["queue"], "settings.dask_options")

        assert refused == "settings.dask_options 'queue' must be 'KEY=VALUE'."


class TestMaxFailed:
    @pytest.mark.parametrize(
        ("text", "total", "allowed"),
        [
            ("0", 10, 0),
            ("3", 10, 3),
            ("30", 10, 30),
            ("5%", 100, 5),
            ("5%", 99, 4),
            ("0%", 100, 0),
            ("100%", 7, 7),
            ("2.5%", 1000, 25),
            ("18.4%", 375, 69),
        ],
    )
    def test_a_count_is_itself_and_a_share_is_rounded_down(
        self, text: str, total: int, allowed: int
    ) -> None:
        assert max_failed(text, total) == allowed

    @given(tenths=st.integers(0, 1000), total=st.integers(0, 5000))
    def test_a_share_is_exact(self, tenths: int, total: int) -> None:
        expected = math.floor(total * Fraction(tenths, 1000))

        assert max_failed(f"{tenths / 10}%", total) == expected

    @pytest.mark.parametrize(
        "text", ["", "%", "-1", "-1%", "101%", "1.5", "many", "nan%", "inf%", "5%%", "nan", "1/2%"]
    )
    def test_anything_else_is_refused(self, text: str) -> None:
        refused = refusal(max_failed, text, 10)

        assert refused.startswith(f"--max-failed {text!r} must be")
        assert refused.endswith("a count such as 3 or a percentage such as 5%.")
