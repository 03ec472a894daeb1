"""A hook of mkdocs: blocks of text that are error messages get a class, because their long lines have to wrap.

All else that a program prints may have columns, which wrapping would break.
"""

from __future__ import annotations

import re
from typing import Any

_MESSAGE = re.compile(r"^```text\n(?=(?:[\w.]+: )?[\w.]*(?:Error|Warning|Exception): )", re.MULTILINE)


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """The page's text with `message` as a second class of such blocks."""
    return _MESSAGE.sub("```{ .text .message }\n", markdown)
