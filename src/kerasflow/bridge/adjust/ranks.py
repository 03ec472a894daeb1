"""Several processes that train one model: what Keras does for all of them, and what one of them does alone."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from kerasflow.bridge.adjust.seen import Seen
from kerasflow.bridge.first_rank import of_first_rank, only_on_first_rank


@contextmanager
def share_batches_out(module: ModuleType) -> Iterator[None]:
    """Keras keeps the distribution that is set for backends that ask for it."""
    yield
    set_distribution = module.set_distribution

    @functools.wraps(set_distribution)
    def checked(value: Any) -> None:
        from kerasflow.bridge.distribution import share_out

        share_out(value)
        set_distribution(value)

    module.set_distribution = checked  # type: ignore[attr-defined]


@contextmanager
def take_whole_data(module: ModuleType) -> Iterator[None]:
    """Keras would refuse or cut the data; here each rank takes its rows of every whole batch."""
    yield
    module.distribution_lib = Seen(module.distribution_lib, distribution=lambda: None)  # type: ignore[attr-defined]


@contextmanager
def print_once(module: ModuleType) -> Iterator[None]:
    """Progress bars, summaries and messages: once is enough."""
    yield
    module.print_msg = only_on_first_rank(module.print_msg)  # type: ignore[attr-defined]


@contextmanager
def make_folders_once(module: ModuleType) -> Iterator[None]:
    """Two ranks that find no folder would both make it, and one of them fail."""
    yield
    makedirs = only_on_first_rank(module.file_utils.makedirs)
    module.file_utils = Seen(module.file_utils, makedirs=makedirs)  # type: ignore[attr-defined]


@contextmanager
def report_once(module: ModuleType, name: str) -> Iterator[None]:
    """A callback that reports to a file or to a server does so on rank 0."""
    yield
    cls = getattr(module, name)
    hooks = [hook for hook in vars(cls) if hook.startswith("on_") or hook == "set_model"]
    of_first_rank(cls, only_on_first_rank, hooks)


log_once = functools.partial(report_once, name="CSVLogger")
send_once = functools.partial(report_once, name="RemoteMonitor")
