"""Files as modules of this process, for tests of what is exported, and of programs that are in no package."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any


def imported(path: Path) -> Any:
    """A new module, made of the file."""
    spec = importlib.util.spec_from_file_location("exported", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
