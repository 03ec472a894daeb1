"""Argparse's parser, which also says what a mistyped command or option may have been."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from kerasflow.cli.screen import complain
from kerasflow.suggestion import did_you_mean


class Parser(argparse.ArgumentParser):
    """A parser of a command line, or of one of its commands.

    Attributes:
        hint: what to say of an option that there is not, and that resembles none, behind a space.
    """

    hint: str = ""

    def __init__(self, **keywords: Any) -> None:
        self._options: list[str] = []
        self._commands: dict[str, Parser] = {}
        self._adder: Any = None
        super().__init__(**keywords)

    def add_argument(self, *names: str, completer: Any = None, **keywords: Any) -> argparse.Action:
        """Argparse's; `completer` makes what a shell may put behind a half-written value (`completion`)."""
        self._options += [name for name in names if name.startswith("-")]
        action = super().add_argument(*names, **keywords)
        if completer is not None:
            action.completer = completer  # type: ignore[attr-defined]
        return action

    def add_command(self, name: str, help: str) -> Parser:
        """A parser for a command of this command line; its arguments are to be added."""
        if self._adder is None:
            self._adder = self.add_subparsers(metavar="command", required=True)
        self._commands[name] = self._adder.add_parser(name, help=help, description=help)
        return self._commands[name]

    def check(self, words: Sequence[str]) -> None:
        """Ends the process with a message if there is no such command, or an option that it does not have.

        Args:
            words: options of this parser, or a command and what follows it.
        """
        for i, word in enumerate(words):
            option = word.partition("=")[0]
            if option.startswith("--"):
                if not any(known.startswith(option) for known in self._options):
                    suggestion = did_you_mean(option, self._options, "--") or self.hint
                    self.error(f"there is no option {option}.{suggestion}")
            elif self._commands:
                if word in self._commands:
                    self._commands[word].check(words[i + 1 :])
                elif word.startswith("-"):
                    if word not in self._options:
                        self.error(f"there is no option {word}. Options: {', '.join(self._options)}")
                else:
                    suggestion = did_you_mean(word, self._commands)
                    suggestion = suggestion or did_you_mean(f"--{word}", self._options, "--")
                    self.error(
                        f"there is no command {word!r}.{suggestion} Commands: {', '.join(self._commands)}"
                    )
                return

    def error(self, message: str) -> NoReturn:
        """Ends the process with how the command is used, a message, and code 2."""
        self.print_usage(sys.stderr)
        complain(self.prog, message)
        self.exit(2)
