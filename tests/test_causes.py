"""The cause of a failure in one line. All texts were said by GMAT R2026a and gmat-run 0.6."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmat_sweep.causes import OUTPUT_MARK, engine_errors, headline
from gmat_sweep.remedies import explained

LOADING = """\
Traceback (most recent call last):
  File "/lib/gmat_sweep/worker.py", line 73, in run_one
    outcome = _run(spec, log, started_at, started)
              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/lib/gmat_run/mission.py", line 192, in load
    raise GmatLoadError(
gmat_run.errors.GmatLoadError: GMAT could not parse '/m/leo.script'; check the GMAT log file for \
the underlying error

--- GMAT engine log ---
GMAT Build Date: Oct  1 2026 00:00:00

GMAT API Log: Created Fri Nov 20 23:40:21 2026


Logging to /tmp/gmat-sweep-worker-rdizhy70/load-u513zfdw/GmatLog.txt

Interpreting scripts from the file.
***** file: /m/leo.script
Successfully set Planetary Source to use: DE405
Successfully set Planetary Source to use: DE405
{said}

========================================

Log closed: Fri Nov 20 23:40:21 2026


"""
RUNNING = """\
Traceback (most recent call last):
  File "/lib/gmat_sweep/worker.py", line 73, in run_one
    outcome = _run(spec, log, started_at, started)
              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/lib/gmat_run/mission.py", line 518, in run
    raise GmatRunError(
gmat_run.errors.GmatRunError: GMAT RunScript returned status 0; expected 1

--- GMAT engine log ---
GMAT Build Date: Oct  1 2026 00:00:00

GMAT API Log: Created Fri Nov 20 23:40:23 2026


Logging to /m/run-0/GmatLog.txt
Running mission...
Successfully set Planetary Source to use: DE405
Kernel /data/planetary_coeff/SPICELunaFrameKernel.tf has been loaded.
{said}
===> Total Run Time: 0.025 seconds

========================================
"""
RAISED = """\
Traceback (most recent call last):
  File "/lib/gmat_sweep/worker.py", line 73, in run_one
    outcome = _run(spec, log, started_at, started)
              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
{said}
"""

REFUSED_SCRIPTS = {
    "a bracket is missing": (
        """\
1: /m/leo.script: **** ERROR **** Command Exception: Brackets are mismatched in line:
   "  34: Propagate Prop(Sat) {Sat.ElapsedSecs = 60;"
""",
        ['Brackets are mismatched in line: "34: Propagate Prop(Sat) {Sat.ElapsedSecs = 60;"'],
    ),
    "a name is unknown": (
        """\
1: /m/leo.script: **** ERROR **** Interpreter Exception:  Undefined function, object, or \
disallowed object field "Sat.Foo" found in line:
   "  34: Propagate Prop(Sat) {Sat.Foo = 60};"
""",
        [
            (
                'Undefined function, object, or disallowed object field "Sat.Foo" found in line: '
                '"34: Propagate Prop(Sat) {Sat.Foo = 60};"'
            )
        ],
    ),
    "a file is missing": (
        """\
1: /m/leo.script: **** ERROR **** ODEModel Exception Thrown: The file name "nope.cof" does not \
exist in line:
   "  20: GMAT FM.GravityField.Earth.PotentialFile = 'nope.cof';"
""",
        [
            (
                'The file name "nope.cof" does not exist in line: '
                "\"20: GMAT FM.GravityField.Earth.PotentialFile = 'nope.cof';\""
            )
        ],
    ),
    "a value is out of range, said over three lines": (
        """\
1: /m/leo.script: **** ERROR **** Utility Exception: The value of "2" for field "ECC" on object \
"Sat" is not an allowed value.
The allowed values are: [0 < Real Number < 1 when SMA > 0] in line:
   "  10: GMAT Sat.ECC = 2.0;"
""",
        [
            (
                'The value of "2" for field "ECC" on object "Sat" is not an allowed value. '
                "The allowed values are: [0 < Real Number < 1 when SMA > 0] in line: "
                '"10: GMAT Sat.ECC = 2.0;"'
            )
        ],
    ),
    "three errors": (
        """\
1: /m/leo.script: **** ERROR **** Interpreter Exception: Cannot find LHS object named "Foo" in line:
   "  17: GMAT Foo.Bar=1;"

2: /m/leo.script: **** ERROR **** Interpreter Exception: The field name "Quux" on object "Sat" is \
not permitted in line:
   "  18: GMAT Sat.Quux = 2;"

3: /m/leo.script: **** ERROR **** Interpreter Exception: Cannot create an object "W". The "Wombat" \
is an unknown object type or invalid object name or dimension in line:
   "  19: Create Wombat W;"
""",
        [
            'Cannot find LHS object named "Foo" in line: "17: GMAT Foo.Bar=1;"',
            (
                'The field name "Quux" on object "Sat" is not permitted in line: '
                '"18: GMAT Sat.Quux = 2;"'
            ),
            (
                'Cannot create an object "W". The "Wombat" is an unknown object type or invalid '
                'object name or dimension in line: "19: Create Wombat W;"'
            ),
        ],
    ),
    "a comment has an umlaut": (
        """\
***ERROR*** Non-ASCII character "Ã" found at column 4 (non-ASCII value 195) ***ERROR*** Non-ASCII \
character "¶" found at column 5 (non-ASCII value 182) in the line
"% PÃ¶int-mass LEO for 60 seconds; reports the Cartesian state only."

Interpreter Exception: The script "/m/leo.script" contains characters outside of the ASCII \
character set; please fix the file before proceeding.
""",
        [
            'Non-ASCII character "Ã" found at column 4 (non-ASCII value 195)',
            (
                'Non-ASCII character "¶" found at column 5 (non-ASCII value 182) in the line '
                '"% PÃ¶int-mass LEO for 60 seconds; reports the Cartesian state only."'
            ),
            (
                'The script "/m/leo.script" contains characters outside of the ASCII character '
                "set; please fix the file before proceeding."
            ),
        ],
    ),
}
FAILED_MISSIONS = {
    "the propagator gives up": (
        """\
Propagator Exception: RungeKutta89: Accuracy settings will be violated with current step size \
values.

 This error occurred on line 34 of file: "/m/leo.script"


 *** Mission run failed.
""",
        "RungeKutta89: Accuracy settings will be violated with current step size values. (line 34)",
    ),
    "a root of a negative number": (
        """\
Command Exception: Sqrt(x) x is less than 0.0.  x = -1             \x20
 in
   "V = sqrt(-1);"

 This error occurred on line 36 of file: "/m/leo.script"


 *** Mission run failed.
""",
        'Sqrt(x) x is less than 0.0. x = -1 in "V = sqrt(-1);" (line 36)',
    ),
    "an index out of bounds": (
        """\
Parameter exception: Cannot return Real value for array A with row 8 and column 0 - exception \
thrown: TableTemplate error : index out-of-bounds.
 in
   "A(1,1) = A(V,1);"

 This error occurred on line 38 of file: "/m/leo.script"


 *** Mission run failed.
""",
        (
            "Cannot return Real value for array A with row 8 and column 0 - exception thrown: "
            'TableTemplate error : index out-of-bounds. in "A(1,1) = A(V,1);" (line 38)'
        ),
    ),
    "a Stop command": (
        "GMAT execution stopped by user.\n\n *** Mission run interrupted.\n",
        "GMAT execution stopped by user.",
    ),
    "a solver whose ExitMode is Stop": (
        """\
********************************************************
*** Performing Differential Correction (using "DC")
*** 1 variables; 1 goals
********************************************************
DC Iteration 5; Nominal Pass
Differential corrector DC has exceeded the maximum number of allowed iterations.

*** Targeting did not converge in 5 iterations
!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!
!!! WARNING: Targeter did NOT converge!
!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!!
Final Variable values:
   B.Element1 = 0.3

GMAT execution stopped by user.

 *** Mission run interrupted.
""",
        "solver DC did not converge in 5 iterations, and the mission stopped there",
    ),
    "a Stop command after a solver that did not converge, and more": (
        """\
*** Performing Differential Correction (using "DC")
*** Targeting did not converge in 5 iterations
Kernel /data/planetary_coeff/SPICELunaFrameKernel.tf has been loaded.
GMAT execution stopped by user.
""",
        "GMAT execution stopped by user.",
    ),
}
RAISED_ERRORS = {
    "an unknown field": (
        (
            '  File "/lib/gmat_run/mission.py", line 862, in _resolve_field\n'
            "    raise GmatFieldError(\n"
            "gmat_run.errors.GmatFieldError: unknown field 'Foo' on Spacecraft 'Sat'"
        ),
        "unknown field 'Foo' on Spacecraft 'Sat'",
    ),
    "a value that GMAT rejects": (
        (
            "gmat_run.errors.GmatFieldError: GMAT rejected write to 'Sat.Epoch': GmatBase "
            'Exception Thrown: Gregorian date "31 Feb 2026 00:00:00.000" is not valid.'
        ),
        'GMAT refused Sat.Epoch: Gregorian date "31 Feb 2026 00:00:00.000" is not valid.',
    ),
    "a value out of range, said over two lines": (
        (
            "gmat_run.errors.GmatFieldError: GMAT rejected write to 'Sat.DryMass': GmatBase "
            'Exception Thrown: SpaceObject Exception Thrown: The value of "-5" for field "DryMass" '
            'on object "Sat" is not an allowed value.\n'
            "The allowed values are: [Real Number >= 0.0]"
        ),
        (
            'GMAT refused Sat.DryMass: The value of "-5" for field "DryMass" on object "Sat" is '
            "not an allowed value. The allowed values are: [Real Number >= 0.0]"
        ),
    ),
    "a value that GMAT rejects without a reason": (
        (
            "gmat_run.errors.GmatFieldError: GMAT rejected write to 'Sat.SMA': GmatBase Exception "
            "Thrown: "
        ),
        "GMAT refused Sat.SMA",
    ),
    "an output that is not there, chained": (
        (
            "FileNotFoundError: [Errno 2] No such file or directory: '/m/run-0/RF.txt'\n\n"
            "The above exception was the direct cause of the following exception:\n\n"
            "Traceback (most recent call last):\n"
            '  File "/lib/gmat_run/parsers/_io.py", line 34, in read_text_lines\n'
            "    raise GmatOutputParseError(f\"could not read '{path}': {exc}\", path) from exc\n"
            "gmat_run.errors.GmatOutputParseError: could not read '/m/run-0/RF.txt': [Errno 2] No "
            "such file or directory: '/m/run-0/RF.txt'"
        ),
        "could not read '/m/run-0/RF.txt': [Errno 2] No such file or directory: '/m/run-0/RF.txt'",
    ),
    "a hook that cannot be imported": (
        (
            '  File "<frozen importlib._bootstrap>", line 1324, in _find_and_load_unlocked\n'
            "ModuleNotFoundError: No module named 'nope_mod'"
        ),
        "ModuleNotFoundError: No module named 'nope_mod'",
    ),
    "an exception without a message": ("MemoryError", "MemoryError"),
    "an exit": ("SystemExit: 3", "SystemExit: 3"),
    "a message of several lines": (
        "ValueError: the covariance is not positive definite\nsmallest eigenvalue: -0.25",
        "ValueError: the covariance is not positive definite",
    ),
    "a script error in a hook": (
        (
            '  File "/m/hooks.py", line 3\n    def hook(spec outcome):\n             ^^^^^^^^^^^^\n'
            "SyntaxError: invalid syntax. Perhaps you forgot a comma?"
        ),
        "SyntaxError: invalid syntax. Perhaps you forgot a comma?",
    ),
}


@pytest.mark.parametrize("case", REFUSED_SCRIPTS)
def test_every_error_of_a_refused_script_is_one_line_with_the_line_it_is_about(case: str) -> None:
    said, expected = REFUSED_SCRIPTS[case]

    assert engine_errors(LOADING.format(said=said)) == expected
    assert headline(LOADING.format(said=said)) == explained(expected[0])


@pytest.mark.parametrize("case", FAILED_MISSIONS)
def test_a_mission_that_fails_says_why_and_at_which_line(case: str) -> None:
    said, expected = FAILED_MISSIONS[case]

    assert engine_errors(RUNNING.format(said=said)) == [expected]
    assert headline(RUNNING.format(said=said)) == expected


@pytest.mark.parametrize("case", RAISED_ERRORS)
def test_what_python_raised_is_said_without_its_traceback(case: str) -> None:
    said, expected = RAISED_ERRORS[case]

    assert headline(RAISED.format(said=said)) == expected


def test_an_error_of_python_comes_before_what_the_engine_logged_along_the_way() -> None:
    said = REFUSED_SCRIPTS["three errors"][0]
    stderr = RAISED.format(said="ValueError: no such column") + (
        f"\n--- GMAT engine log ---\n{said}"
    )

    assert headline(stderr) == "ValueError: no such column"


def test_where_the_engine_logged_no_reason_what_gmat_run_says_is_kept() -> None:
    assert headline(LOADING.format(said="")) == (
        "GMAT could not parse '/m/leo.script'; check the GMAT log file for the underlying error"
    )
    assert headline(RUNNING.format(said="")) == "GMAT RunScript returned status 0; expected 1"


@pytest.mark.parametrize(
    "story",
    [
        "The worker process ended during the run: killed by SIGSEGV",
        "The worker process ended during the run: it exited with code 3",
    ],
)
@pytest.mark.parametrize(
    "last_output",
    [
        (
            "Fatal Python error: Segmentation fault\n\nCurrent thread 0x00007f95c9ab6b80 (most "
            'recent call first):\n  File "/lib/gmatpy/_native/gmat_py.py", line 22611 in RunScript'
        ),
        "terminate called after throwing an instance of 'std::bad_array_new_length'",
        RAISED.format(said="KeyError: 'of an earlier case, and handled'"),
        REFUSED_SCRIPTS["a bracket is missing"][0],
    ],
)
def test_a_worker_that_died_is_the_story_whatever_it_had_put_out(
    story: str, last_output: str
) -> None:
    assert headline(f"{story}\n{OUTPUT_MARK}\n{last_output}") == story


def test_an_error_that_is_reported_twice_is_listed_once() -> None:
    said = REFUSED_SCRIPTS["a bracket is missing"][0]

    assert len(engine_errors(f"{said}\n{said}")) == 1


def test_a_log_without_errors_has_none() -> None:
    assert engine_errors("") == []
    assert engine_errors(RUNNING.format(said="Mission run completed.")) == []


@pytest.mark.parametrize("nothing", [None, "", "  \n \t\n"])
def test_without_a_text_there_is_no_cause(nothing: str | None) -> None:
    assert headline(nothing) == ""


def test_a_text_without_a_traceback_is_represented_by_its_first_line() -> None:
    assert headline("\n  the job was evicted\nnode: n7\n") == "the job was evicted"


PARTS = st.sampled_from(
    [
        "Traceback (most recent call last):",
        "ValueError: x",
        "**** ERROR ****",
        "Command Exception: ",
        "--- GMAT engine log ---",
        OUTPUT_MARK,
        "This error occurred on line 3 of file:",
        "  in line:",
        "",
    ]
)


@given(st.lists(PARTS | st.text(max_size=8), max_size=10).map("\n".join))
def test_a_headline_is_one_line_whatever_the_text(stderr: str) -> None:
    line = headline(stderr)

    assert "\n" not in line
    assert bool(line) == bool(stderr.strip())
    assert all("\n" not in error for error in engine_errors(stderr))
