"""Gives each parameter of a docstring the annotation and the default of its signature.

Griffe reads the sources for the API reference. For ``mission, n, seed : As for ...`` it gives all
three the annotation and the default of the first. This extension of Griffe corrects that.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import griffe

__all__ = ["OwnAnnotations"]


class OwnAnnotations(griffe.Extension):
    """Looks up every documented parameter in its own signature."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Correct the docstrings of a package that Griffe has read."""
        for owner in _callables_of(pkg):
            # Griffe parses docstrings with Google's sections later, by the option of their page.
            if owner.docstring is not None and "\nArgs:\n" not in owner.docstring.value:
                for section in owner.docstring.parsed:
                    if section.kind is griffe.DocstringSectionKind.parameters:
                        _mend(section.value, owner.parameters)


def _callables_of(owner: griffe.Module | griffe.Class) -> Iterator[griffe.Class | griffe.Function]:
    for member in owner.members.values():
        if isinstance(member, griffe.Module | griffe.Class):
            yield from _callables_of(member)
        if isinstance(member, griffe.Class | griffe.Function):
            yield member


def _mend(documented: list[griffe.DocstringParameter], signature: griffe.Parameters) -> None:
    annotations = [id(parameter.annotation) for parameter in signature]
    for each in documented:
        # An annotation written in the docstring itself is no object of the signature, and stays.
        if each.name in signature and id(each.annotation) in annotations:
            each.annotation = signature[each.name].annotation
            each.value = signature[each.name].default
