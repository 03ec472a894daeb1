"""Writes into docs/settings.md what there is to set: variables, commands and extras, each from where it is defined.

    python docs/settings.py

`tests/test_site.py` compares the page with what this would write.
"""

from __future__ import annotations

import argparse
import dataclasses
import inspect
import re
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path

from kerasflow._settings import Settings
from kerasflow.cli import main

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "settings.md"
FOR_DEVELOPERS = {"docs", "keras-suite", "test"}

# "(`KERASFLOW_VERIFY`, default on; `0` switches it off)": the columns before have the variable and the default.
_VARIABLE = re.compile(r"\(`(KERASFLOW_\w+)`(?:, default [^;)]+)?(?:; )?")


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *([cell.replace("|", r"\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _attributes(documented: type) -> dict[str, str]:
    """What a class's docstring says of each attribute, on one line each."""
    _, _, section = inspect.cleandoc(documented.__doc__ or "").partition("Attributes:\n")
    entries = re.findall(r"^    (\w+): (.*(?:\n {6,}.*)*)", section, re.MULTILINE)
    return {name: re.sub(r"\s+", " ", text) for name, text in entries}


def _shown(default: object) -> str:
    if isinstance(default, bool):
        return f"`{int(default)}`"
    return "" if default is None else f"`{default}`"


def variables() -> str:
    """A table of the environment's variables: name, default, meaning."""
    said = _attributes(Settings)
    rows = []
    for field in dataclasses.fields(Settings):
        variable = _VARIABLE.search(said[field.name])
        if variable is None:
            raise ValueError(f"the docstring of Settings names no variable for {field.name!r}")
        meaning = _VARIABLE.sub("(", said[field.name]).replace(" ()", "")
        rows.append((f"`{variable[1]}`", _shown(field.default), meaning))
    return _table(("Variable", "Without it", "What it says"), rows)


def _name(action: argparse.Action) -> str:
    value = "" if action.nargs == 0 else str(action.metavar or action.dest)
    return f"`{' '.join((*action.option_strings[-1:], value)).strip()}`"


def _said(action: argparse.Action, parser: argparse.ArgumentParser) -> str:
    return (action.help or "") % {**vars(action), "prog": parser.prog}


def _command(command: main.Command, parser: argparse.ArgumentParser) -> Iterator[str]:
    actions = [action for action in parser._actions if not isinstance(action, argparse._HelpAction)]
    needed = [_name(action).strip("`") for action in actions if action.required]
    usage = [parser.prog, *needed, "[options]", *(["[-- …]"] if command.takes_rest else [])]
    yield f"### `{parser.prog}`"
    yield f"```sh\n{' '.join(usage)}\n```"
    yield f"{command.help[0].upper()}{command.help[1:]}."
    yield _table(("Argument", "What it is"), [(_name(action), _said(action, parser)) for action in actions])
    if parser.epilog:
        yield parser.epilog


def commands() -> str:
    """A section for each command of `kerasflow`, with a table of its arguments."""
    actions = main._parser()._actions
    parsers = next(action.choices for action in actions if isinstance(action, argparse._SubParsersAction))
    return "\n\n".join(part for command in main.COMMANDS for part in _command(command, parsers[command.name]))


def extras() -> str:
    """A table of what can be installed with the package: name, packages."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    rows = []
    for extra, requirements in project["optional-dependencies"].items():
        if extra not in FOR_DEVELOPERS:
            # One package may stand there twice, for two systems.
            packages = dict.fromkeys(requirement.partition(";")[0] for requirement in requirements)
            rows.append((f"`kerasflow[{extra}]`", ", ".join(f"`{package}`" for package in packages)))
    return _table(("Extra", "What it brings"), rows)


# What the page marks with <!-- NAME --> and <!-- end of NAME -->.
PARTS = {"variables": variables, "commands": commands, "extras": extras}


def filled(page: str) -> str:
    """The page with each part made anew.

    Raises:
        ValueError: if the page has no place for a part.
    """
    for name, made in PARTS.items():
        before, begin, rest = page.partition(f"<!-- {name} -->\n")
        _, end, after = rest.partition(f"\n<!-- end of {name} -->")
        if not end:
            raise ValueError(f"{PAGE.name} has no <!-- {name} --> with an <!-- end of {name} --> behind it")
        page = f"{before}{begin}\n{made()}\n{end}{after}"
    return page


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text("utf-8")), "utf-8")
