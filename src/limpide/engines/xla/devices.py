"""The devices that a loop runs on, as a grid: a row a process, each with its own devices.

Answers for choosing them, and for how arrays lie on them. Not for: what runs there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from limpide.errors import ArgumentError, ArgumentTypeError
from limpide.ir import Array

BATCH = ("process", "device")
"""The axes over which a batch is spread."""

_ALIGNED = 64  # bytes: memory that begins there JAX takes on processors as it is, without a copy
_SIMULATED = "XLA_FLAGS=--xla_force_host_platform_device_count={}"


@dataclass(frozen=True)
class Grid:
    """Devices, of each process as many.

    Parameters
    ----------
    devices
        Process by process.
    processes
        How many rows the grid has.
    """

    devices: tuple[Any, ...]
    processes: int = 1

    @property
    def is_single(self) -> bool:
        """Whether there is one device alone, and nothing to spread."""
        return len(self.devices) == 1

    @property
    def is_here(self) -> bool:
        """Whether all of them are this process's."""
        return all(device.process_index == jax.process_index() for device in self.devices)

    @cached_property
    def mesh(self) -> Mesh:
        """The grid as JAX takes it."""
        found = np.empty(len(self.devices), object)
        found[:] = self.devices
        return Mesh(found.reshape(self.processes, -1), BATCH)

    def spread(self, *axes: Any) -> Any:
        """Give how an array lies: for each of its axes None, or what it is spread over."""
        if self.is_single:
            return jax.sharding.SingleDeviceSharding(self.devices[0])
        return NamedSharding(self.mesh, PartitionSpec(*axes))

    def put(self, array: Array, axes: Sequence[Any] = ()) -> Any:
        """Bring an array that every process has to the devices, spread as ``spread`` says."""
        sharding = self.spread(*axes)
        if self.is_here:
            return jax.device_put(array, sharding)
        return jax.make_array_from_callback(array.shape, sharding, lambda index: array[index])

    def put_share(self, array: Array, axes: Sequence[Any]) -> Any:
        """Bring to the devices an array of which each process has its own part."""
        return jax.make_array_from_process_local_data(self.spread(*axes), array)


def zeros(shape: tuple[int, ...], dtype: Any) -> Array:
    """Give zeros, to be filled and brought to devices once: on processors that takes no copy.

    JAX may go on reading there: nothing else may be written to them afterwards. NumPy asks for
    large pages where the numbers are many, so that reading rows here and there is faster too.
    """
    whole = np.dtype(dtype)
    size = math.prod(shape) * whole.itemsize
    raw = np.zeros(size + _ALIGNED, np.uint8)
    first = -raw.ctypes.data % _ALIGNED
    found: Array = raw[first : first + size].view(whole).reshape(shape)
    return found


def chosen(devices: Any) -> Grid:
    """Give the devices that an argument means.

    Parameters
    ----------
    devices
        None: the first, or where processes have joined, all of them; ``"all"``; how many; or the
        numbers of some, as ``jax.devices()`` lists them.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        There are not so many, or it is none of these.
    """
    there, joined = jax.devices(), jax.process_count()
    if joined > 1:
        if devices not in (None, "all"):
            raise ArgumentError(
                f"devices={devices!r}: processes that have joined train on all devices. Leave "
                "devices out."
            )
        return Grid(tuple(sorted(there, key=lambda d: (d.process_index, d.id))), joined)
    if devices is None:
        return Grid((there[0],))
    if isinstance(devices, str) and devices == "all":
        return Grid(tuple(there))
    if isinstance(devices, (int, np.integer)) and not isinstance(devices, (bool, np.bool_)):
        if devices < 1:
            raise ArgumentError(f"devices must be at least 1; received {devices}. Try devices=2.")
        if devices > len(there):
            raise _too_many(f"devices={devices}", int(devices), there)
        return Grid(tuple(there[:devices]))
    return Grid(tuple(there[number] for number in _numbers(devices, there)))


def _numbers(devices: Any, there: Sequence[Any]) -> list[int]:
    try:
        numbers = [int(number) for number in devices]
        flags = any(isinstance(number, (bool, np.bool_)) for number in devices)
        right = not isinstance(devices, str) and not flags and numbers == list(devices)
    except (TypeError, ValueError):
        right = False
    if not right:
        raise ArgumentTypeError(
            'devices is how many, a list of their numbers, or "all"; received '
            f"{devices!r}. Try devices=2."
        )
    if not numbers or len(set(numbers)) < len(numbers):
        raise ArgumentError(f"devices must name each device once; received {devices!r}.")
    if min(numbers) < 0:
        raise ArgumentError(f"devices are numbered from 0; received {devices!r}.")
    if max(numbers) >= len(there):
        raise _too_many(f"devices={numbers}", max(numbers) + 1, there)
    return numbers


def _too_many(asked: str, wanted: int, there: Sequence[Any]) -> ArgumentError:
    kind = there[0].platform
    remedy = "Ask for fewer."
    if kind == "cpu":
        remedy = f"To try it out on a processor, start Python with {_SIMULATED.format(wanted)}."
    count = "1 device" if len(there) == 1 else f"{len(there)} devices"
    return ArgumentError(f"{asked}: JAX has {count} here ({kind}). {remedy}")
