"""What these tests share stands in `tests/graphs.py`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))
