"""Groups: processes, or threads, that compute one program together, and where they meet.

`group` says what a group is and which one this process, or this thread, belongs to; one that is alone is a group too.
Each kind has a file. They know NumPy, our errors and nothing else of ours. Open `group` first.
"""

from kerasflow.groups.group import ALONE, Alone, Group, current_group, in_group, is_worker, join, offset, rows

__all__ = ["ALONE", "Alone", "Group", "current_group", "in_group", "is_worker", "join", "offset", "rows"]
