"""What a user may ask of a program besides which backend runs it: a device, just-in-time compilation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from kerasflow.compiler.backend import Backend
from kerasflow.errors import UnknownDeviceError

_device: ContextVar[str | None] = ContextVar("kerasflow_device", default=None)


@contextmanager
def use_device(name: str) -> Iterator[None]:
    """Run the programs of a block on a device, "cpu:0" or "gpu:1" say ("gpu" is the first one).

    Whether there is such a device is asked of the backend that compiles a program, which may be chosen inside.

    Raises:
        UnknownDeviceError: if this is no device's name.
    """
    named = re.fullmatch(r"(cpu|gpu|tpu)(?::(\d+))?", name.lower()) if isinstance(name, str) else None
    if named is None:
        raise UnknownDeviceError(
            f'{name!r} is no device. A device is named by its kind and its number: "cpu:0", "gpu:0", "gpu:1".'
        )
    token = _device.set(f"{named[1]}:{int(named[2] or 0)}")
    try:
        yield
    finally:
        _device.reset(token)


def options(backend: Backend, **asked: Any) -> dict[str, Any]:
    """What a backend's `compile` gets as keyword arguments: of what is asked for (not None), what it knows of.

    Raises:
        UnknownDeviceError: listing the backend's devices.
    """
    device = _device.get()
    if device and hasattr(backend, "devices") and device not in backend.devices():
        raise UnknownDeviceError(
            f"The backend {backend.name!r} has no device {device!r}. It has: {', '.join(backend.devices())}."
        )
    asked["device"] = device
    return {
        name: value
        for name, value in asked.items()
        if value is not None and name in getattr(backend, "options", ())
    }
