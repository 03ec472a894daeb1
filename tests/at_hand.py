"""The backends that tests can run on."""

from __future__ import annotations

import importlib.util

# Those of this project, whose frameworks are called as they are.
ALL = ("numpy", "tensorflow", "pytensor")
BACKENDS = [name for name in ALL if importlib.util.find_spec(name) is not None]
