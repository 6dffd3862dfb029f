#!/bin/sh
# Make .venv with everything the project needs, on a machine that has only a Python.
# Usage: tools/bootstrap.sh VENV      (PYTHON=/path/to/python chooses the interpreter)
set -eu

venv=$1
wanted='import sys, venv, ensurepip; sys.exit(not (3, 12) <= sys.version_info[:2] < (3, 16))'

# A name on PATH proves nothing: a version manager's shim may refuse to run. So each is executed.
works() { "$1" -c "$wanted" >/dev/null 2>&1; }

found=
if [ -n "${PYTHON:-}" ]; then
    if ! works "$PYTHON"; then
        echo "bootstrap: PYTHON=$PYTHON is not a working Python 3.12 or newer with venv." >&2
        exit 1
    fi
    found=$PYTHON
else
    for candidate in python3.14 python3.13 python3.12 \
        $(ls -d "$HOME"/.pyenv/versions/*/bin/python 2>/dev/null | sort -rV) python3 python; do
        if works "$candidate"; then
            found=$candidate
            break
        fi
    done
fi
if [ -z "$found" ]; then
    echo "bootstrap: no working Python 3.12 or newer was found; install CPython 3.12, 3.13 or 3.14" \
        "with its venv module (for example 'apt install python3.12-venv' or 'pyenv install 3.13')" \
        "or name one with PYTHON=/path/to/python." >&2
    exit 1
fi

echo "bootstrap: $("$found" -c 'import sys; print(sys.executable, sys.version.split()[0])') -> $venv"
"$found" -m venv --clear "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    --constraint constraints.txt --editable '.[dev]'
touch "$venv/.installed"
