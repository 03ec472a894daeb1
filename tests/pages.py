"""Runs the Python blocks of a page, and compares what they print and raise with what the page says.

    python tests/pages.py docs/faq.md

Blocks run in order, as parts of one program. A fence with another name (`sh`, or `python title="…"`, a file that some
other test runs) is only shown. What a block can be, behind its three backquotes:

    python                it runs, and raises nothing
    python { .raises }    it raises
    python { .alone }     in a process of its own, before the others (it imports Keras first, say)
    text                  behind a Python block: what that prints, or the error that it raises

In a text block a line of "…" alone stands for any number of lines, and "…" within a line for any characters. A Python
block inside an HTML comment is not shown, and runs like the others.
"""

from __future__ import annotations

import contextlib
import io
import json
import linecache
import re
import subprocess
import sys
import tempfile
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path

_FENCE = re.compile(r"^```(python|text)(?: \{([^}]*)\})?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_MARKS = {".raises", ".alone"}


@dataclass
class Block:
    """A Python block.

    Attributes:
        line: where it begins in the page. marks: of `.raises`, `.alone`.
        expected: the text block behind it, or None.
    """

    line: int
    code: str
    marks: list[str]
    expected: str | None = None


def blocks(page: str) -> list[Block]:
    """The Python blocks of a page, in order.

    Raises:
        ValueError: for a mark that there is not.
    """
    found: list[Block] = []
    end = 0
    for fence in _FENCE.finditer(page):
        language, marks, text = fence.groups()
        if language == "text":
            if found and not page[end : fence.start()].replace("-->", "").strip():
                found[-1].expected = text
        else:
            line = page.count("\n", 0, fence.start()) + 2
            if unknown := set((marks or "").split()) - _MARKS:
                raise ValueError(f"line {line}: a block is {', '.join(sorted(_MARKS))}; received {unknown}")
            found.append(Block(line, text, (marks or "").split()))
        end = fence.end()
    return found


def program(path: Path) -> str:
    """All that the Python blocks of a page say."""
    return "\n".join(block.code for block in blocks(path.read_text("utf-8")))


def _run(block: Block, name: str, names: dict[str, object]) -> tuple[str, bool]:
    """What a block prints, with the error that it raises; and whether it raises."""
    printed = io.StringIO()
    linecache.cache[name] = (len(block.code), None, block.code.splitlines(keepends=True), name)
    try:
        with contextlib.redirect_stdout(printed):
            exec(compile(block.code, name, "exec"), names)
    except Exception as error:
        return printed.getvalue() + "".join(traceback.format_exception_only(error)), True
    return printed.getvalue(), False


def _plain(text: str) -> str:
    """Without colours, with one name for all places in blocks."""
    return re.sub(r"page_block_\d+", "train.py", re.sub(r"\x1b\[[\d;]*m", "", text)).strip()


def _matches(expected: str, found: str) -> bool:
    passages = re.split(r"(?:^|\n)…(?:\n|$)", expected.strip())
    pattern = "(?s:.*?)".join(".*?".join(map(re.escape, passage.split("…"))) for passage in passages)
    return re.fullmatch(pattern, found) is not None


def _problem(block: Block, found: str, raised: bool) -> str | None:
    if raised != (".raises" in block.marks):
        return found if raised else f"nothing was raised; printed: {found}"
    if block.expected is None or _matches(block.expected, found):
        return None
    return f"the page says:\n{block.expected}\nit is:\n{found}"


def _main_of_child() -> None:
    """Runs the blocks given on standard input, and writes what became of each on standard output."""
    names: dict[str, object] = {"__name__": "__main__"}
    results = [_run(Block(**block), f"page_block_{i}", names) for i, block in enumerate(json.load(sys.stdin))]
    json.dump(results, sys.stdout)


def _in_a_process(program: list[Block], **options: object) -> list[tuple[str, bool]]:
    done = subprocess.run(
        [sys.executable, str(Path(__file__).resolve())],
        input=json.dumps([asdict(block) for block in program]),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        **options,  # type: ignore[call-overload]
    )
    return [tuple(result) for result in json.loads(done.stdout.splitlines()[-1])]


def problems(path: Path, **options: object) -> list[str]:
    """What is wrong with a page's blocks: nothing, if all is as the page says.

    Args:
        options: of `subprocess.run`: `env`, `cwd`.
    """
    to_run = blocks(path.read_text("utf-8"))
    together = [block for block in to_run if ".alone" not in block.marks]
    programs = [[block] for block in to_run if ".alone" in block.marks] + [together]
    results = [
        (block, _problem(block, _plain(found), raised))
        for program in programs
        if program
        for block, (found, raised) in zip(program, _in_a_process(program, **options), strict=True)
    ]
    return [f"{path.name}, line {block.line}: {problem}" for block, problem in results if problem]


if __name__ == "__main__":
    if len(sys.argv) == 1:
        _main_of_child()
    else:
        with tempfile.TemporaryDirectory() as folder:  # for files that blocks write
            found = [problem for name in sys.argv[1:] for problem in problems(Path(name), cwd=folder)]
        print("\n".join(found) or "All blocks do what their pages say.")
        sys.exit(bool(found))
