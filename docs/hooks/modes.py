"""A hook of mkdocs: a picture for light and one for dark pages become two, of which the theme shows the right one.

Where the repository itself is read, `<picture>` asks the reader's system; a page of the site has a button of its own.
"""

from __future__ import annotations

import re
from typing import Any

_PICTURE = re.compile(
    r'<picture>\s*<source media="\(prefers-color-scheme: dark\)" srcset="(?P<dark>[^"]+)">'
    r'\s*<img alt="(?P<alt>[^"]+)" src="(?P<light>[^"]+)">\s*</picture>'
)
_TWO = r"![\g<alt>](\g<light>#only-light)![\g<alt>](\g<dark>#only-dark)"


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """The page's text with images of Markdown's, so that their paths are checked like links."""
    return _PICTURE.sub(_TWO, markdown)
