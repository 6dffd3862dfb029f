"""A module of hooks that cannot be imported, because it imports a module that does not exist."""

import importlib

importlib.import_module("a_module_nobody_has")
