"""Several processes, on one machine or more, whose devices JAX uses together.

Answers for finding each other, for what JAX is told of it, and for leaving. Not for: what they say
to each other (``limpide.engines.xla.watch``), nor what runs on the devices.
"""

from __future__ import annotations

import ctypes
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax._src import distributed, xla_bridge
from jax.experimental import multihost_utils

import limpide
from limpide.engines.team import ALONE, Team
from limpide.engines.xla.watch import SILENCE, Hub, Member, Place, Watch
from limpide.errors import ArgumentError, ArgumentTypeError

_JAX_SECONDS = 120  # for JAX's own beginning, once all processes are there
_LATER = 10 * int(SILENCE)  # when JAX itself would notice that a process is lost: after limpide
_BROKEN = ("gloo", "nccl", "rccl", "collective", "coordination", "rendezvous")

_team: Team = ALONE
_was_joined = False


def current(engine: str) -> Team:
    """Give the processes whose devices are used together now, for an engine to run on.

    Raises
    ------
    ArgumentError
        For ``"xla"`` after they have parted: JAX knows the devices of all of them from then on.
    """
    if _was_joined and _team is ALONE and engine == "xla":
        raise ArgumentError(
            "This process has left the others that it trained with, and JAX in it still counts on "
            "their devices. Train on in a new process, or with engine='native'."
        )
    return _team


@dataclass(frozen=True)
class Asked:
    """How a process finds the others.

    Attributes
    ----------
    place, size, number
        Where process 0 listens, how many there are, which this one is.
    devices
        The numbers of this machine's devices that are for this process; None: all.
    bind
        The address that process 0 listens at, where it is another one than the others use.
    """

    place: Place
    size: int
    number: int
    devices: list[int] | None = None
    bind: str | None = None


def asked(coordinator: Any, processes: Any, process_id: Any) -> Asked:
    """Give how to find the others: as it is said, or, without a word, as JAX detects it.

    Raises
    ------
    ArgumentError, ArgumentTypeError
        For what cannot be, and where nothing is detected.
    """
    given = {"coordinator": coordinator, "processes": processes, "process_id": process_id}
    lacking = [name for name, value in given.items() if value is None]
    if len(lacking) == len(given):
        return _detected()
    if lacking:
        raise ArgumentError(
            f"coordinator, processes and process_id belong together; {' and '.join(lacking)} "
            f"{'is' if len(lacking) == 1 else 'are'} missing. Give all three, or none of them on "
            "a cluster that JAX knows, such as one of SLURM."
        )
    for name in ("processes", "process_id"):
        value = given[name]
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
            raise ArgumentTypeError(f"{name} must be a whole number; received {value!r}.")
    if processes < 1:
        raise ArgumentError(f"processes must be at least 1; received {processes}.")
    if not 0 <= process_id < processes:
        raise ArgumentError(
            f"process_id counts from 0 to {processes - 1} where there are {processes} processes; "
            f"received {process_id}."
        )
    return Asked(_place(coordinator), int(processes), int(process_id))


def _place(text: Any) -> Place:
    host, _, port = text.rpartition(":") if isinstance(text, str) else ("", "", "")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not port.isascii() or not port.isdigit() or not 0 < int(port) < 1 << 16:
        raise ArgumentError(
            f"coordinator is the address of process 0, a host and a port such as 127.0.0.1:1234; "
            f"received {text!r}."
        )
    return Place(host, int(port))


def _detected() -> Asked:
    """Ask JAX which cluster this is."""
    found: tuple[Any, ...] = (None, None, None, None)
    told = os.environ.get("JAX_COORDINATOR_ADDRESS")
    try:
        from jax._src import clusters

        find = clusters.ClusterEnv.auto_detect_unset_distributed_params
        found = find(told, None, None, None, None, _JAX_SECONDS)
    except (ImportError, AttributeError, TypeError, ValueError, KeyError, RuntimeError, OSError):
        pass  # another version of JAX, or half a cluster: told below
    place, size, number, devices = found
    if None in (place, size, number):
        raise ArgumentError(
            "JAX detects no cluster here (it knows SLURM, Open MPI, Kubernetes and Cloud TPUs). "
            "Say coordinator, processes and process_id yourself (on the command line "
            "--coordinator HOST:PORT --processes N --process-id I)."
        )
    bind = os.environ.get("JAX_COORDINATOR_BIND_ADDRESS")
    return Asked(
        _place(place),
        int(size),
        int(number),
        None if devices is None else list(devices),
        None if bind is None else _place(bind).host,
    )


@contextmanager
def together(how: Asked, timeout: float) -> Iterator[Team]:
    """Let this process be one of several, whose devices are used together, for a while.

    Raises
    ------
    ArgumentError
        Where JAX is in use already, or the others do not come within ``timeout`` seconds.
    """
    global _team
    if how.size == 1:
        yield ALONE
        return
    _check_unused()
    watch = _watch(how)
    watch.joined(timeout, _about(how))
    try:
        _begin(watch, how.devices)
        _team = watch
        yield watch
    except BaseException as error:
        if isinstance(error, SystemExit) and not error.code:
            _leave(watch)
        else:
            _fail(watch, error)
        raise
    else:
        _leave(watch)
    finally:
        _team = ALONE
        watch.close()


def _about(how: Asked) -> dict[str, Any]:
    """Give what must be the same in all processes."""
    return {"processes": how.size, "limpide": limpide.__version__, "JAX": jax.__version__}


def _check_unused() -> None:
    begun = getattr(xla_bridge, "backends_are_initialized", lambda: False)
    if _was_joined or _team is not ALONE:
        raise ArgumentError(
            "This process has joined others before, which JAX allows once. Start a new process."
        )
    if begun() or jax.distributed.is_initialized():
        raise ArgumentError(
            "JAX has been used in this process, and takes up other processes only before that. "
            "Join them first: before any other use of engine='xla' and of JAX."
        )


def _watch(how: Asked) -> Watch:
    if how.number:
        return Member(how.number, how.size, how.place)
    host = how.place.host if how.bind is None else how.bind
    try:
        bound = _bound(host, how.place.port)
    except OSError as error:
        raise ArgumentError(
            f"Process 0 cannot listen at {how.place}: {error.strerror or error}. Give an address "
            "of this machine, and a port that is free."
        ) from None
    return Hub(how.size, how.place, bound)


def _bound(host: str, port: int) -> socket.socket:
    """Listen at one address: others of this machine are not open."""
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.listen()
    except BaseException:
        made.close()
        raise
    return made


def _begin(watch: Watch, devices: list[int] | None) -> None:
    """Let JAX know of the other processes; its settings are as before in the end.

    Its service listens on the loopback of process 0 alone, and the others reach it through the
    connections of ``watch``. SIGTERM stays limpide's: JAX would take it for a notice of its own.
    """
    global _was_joined
    _was_joined = True
    off = ("jax_enable_preemption_service", "jax_check_proxy_envs")
    names = (*off, "jax_cuda_visible_devices", "jax_rocm_visible_devices")
    before = {name: getattr(jax.config, name) for name in names if hasattr(jax.config, name)}
    port = watch.relay(_free_port() if watch.number == 0 else 0)
    try:
        for name in off:
            if name in before:
                jax.config.update(name, False)
        jax.distributed.initialize(
            f"127.0.0.1:{port}",
            watch.size,
            watch.number,
            devices,
            "deactivate",
            initialization_timeout=_JAX_SECONDS,
            coordinator_bind_address=f"127.0.0.1:{port}",
            heartbeat_timeout_seconds=_LATER,
            shutdown_timeout_seconds=int(SILENCE),
        )
        with _silent():
            _meet()
    finally:
        for name, value in before.items():
            jax.config.update(name, value)


def _meet() -> None:
    """Let all devices take part in a sum: what connects them is made at the first."""
    mesh = jax.sharding.Mesh(np.array(jax.devices()), ("devices",))
    spec = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec("devices"))
    ones = [jax.device_put(np.ones(1, np.float32), d) for d in jax.local_devices()]
    given = jax.make_array_from_single_device_arrays((jax.device_count(),), spec, ones)
    everywhere = jax.sharding.NamedSharding(mesh, jax.sharding.PartitionSpec())
    jax.block_until_ready(jax.jit(lambda x: x.sum(), out_shardings=everywhere)(given))
    multihost_utils.sync_global_devices("limpide")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as made:
        return int(made.getsockname()[1])


@contextmanager
def _silent() -> Iterator[None]:
    """Keep off standard output what gloo prints there when it connects processes."""
    with suppress(OSError, ValueError):
        sys.stdout.flush()
    try:
        kept = os.dup(1)
    except OSError:  # closed
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
        os.close(nowhere)


def _leave(watch: Watch) -> None:
    """Wait for the others to end well, too."""
    watch.done()
    jax.distributed.shutdown()


def _fail(watch: Watch, error: BaseException) -> None:
    """Tell the others; JAX forgets its connection, whose end would wait for theirs."""
    state = distributed.global_state
    for part in ("client", "service"):
        made = getattr(state, part, None)
        if made is not None:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(made))  # its destructor waits, too
            setattr(state, part, None)
    text = str(error).strip() or type(error).__name__
    status = int(getattr(error, "exit_code", 1))
    if isinstance(error, KeyboardInterrupt):
        text, status = "it was interrupted", 130
    broken = isinstance(error, jax.errors.JaxRuntimeError) and any(
        word in text.lower() for word in _BROKEN
    )
    watch.fail(" ".join(text.split()), status, broken)
