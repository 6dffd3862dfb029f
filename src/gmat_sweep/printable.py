r"""Text that is safe to print: the one place that takes control characters out.

Manifests, lock files, scripts and the logs of GMAT may hold any character. Printed as they are,
some of them move the cursor, hide or reverse text, set the title of a terminal or fake a further
line. `printable` and `one_line` write those as escapes, such as ``\x1b``. All that this package
prints or logs, the messages of its errors and what it puts in HTML and Markdown goes through one of
the two.
"""

from __future__ import annotations

import logging
import unicodedata

__all__ = ["one_line", "printable", "printable_record"]

# Controls, invisible characters of formatting such as those that turn the direction of text, parts
# of characters, and ends of lines and paragraphs that are no newline.
_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_LAYOUT = frozenset("\n\t")


def printable(text: object) -> str:
    r"""Return text whose only control characters are newlines and tabs; ``\r\n`` is a newline.

    Examples
    --------
    >>> printable("red \x1b[31m\nand \u202eback")
    'red \\x1b[31m\nand \\u202eback'
    """
    return _escaped(str(text).replace("\r\n", "\n"), _LAYOUT)


def one_line(text: object) -> str:
    r"""Return text as `printable` does, on one line: newlines and tabs are escapes, too.

    Examples
    --------
    >>> one_line("run-1\n  healthy")
    'run-1\\n  healthy'
    """
    return _escaped(str(text), frozenset())


def printable_record(record: logging.LogRecord) -> bool:
    """Make the message of a log record printable: a filter for the package's logger."""
    message = record.getMessage()
    if (safe := printable(message)) != message:
        record.msg, record.args = safe, ()
    return True


def _escaped(text: str, kept: frozenset[str]) -> str:
    # Most text has nothing to escape, which Python tells at once.
    if text.isprintable():
        return text
    return "".join(
        character.encode("unicode_escape").decode("ascii")
        if character not in kept and unicodedata.category(character) in _UNSAFE
        else character
        for character in text
    )
