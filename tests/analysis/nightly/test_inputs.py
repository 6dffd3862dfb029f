"""input_hashes: what a sweep was made from, so that a change of it can be named."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from cli_sweeps import manifest
from gmat_sweep import SweepConfigError, canonical_script_sha256
from gmat_sweep.analysis import InputChange, InputHashes, input_hashes
from gmat_sweep.analysis.nightly import inputs
from gmat_sweep.analysis.nightly.inputs import input_changes
from gmat_sweep.analysis.recorded import RecordedSweep
from gmat_sweep.engine import DATA_VARIABLE, ROOT_VARIABLE, Engine
from repository import SUPPORT


@pytest.fixture
def mission(tmp_path: Path) -> Path:
    """A mission that includes a file, which includes another, and names one."""
    script = tmp_path / "mission.script"
    (tmp_path / "parts").mkdir()
    script.write_text("#Include 'parts/sat.script'\nCreate ForceModel FM;\n")
    (tmp_path / "parts" / "sat.script").write_text(
        "#Include 'parts/mass.script'\nCreate Spacecraft Sat;\n"
        "Sat.OrbitSpiceKernelName = {'parts/orbit.bsp'}; % 'comment.txt'\n"
        "Create ReportFile RF;\nRF.Filename = 'left_over.txt';\n"
    )
    (tmp_path / "parts" / "mass.script").write_text("Create Variable m;\n")
    for name in ("parts/orbit.bsp", "left_over.txt", "comment.txt"):
        (tmp_path / name).write_bytes(name.encode())
    return script


def recorded(folder: Path, hashes: InputHashes | None = None, **header: object) -> RecordedSweep:
    """Return a sweep in `folder` with these input hashes."""
    folder.mkdir()
    whole = manifest("ok", **header)
    whole.save(folder / "manifest.jsonl")
    whole.close()
    if hashes is not None:
        hashes.write(folder)
    return RecordedSweep.of(folder)


class TestHashes:
    def test_included_files_count_however_deep_and_files_named_but_not_what_is_written(
        self, mission: Path
    ) -> None:
        groups = input_hashes(mission).groups

        assert groups["script"] == {"mission.script": canonical_script_sha256(mission)}
        assert groups["includes"].keys() == {"parts/sat.script", "parts/mass.script"}
        assert groups["files"] == {
            "parts/orbit.bsp": hashlib.sha256(b"parts/orbit.bsp").hexdigest()
        }

    def test_files_that_only_the_values_of_a_varied_field_name_are_hashed(
        self, mission: Path
    ) -> None:
        """Whatever holds them: a grid, a choice, weights, rows; not those that are written."""
        folder = mission.parent
        for name in ("a.cof", "parts/b.cof", "odd", "d's.cof"):
            (folder / name).write_text(name)
        varied = {
            "FM.GravityField.Earth.PotentialFile": ["a.cof", "EGM96.cof", "a.cof", 7, "", None],
            "Sat.OrbitSpiceKernelName": ("choice", ["{'parts/b.cof'}", "gone.bsp"], [1, 2]),
            "FM.Note": ("discrete", {"odd": 0.5, "d's.cof": 0.5}),
            "RF.Filename": ["left_over.txt"],
            "Sat.SMA": ("normal", 7000, 1),
        }

        files = input_hashes(mission, varied=varied).groups["files"]

        assert files.keys() == {"a.cof", "parts/b.cof", "odd", "parts/orbit.bsp"}
        assert files["a.cof"] == hashlib.sha256(b"a.cof").hexdigest()

    def test_an_edit_of_an_included_file_shows_and_its_line_ends_do_not(
        self, mission: Path
    ) -> None:
        before = input_hashes(mission).groups["includes"]
        included = mission.parent / "parts" / "mass.script"
        included.write_bytes(included.read_bytes().replace(b"\n", b"\r\n"))
        same = input_hashes(mission).groups["includes"]
        included.write_text("Create Variable n;\n")

        assert same == before
        changed = input_hashes(mission).groups["includes"]
        assert {name for name in before if changed[name] != before[name]} == {"parts/mass.script"}

    def test_the_engines_libraries_and_data_are_hashed_file_by_file(self, mission: Path) -> None:
        groups = input_hashes(mission).groups

        assert groups["engine"]["version"] == "R2026a"
        assert any("GmatBase" in name for name in groups["engine"])
        assert "gravity/earth/JGM2.cof" in groups["data"]
        assert all(len(digest) == 64 for digest in groups["data"].values())
        assert {"gmat-sweep", "gmatpy", "numpy", "python"} <= groups["packages"].keys()

    def test_a_file_in_the_users_data_folder_shows_also_where_size_and_date_stay_the_same(
        self, mission: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import os

        monkeypatch.delenv(ROOT_VARIABLE, raising=False)
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "data"))
        own = tmp_path / "data" / "gravity" / "earth" / "own.cof"
        own.parent.mkdir(parents=True)
        digests = []
        for content in (b"1.0", b"2.0"):
            own.write_bytes(content)
            os.utime(own, ns=(0, 0))
            digests.append(input_hashes(mission).groups["data"]["gravity/earth/own.cof"])

        assert digests == [hashlib.sha256(content).hexdigest() for content in (b"1.0", b"2.0")]

    def test_the_file_of_a_hook_is_hashed(self, mission: Path) -> None:
        hook = input_hashes(mission, postprocess="sweep_hooks:note").groups["hook"]

        source = SUPPORT / "sweep_hooks.py"
        assert hook == {
            "function": "sweep_hooks:note",
            "module sweep_hooks": hashlib.sha256(source.read_bytes()).hexdigest(),
        }
        nowhere = input_hashes(mission, postprocess="no_such.module:f").groups["hook"]
        assert nowhere == {"function": "no_such.module:f"}

    def test_the_modules_beside_a_hook_that_it_imports_are_hashed_too(
        self, mission: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        package = tmp_path / "hooks" / "own_hooks"
        (package / "deep").mkdir(parents=True)
        sources = {
            "__init__.py": "",
            "burns.py": "import numpy\nfrom . import tables\nfrom .deep.far import f\n",
            "tables.py": "import own_units, own_hooks.burns\n",
            "deep/__init__.py": "",
            "deep/far.py": "from ..other import *\n",
            "other.py": "",
            "unused.py": "",
            "../own_units.py": "def broken(:\n",
        }
        for name, text in sources.items():
            (package / name).write_text(text)
        monkeypatch.syspath_prepend(str(tmp_path / "hooks"))

        hook = input_hashes(mission, postprocess="own_hooks.burns:total").groups["hook"]

        assert hook.keys() - {"function"} == {
            f"module {name}"
            for name in (
                "own_hooks", "own_hooks.burns", "own_hooks.deep", "own_hooks.deep.far",
                "own_hooks.other", "own_hooks.tables", "own_units",
            )
        }  # fmt: skip
        source = (package / "tables.py").read_bytes()
        assert hook["module own_hooks.tables"] == hashlib.sha256(source).hexdigest()

    def test_a_file_counts_without_quotes_from_the_bin_folder_and_from_the_startup_file(
        self, mission: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        root = tmp_path / "root"
        for name in ("root/bin", "root/data/time", "root/mine", "flux"):
            (tmp_path / name).mkdir(parents=True)
        contents = {
            tmp_path / "own.cof": b"own",
            root / "mine" / "attitude.txt": b"attitude",
            root / "data" / "time" / "tai-utc.dat": b"leap",
            tmp_path / "flux" / "sun.txt": b"flux",
        }
        for path, content in contents.items():
            path.write_bytes(content)
        (root / "bin" / "gmat_startup_file.txt").write_text(
            f"CSSI_FLUX_FILE = {tmp_path / 'flux' / 'sun.txt'}\n"
        )
        monkeypatch.setattr(inputs, "find_engine", lambda: Engine(root, "R1", "installed"))
        mission.write_text(
            "Create ForceModel FM;\nFM.GravityField.Earth.PotentialFile = own.cof;\n"
            "Create Spacecraft Sat;\nSat.AttitudeFileName = '../mine/attitude.txt';\n"
            "Sat.Other = '../data/time/tai-utc.dat';\n"
        )

        found = input_hashes(mission)

        digests = {
            path.name: hashlib.sha256(content).hexdigest() for path, content in contents.items()
        }
        assert found.groups["files"] == {
            "own.cof": digests["own.cof"],
            "root/mine/attitude.txt": digests["attitude.txt"],
        }
        assert found.groups["data"] == {
            "time/tai-utc.dat": digests["tai-utc.dat"],
            "CSSI_FLUX_FILE sun.txt": digests["sun.txt"],
        }

    def test_the_data_that_the_mission_uses_are_noted(self, mission: Path, tmp_path: Path) -> None:
        hashes = input_hashes(mission)

        assert hashes.used is not None
        assert "gravity/earth/JGM2.cof" in hashes.used
        assert "gravity/earth/EGM96.cof" not in hashes.used
        assert "time/tai-utc.dat" in hashes.used
        hashes.write(tmp_path)
        assert InputHashes.read(tmp_path) == hashes
        record = json.loads((tmp_path / "inputs.json").read_text())
        del record["used"]
        (tmp_path / "inputs.json").write_text(json.dumps(record))
        assert InputHashes.read(tmp_path) == InputHashes(hashes.groups)


class TestFile:
    def test_what_is_written_beside_the_manifest_is_what_is_read(
        self, mission: Path, tmp_path: Path
    ) -> None:
        hashes = input_hashes(mission)

        path = hashes.write(tmp_path)

        assert path == tmp_path / "inputs.json"
        assert InputHashes.read(tmp_path) == hashes

    def test_no_file_is_no_hashes(self, tmp_path: Path) -> None:
        assert InputHashes.read(tmp_path) is None

    @pytest.mark.parametrize(
        "content", ["", "[]", "{}", '{"schema_version": 1}', '{"schema_version": 1, "groups": [1]}']
    )
    def test_a_damaged_file_is_refused_with_advice(self, tmp_path: Path, content: str) -> None:
        (tmp_path / "inputs.json").write_text(content)

        with pytest.raises(SweepConfigError, match=r"inputs\.json cannot be understood.*Delete it"):
            InputHashes.read(tmp_path)

    def test_a_file_of_a_newer_version_is_refused(self, tmp_path: Path) -> None:
        record = {"schema_version": 2, "groups": {}}
        (tmp_path / "inputs.json").write_text(json.dumps(record))

        with pytest.raises(SweepConfigError, match="schema_version 2"):
            InputHashes.read(tmp_path)


class TestChanges:
    def test_what_differs_and_what_only_one_night_has_is_told_in_a_fixed_order(
        self, tmp_path: Path
    ) -> None:
        before = InputHashes({"data": {"a.cof": "1", "b.cof": "2"}, "includes": {"x": "1"}})
        after = InputHashes({"data": {"a.cof": "1", "b.cof": "3", "c.cof": "4"}})

        changes = input_changes(
            recorded(tmp_path / "now", after), recorded(tmp_path / "then", before)
        )

        assert changes == (
            InputChange("includes", "x", "1", None),
            InputChange("data", "b.cof", "2", "3"),
            InputChange("data", "c.cof", None, "4"),
        )

    def test_the_headers_tell_of_script_plan_versions_and_hook_by_themselves(
        self, tmp_path: Path
    ) -> None:
        then = recorded(
            tmp_path / "then",
            parameter_spec={"_kind": "monte_carlo", "n": 1, "seed": 1,
                            "perturb": {"Sat.SMA": ["normal", 7000, 1]}},
            sweep_seed=1,
        )  # fmt: skip
        now = recorded(
            tmp_path / "now",
            script_sha256="f" * 64,
            parameter_spec={"_kind": "monte_carlo", "n": 1, "seed": 2,
                            "perturb": {"Sat.SMA": ["normal", 7000, 2]}},
            sweep_seed=2,
            postprocess="hooks:f",
            gmat_install_version="R2027a",
        )  # fmt: skip

        changes = [(each.group, each.name) for each in input_changes(now, then)]

        assert changes == [
            ("script", "script"),
            ("plan", "Sat.SMA drawn from"),
            ("plan", "seed"),
            ("hook", "function"),
            ("engine", "version"),
        ]

    def test_a_long_list_of_rows_is_told_by_its_hash(self, tmp_path: Path) -> None:
        spec = {"_kind": "explicit", "columns": ["Sat.SMA"], "rows": [[n] for n in range(100)]}
        other = {**spec, "rows": [[n + 1] for n in range(100)]}

        (change,) = input_changes(
            recorded(tmp_path / "now", parameter_spec=other),
            recorded(tmp_path / "then", parameter_spec=spec),
        )

        assert (change.group, change.name) == ("plan", "rows")
        assert change.before is not None
        assert len(change.before) == 64

    def test_where_one_night_has_no_hashes_only_the_headers_are_compared(
        self, tmp_path: Path
    ) -> None:
        hashed = recorded(tmp_path / "now", InputHashes({"data": {"a.cof": "1"}}))

        assert input_changes(hashed, recorded(tmp_path / "then")) == ()
