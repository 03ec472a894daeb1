"""A hook of mkdocs: a link to a file of the repository that is no page becomes the file's name.

Where the repository itself is read such links work; the site has no copy of those files.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

_LINK = re.compile(r"\[([^\]]+)\]\((\.\./[^)#\s]+)\)")


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """The page's text without links that leave the folder of documents."""
    folder = Path(config.docs_dir)

    def shown(link: re.Match[str]) -> str:
        target = (folder / page.file.src_uri).parent.joinpath(link[2]).resolve()
        if target.is_relative_to(folder) or not target.exists():
            return link[0]
        name = target.relative_to(folder.parent).as_posix()
        return f"`{name}`" if name.endswith(link[1].strip("`")) else f"{link[1]} (`{name}`)"

    return _LINK.sub(shown, markdown)
