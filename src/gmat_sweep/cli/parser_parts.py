"""What the commands of the command line are made of."""

from __future__ import annotations

import argparse
from typing import NoReturn

from gmat_sweep.cli.endings import EXIT_CONFIG
from gmat_sweep.limits import shown
from gmat_sweep.plans.notation import number_or_text

__all__ = ["SEE_CODES", "Actions", "Commands", "Parser", "command_of", "whole_number"]

_LONGEST_MESSAGE = 400
SEE_CODES = "Exit codes are listed in `gmat-sweep --help`."


class Parser(argparse.ArgumentParser):
    """A parser that tells a mistake in one line; argparse writes the whole usage before it."""

    def error(self, message: str) -> NoReturn:
        """End the program with a mistake in the command line."""
        if len(message) > _LONGEST_MESSAGE:
            message = f"{message[: _LONGEST_MESSAGE // 2]}...{message[-_LONGEST_MESSAGE // 4 :]}"
        self.exit(EXIT_CONFIG, f"{self.prog}: error: {message}; see `{self.prog} --help`\n")


def whole_number(text: str) -> int:
    """Return the whole number that an argument is."""
    number = number_or_text(text.strip())
    if type(number) is not int:
        raise argparse.ArgumentTypeError(f"invalid whole number: {shown(text)}")
    return number


type Commands = argparse._SubParsersAction[Parser]
type Actions = argparse._SubParsersAction[argparse.ArgumentParser]


def command_of(commands: Commands | Actions, name: str, summary: str) -> argparse.ArgumentParser:
    """Add a command, and return its parser; `summary` begins with a small letter."""
    return commands.add_parser(
        name, help=summary, description=summary[0].upper() + summary[1:] + ".", epilog=SEE_CODES
    )
