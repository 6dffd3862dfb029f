"""The values that flags of the command line take, and what is said of those they do not."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gmat_sweep.draws.ccsds import covariance_of_message
from gmat_sweep.draws.covariance import Covariance
from gmat_sweep.errors import SweepConfigError
from gmat_sweep.plans.notation import (
    max_failed,
    number_or_text,
    parse_backend_args,
    parse_grid,
    parse_perturb,
    read_samples,
)
from opm_study import write_opm_study

NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9_.]{0,20}", fullmatch=True)
NUMBERS = st.floats(-1e9, 1e9)
HUGE = "1" + "0" * 400
# What Python's int() and float() take, and people write as names, versions and accounts.
NAMES_WITH_DIGITS = (
    "007", "00123", "-007", "+01", "00.5", "1_000", "2024_07", "1_0.5", "1e1_0", "0x10", "1e",
    "1.5.0", "\u0663", "\uff11\uff12", "1,5", "e5", ".", "+", "-", "+-5", "5 6",
)  # fmt: skip
WRITTEN_NUMBERS = {
    "0": 0, "7": 7, "-7": -7, "+5": 5, "7000.0": 7000.0, "1.50": 1.5, ".5": 0.5, "5.": 5.0,
    "0.5": 0.5, "1e3": 1000.0, "1E-05": 1e-05, "-.5e+2": -50.0, "0e0": 0.0, "-0": -0.0, "10": 10,
    HUGE: int(HUGE),
}  # fmt: skip


def refusal(parse: Callable[..., object], *arguments: Any) -> str:
    """Return the message with which the parser refuses."""
    with pytest.raises(SweepConfigError) as caught:
        parse(*arguments)
    return str(caught.value)


class TestNumbers:
    @pytest.mark.parametrize("text", NAMES_WITH_DIGITS)
    def test_text_that_is_no_written_number_stays_as_it_is(self, text: str, tmp_path: Path) -> None:
        assert number_or_text(text) == text
        assert parse_backend_args([f"account={text}"]) == {"account": text}
        if "," not in text:
            assert parse_grid([f"Sat.Id={text},{text}"]) == {"Sat.Id": [text, text]}
        table = tmp_path / "rows.csv"
        table.write_text(f'Sat.Id,Sat.SMA\n"{text}",7000\n"{text}",7001\n', encoding="utf-8")

        assert read_samples(table).to_dict("list") == {
            "Sat.Id": [text, text], "Sat.SMA": [7000, 7001],
        }  # fmt: skip

    @pytest.mark.parametrize(("text", "number"), WRITTEN_NUMBERS.items())
    def test_numbers_as_people_write_them_are_numbers(self, text: str, number: float) -> None:
        for read in (number_or_text(text), parse_grid([f"a={text}"])["a"][0]):
            assert repr(read) == repr(number)

    @pytest.mark.parametrize("text", ["3.10", "1.50", "12e4", "1E-05", "+5", ".5", "5.", "-0"])
    def test_a_number_of_an_option_comes_back_as_it_was_written_or_stays_text(
        self, text: str
    ) -> None:
        """A version or an account may look like a number."""
        assert parse_backend_args([f"a={text}"]) == {"a": text}

    @given(st.integers() | NUMBERS)
    def test_a_number_of_an_option_as_python_writes_it_is_that_number(self, number: float) -> None:
        assert repr(parse_backend_args([f"a={number!r}"])["a"]) == repr(number)

    @given(st.integers() | NUMBERS)
    def test_what_python_writes_comes_back(self, number: float) -> None:
        assert repr(number_or_text(repr(number))) == repr(number)

    @given(st.text("0123456789+-._eE \u0663", max_size=8))
    def test_a_number_without_zeros_before_it_or_marks_in_it_is_pythons_own(
        self, text: str
    ) -> None:
        read = number_or_text(text)

        if not isinstance(read, str):
            assert read == float(text)
            assert "_" not in text
            assert re.match(r"[+-]?0[0-9]", text) is None

    @pytest.mark.parametrize("text", [*NAMES_WITH_DIGITS[:8], "\u0663"])
    def test_where_only_a_number_can_stand_other_digits_are_refused(self, text: str) -> None:
        for parse, spec in (
            (parse_perturb, f"a=normal:{text}:1"),
            (parse_perturb, f"a=uniform:-1:{text}"),
            (parse_grid, f"a={text}:9:3"),
            (parse_grid, f"a=0:1:{text}"),
        ):
            assert re.search("must be numeric|must be an integer", refusal(parse, [spec]))
        assert "must be a count" in refusal(max_failed, text, 10)
        assert "must be a count" in refusal(max_failed, f"{text}%", 10)

    def test_quotes_keep_text(self) -> None:
        assert parse_backend_args(
            ["a='5'", 'b="1e3"', "c='true'", "d='[1]'", "e=''", "f=it's", "g='a','b'"]
        ) == {
            "a": "5", "b": "1e3", "c": "true", "d": "[1]", "e": "", "f": "it's", "g": "'a','b'",
        }  # fmt: skip
        assert parse_grid(["a='5',5,'1e3'"]) == {"a": ["'5'", 5, "'1e3'"]}

    def test_long_text_is_quoted_in_short(self) -> None:
        long = "9" * 100_000
        for parse, spec in (
            (parse_grid, long),
            (parse_grid, f"a=0:1:{long}"),
            (parse_grid, f"a={long}:1:2"),
            (parse_perturb, f"a={long}:1:2"),
            (parse_backend_args, long),
        ):
            assert len(refusal(parse, [spec])) < 500
        assert len(refusal(max_failed, long + "x", 1)) < 500


class TestTables:
    def read(self, tmp_path: Path, text: str) -> list[dict[Any, Any]]:
        (tmp_path / "rows.csv").write_text(text)
        return read_samples(tmp_path / "rows.csv").to_dict("records")

    def test_a_column_of_numbers_keeps_each_as_it_is_written(self, tmp_path: Path) -> None:
        # pandas' own parser reads the first as 0.30000000000000004 and the last as a float.
        rows = self.read(
            tmp_path, "a,b\n0.3000000000000000166,1\n 1e-3 ,2.5\n-0,12345678901234567\n"
        )

        assert repr(rows) == repr(
            [{"a": 0.3, "b": 1}, {"a": 0.001, "b": 2.5}, {"a": -0.0, "b": 12345678901234567}]
        )

    def test_one_cell_of_text_makes_a_column_of_text(self, tmp_path: Path) -> None:
        rows = self.read(tmp_path, "a,b\n7,true\n1e3,3\n007,\n")

        assert rows[:2] == [{"a": "7", "b": "true"}, {"a": "1e3", "b": "3"}]
        assert rows[2]["a"] == "007"
        assert math.isnan(rows[2]["b"])

    def test_truths_are_truths(self, tmp_path: Path) -> None:
        assert self.read(tmp_path, "a\nTrue\nfalse\n") == [{"a": True}, {"a": False}]

    @pytest.mark.parametrize("word", ["NA", "N/A", "nan", "null", "None", "#N/A"])
    def test_words_for_a_missing_number_are_text_elsewhere(self, tmp_path: Path, word: str) -> None:
        rows = self.read(tmp_path, f"a,b\n{word},{word}\n7000,JacchiaRoberts\n")

        assert math.isnan(rows[0]["a"])
        assert [rows[1]["a"], rows[0]["b"], rows[1]["b"]] == [7000, word, "JacchiaRoberts"]
        assert self.read(tmp_path, f"a\n{word}\n") == [{"a": word}]

    @pytest.mark.parametrize("name", ["rows.csv", "rows.parquet"])
    def test_a_table_without_rows_is_refused(self, tmp_path: Path, name: str) -> None:
        path = tmp_path / name
        frame = pd.DataFrame({"a": [1.0]}).iloc[:0]
        frame.to_csv(path, index=False) if "csv" in name else frame.to_parquet(path)

        assert refusal(read_samples, path, "rows") == (
            f"rows {path} has no rows, so there is nothing to run. Add some."
        )


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
        pairs = [spec[1:] for spec in perturb.values() if isinstance(spec, tuple)]
        assert {type(number) for pair in pairs for number in pair} == {float}

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

    def test_a_covariance_comes_from_a_file_as_in_python(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write_opm_study(tmp_path)
        np.savetxt(tmp_path / "c.csv", np.eye(6), delimiter=",")
        monkeypatch.chdir(tmp_path)
        opm, csv = tmp_path / "state.opm", tmp_path / "c.csv"
        specs = [
            "A=covariance:state.opm",
            "B = covariance:c.csv:VNB",
            "C=covariance:c.csv:keplerian",
        ]
        expected = {
            "A": covariance_of_message(opm),
            "B": Covariance.from_csv(csv, frame="VNB"),
            "C": Covariance.from_csv(csv, elements="keplerian"),
        }

        assert parse_perturb(specs) == expected
        monkeypatch.chdir("/")
        assert parse_perturb(specs, "vary", tmp_path) == expected

    @pytest.mark.parametrize(
        ("value", "message"),
        [
            ("covariance", "names no file. Write Sat=covariance:state.opm"),
            ("covariance:none.opm", "none.opm cannot be read"),
            ("covariance:c.csv:RSW", "'RSW' after the file is none of RIC, VNB, LVLH, TNW, cart"),
            ("covariance:c.csv:RIC:VNB", "'VNB' after the file"),
            ("covariance:c.csv", "rows of [2] numbers"),
        ],
    )
    def test_a_file_without_a_covariance_is_refused_by_name(
        self, value: str, message: str, tmp_path: Path
    ) -> None:
        (tmp_path / "c.csv").write_text("1,2\n")
        refused = refusal(parse_perturb, [f"Sat={value}"], "--perturb", tmp_path)

        assert refused.startswith(f"--perturb 'Sat={value}'")
        assert message in refused

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
