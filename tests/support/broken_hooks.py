"""A module of hooks that cannot be imported, because it imports what nobody has."""

import importlib

importlib.import_module("a_module_nobody_has")
