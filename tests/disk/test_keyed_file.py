"""A file that a person wrote, and the line of each of its keys."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gmat_sweep.disk.keyed_file import read_keyed_file, shown_place
from gmat_sweep.errors import SweepConfigError

SUFFIXES = (".toml", ".yaml", ".json")
TOML = """\
top = 1
[table]
"a.b" = 2
[[list]]
name = "one"
[list.inner]
x = 3
[[list.deep]]
y = 4
[[list.deep]]
y = 5
[[list]]
name = "two"
[[list.deep]]
y = 6
"""
YAML = """\
top: 1
table: {a.b: 2}
list:
- name: one
  deep:
  - y: 4
  - y: 5
- name: two
  deep: [{y: 6}]
"""


def read(tmp_path: Path, name: str, text: str) -> dict[str, int]:
    (tmp_path / name).write_text(text)
    file = read_keyed_file(tmp_path / name, "thing", SUFFIXES)
    return {"/".join(path): line for path, line in file.lines.items()}


def test_the_lines_of_toml_are_those_of_each_table_of_a_list(tmp_path: Path) -> None:
    assert read(tmp_path, "a.toml", TOML) == {
        "top": 1, "table": 2, "table/a.b": 3, "list": 4, "list/0": 4, "list/0/name": 5,
        "list/0/inner": 6, "list/0/inner/x": 7, "list/0/deep": 8, "list/0/deep/0": 8,
        "list/0/deep/0/y": 9, "list/0/deep/1": 10, "list/0/deep/1/y": 11, "list/1": 12,
        "list/1/name": 13, "list/1/deep": 14, "list/1/deep/0": 14, "list/1/deep/0/y": 15,
    }  # fmt: skip


def test_the_lines_of_yaml_and_json_are_those_of_each_element(tmp_path: Path) -> None:
    assert read(tmp_path, "a.yaml", YAML) == {
        "top": 1, "table": 2, "table/a.b": 2, "list": 3, "list/0": 4, "list/0/name": 4,
        "list/0/deep": 5, "list/0/deep/0": 6, "list/0/deep/0/y": 6, "list/0/deep/1": 7,
        "list/0/deep/1/y": 7, "list/1": 8, "list/1/name": 8, "list/1/deep": 9,
        "list/1/deep/0": 9, "list/1/deep/0/y": 9,
    }  # fmt: skip
    text = json.dumps({"list": [{"x": "a\tb"}, 2]}, indent="\t")
    assert read(tmp_path, "a.json", text) == {
        "list": 2, "list/0": 3, "list/0/x": 4, "list/1": 6,
    }  # fmt: skip


def test_a_key_without_a_line_has_that_of_the_table_around_it(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("list = [\n  { x = 1 },\n]\n")
    file = read_keyed_file(tmp_path / "a.toml", "thing", SUFFIXES)
    assert file.line_of(("list", "0", "x")) == 1
    assert file.line_of(("other",)) is None
    assert shown_place(("vary", "Sat.SMA", "mean")) == 'vary."Sat.SMA".mean'


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.txt", "", r"a\.txt is no thing\. Give a \.toml, \.yaml or \.json file\."),
        ("a.toml", "a = b", r"is no TOML: .*Text needs quotes"),
        ("a.yaml", "a: [", r"is no YAML: .*Mend it there\."),
        ("a.yaml", "a: > 1\nb: 2\n", r"is no YAML: .*begins with > or = needs quotes"),
        ("a.yaml", "a:\n  b: 1\n  b: 2\n", r"line 3, a\.b: it stands in line 2 already"),
        ("a.yaml", "a: 2026-13-45\n", r"is no YAML: month must be in 1..12"),
        ("a.json", '{"a": 1, "a": 2}', r"line 1, a: it stands in line 1 already"),
        ("a.json", "{'a': 1}", r"is no JSON: .*need double quotes"),
        ("a.json", "[" * 100_000, r"is no JSON: "),
        ("a.toml", "\udcff", r"cannot be read: .*Check the path"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    (tmp_path / name).write_text(text, errors="surrogateescape")
    with pytest.raises(SweepConfigError, match=message):
        read_keyed_file(tmp_path / name, "thing", SUFFIXES)


def test_a_node_of_yaml_that_stands_in_two_places_is_read_once(tmp_path: Path) -> None:
    # Ten levels of ten aliases would be ten thousand million places.
    levels = ["a0: &a0 [x]"] + [
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 11)
    ]
    assert len(read(tmp_path, "a.yaml", "\n".join(levels))) < 200
