"""A hook of mkdocs: pages in a folder that is named after a language say so, and their buttons speak it."""

from __future__ import annotations

from typing import Any

LANGUAGES = ("zh",)
_DEFAULT = "en"


def on_page_context(context: Any, page: Any, config: Any, nav: Any) -> Any:
    """The context as it is; the theme, which is asked for each page anew, is told the page's language."""
    folder = page.file.src_uri.partition("/")[0]
    config.theme["language"] = folder if folder in LANGUAGES else _DEFAULT
    return context
