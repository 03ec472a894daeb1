"""What `keras.distribution` asks of a backend: processes that share batches out, each a device.

A process of an MPI job joins it by `initialize`. While a `DataParallel` over all of its devices is set, the steps of
models share each batch out among the ranks; all else of Keras's API is refused with a reason.
"""

from __future__ import annotations

import math
from typing import Any

from keras.src.backend.common import global_state

from kerasflow.bridge.job import join_job
from kerasflow.compiler import current_backend, share_batches
from kerasflow.errors import RankError, UnknownDeviceError
from kerasflow.groups import current_group, is_worker
from kerasflow.groups.mpi import launched

_HOW = "Start a program on N processes with `kerasflow run -n N train.py`."


def list_devices(device_type: str | None = None) -> list[str]:
    """The devices of the current backend: of a type, or of the fastest that it has; one for each of several ranks."""
    devices = _devices()
    kind = (device_type or devices[-1].partition(":")[0]).lower()  # A backend names its processors first.
    own = [device for device in devices if device.startswith(f"{kind}:")]
    size = current_group().size
    return own if size == 1 or not own else [f"{kind}:{rank}" for rank in range(size)]


def _devices() -> list[str]:
    backend = current_backend()
    return list(backend.devices()) if hasattr(backend, "devices") else ["cpu:0"]


def get_device_count(device_type: str | None = None) -> int:
    return len(list_devices(device_type))


def num_processes() -> int:
    return current_group().size


def process_id() -> int:
    return current_group().rank


def initialize(job_addresses: str | None, num_processes: int | None, process_id: int | None) -> None:
    """Join the processes that a launcher has started together with this one. The launcher knows what is asked for here.

    A process of multiprocessing's that imports its parent's program, and so calls this too, joins nothing.

    Args:
        job_addresses: one for each process, with commas between them, or the first one's; only their number counts.

    Raises:
        UnknownDeviceError: several processes are asked for, and there is one.
        ValueError: what is given contradicts itself.
        RankError: it contradicts what the launcher says, or mpi4py is missing.
    """
    if is_worker():
        return
    addresses = (job_addresses or "").split(",")
    if len(addresses) > 1 and num_processes not in (None, len(addresses)):
        raise ValueError(
            f"`job_addresses` has {len(addresses)} addresses, but `num_processes` is {num_processes}. Give as many "
            "addresses as processes, the first one's alone, or none: the launcher knows them."
        )
    count = len(addresses) if num_processes is None and len(addresses) > 1 else num_processes
    if not launched():
        if count not in (None, 1) or process_id not in (None, 0):
            asked = f"process {process_id} of {count or 'several'}" if process_id else f"{count} processes"
            raise UnknownDeviceError(
                f"`keras.distribution.initialize` was asked for {asked}, but no launcher has started any. {_HOW}"
            )
        return
    group = join_job()
    if count not in (None, group.size) or process_id not in (None, group.rank):
        raise RankError(
            f"`keras.distribution.initialize` was asked for process {process_id} of {count}, but the launcher has "
            f"started this one as process {group.rank} of {group.size}. Leave the arguments out: it knows them."
        )


def share_out(distribution: Any) -> None:
    """Share the batches of models out as a distribution says; None: no longer.

    Raises:
        UnknownDeviceError: it is no `DataParallel` over all processes.
    """
    group = current_group()
    if distribution is None or group.size == 1:
        share_batches(None)
        return
    kind, mesh = type(distribution).__name__, distribution.device_mesh
    if hasattr(distribution, "_layout_map") or len(mesh.shape) > 1:
        raise UnknownDeviceError(
            f"`keras.distribution.{kind}` on a mesh of shape {tuple(mesh.shape)} would split a model's variables, and "
            "here each process has all of them. Use `keras.distribution.DataParallel()`."
        )
    devices = sorted(str(device) for device in mesh.devices.flatten())
    if devices != sorted(list_devices("cpu")):
        raise UnknownDeviceError(
            f"`keras.distribution.{kind}` is over the devices {', '.join(devices)}, but there are {group.size} "
            f"processes, each a device: {', '.join(list_devices('cpu'))}. Leave `devices` out, and it takes all."
        )
    share_batches(group, whole=lambda: distribution.auto_shard_dataset)


def _require_one_device(device_mesh: Any) -> None:
    """A mesh of one device needs nothing; of more it would do nothing, which must not go unnoticed.

    Raises:
        UnknownDeviceError: naming the mesh, or the one device, which the backend does not have.
    """
    if device_mesh is None:
        return
    if math.prod(device_mesh.shape) > 1:
        raise UnknownDeviceError(
            f"`keras.distribution` asks for {math.prod(device_mesh.shape)} devices (a mesh of shape "
            f"{tuple(device_mesh.shape)}), but this is one process, which computes a step on one. Leave "
            f"`set_distribution` out, or make the mesh of one device. {_HOW}"
        )
    unknown = {
        str(device) for device in device_mesh.devices.flatten() if str(device).lower() not in _devices()
    }
    if unknown:
        raise UnknownDeviceError(
            f"`keras.distribution` asks for the device {min(unknown)!r}. The backend {current_backend().name!r} has: "
            f"{', '.join(_devices())}. Leave `devices` out, and it takes what there is."
        )


def require_one_device_for_variables() -> None:
    """Checked where a variable is made, as where JAX's variables are laid out: Keras then knows the distribution."""
    distribution = global_state.get_global_attribute("distribution")
    if distribution is not None and not distribution._is_multi_process:  # The same in each version of Keras.
        _require_one_device(distribution.device_mesh)


def distribute_tensor(tensor: Any, layout: Any) -> Any:
    """The tensor as it is: each process has all of it.

    Raises:
        UnknownDeviceError: the layout would split it.
    """
    if any(axis is not None for axis in layout.axes):
        if current_group().size > 1:
            raise UnknownDeviceError(
                f"A layout splits a tensor along {[axis for axis in layout.axes if axis is not None]}, and here each "
                "process has tensors whole. Use `keras.distribution.DataParallel()`, which shares batches out."
            )
        _require_one_device(layout.device_mesh)
    return tensor


def distribute_variable(value: Any, layout: Any) -> Any:
    """The value as it is, as `distribute_tensor` has it."""
    return distribute_tensor(value, layout)


def _to_backend_mesh(device_mesh: Any) -> Any:
    return device_mesh


def _to_backend_layout(layout: Any) -> Any:
    return layout
