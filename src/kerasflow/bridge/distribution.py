"""What `keras.distribution` asks of a backend, with the one device and the one process that a program has."""

from __future__ import annotations

import math
from typing import Any

from keras.src.backend.common import global_state

from kerasflow.compiler import current_backend
from kerasflow.errors import UnknownDeviceError


def list_devices(device_type: str | None = None) -> list[str]:
    """The devices of the current backend: of a type, or of the fastest that it has."""
    backend = current_backend()
    devices = list(backend.devices()) if hasattr(backend, "devices") else ["cpu:0"]
    kind = device_type or devices[-1].partition(":")[0]  # A backend names its processors first.
    return [device for device in devices if device.startswith(f"{kind.lower()}:")]


def get_device_count(device_type: str | None = None) -> int:
    return len(list_devices(device_type))


def num_processes() -> int:
    return 1


def process_id() -> int:
    return 0


def initialize(job_addresses: str | None, num_processes: int | None, process_id: int | None) -> None:
    """Start a cluster of processes, of which there can be one only.

    Raises:
        UnknownDeviceError: if more than one is asked for.
    """
    if (num_processes or 1) > 1:
        raise UnknownDeviceError(
            f"`keras.distribution.initialize` was asked for {num_processes} processes. kerasflow trains in one: leave "
            "the call out, or run the program on stock Keras with JAX."
        )


def require_one_device(device_mesh: Any) -> None:
    """A mesh of one device needs nothing; of more it would do nothing, which must not go unnoticed.

    Raises:
        UnknownDeviceError: naming the mesh.
    """
    if device_mesh is not None and math.prod(device_mesh.shape) > 1:
        raise UnknownDeviceError(
            f"`keras.distribution` asks for {math.prod(device_mesh.shape)} devices (a mesh of shape "
            f"{tuple(device_mesh.shape)}), but kerasflow computes a step on one. Leave `set_distribution` out, make "
            "the mesh of one device, or run the program on stock Keras with JAX."
        )


def require_one_device_for_variables() -> None:
    """Checked where a variable is made, as where JAX's variables are laid out: Keras then knows the distribution."""
    distribution = global_state.get_global_attribute("distribution")
    if distribution is not None:
        require_one_device(distribution.device_mesh)


def distribute_tensor(tensor: Any, layout: Any) -> Any:
    """The tensor as it is: on one device there is one layout."""
    require_one_device(layout.device_mesh)
    return tensor


def _to_backend_mesh(device_mesh: Any) -> Any:
    return device_mesh


def _to_backend_layout(layout: Any) -> Any:
    return layout
