"""What these tests share stands in `tests/graphs.py`; how many examples they try is said here.

`HYPOTHESIS_PROFILE=thorough` tries thousands, other ones in each run.
"""

import os
import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parent.parent))

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
settings.register_profile(
    "quick", derandomize=True, deadline=None, max_examples=60, suppress_health_check=SLOW, database=None
)
settings.register_profile("thorough", deadline=None, max_examples=3000, suppress_health_check=SLOW)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))
