"""JAX at its best: many epochs in one jitted scan, the weights donated, the orders drawn ahead.

Answers for JAX; its forms differ in where rows are gathered, in threads, in how many steps are
unrolled, and with dropout in the generator. Not for: its other devices.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from limpide.bench.peers.program import Form, threads_order
from limpide.bench.workloads import SEED, Workload

TITLE = "JAX"
PACKAGE = "jax"

_CALL = 1e9  # floating-point work of about one call: what is dispatched then costs nothing
_MOST_EPOCHS = 16_384  # a call


def lacks(work: Workload) -> str:
    return ""


def forms(work: Workload) -> list[Form]:
    tiny = threads_order(work)[0] == 1  # unrolling may pay
    unrolls = (1, 8, 4) if tiny else (1,)
    places = ("inside", "before") if work.shuffle else ("nowhere",)
    words = {
        "before": "rows gathered before the scan",
        "inside": "rows gathered inside the scan",
        "nowhere": "rows in order",
    }
    generators = ("threefry2x32", "unsafe_rbg") if work.dropout else ("threefry2x32",)
    return [
        Form(
            words[place]
            + (f", {unroll} steps unrolled" if unroll > 1 else "")
            + (f", bits by {generator}" if work.dropout else ""),
            threads,
            {"gather": place, "unroll": unroll, "generator": generator},
        )
        for threads in threads_order(work)
        for place in places
        for generator in generators
        for unroll in unrolls
    ]


class _Program:
    def __init__(self, work: Workload, options: Mapping[str, Any]) -> None:
        import jax

        if work.dtype == "float64":
            jax.config.update("jax_enable_x64", True)  # of the whole process
        self._work = work
        X, y = work.data()
        y = y.astype(np.int32) if work.loss == "cross_entropy" else y
        self._rows = (jax.device_put(X), jax.device_put(y))
        self._epochs = max(1, min(_MOST_EPOCHS, int(_CALL / work.flops)))
        self._rng = np.random.default_rng(SEED)
        self._call = jax.jit(
            lambda state, rows, orders: _epochs(work, options, state, rows, orders, self._epochs),
            donate_argnums=0,
        )
        self.reset()

    def reset(self) -> None:
        import jax

        first = self._work.first_layers()
        zeros = [{name: np.zeros_like(a) for name, a in layer.items()} for layer in first]
        slots = (zeros, zeros) if self._work.optimizer == "adam" else ()
        # Copies: buffers that are donated may not lie in an array of NumPy's, nor be shared.
        self._state = jax.tree.map(
            lambda a: jax.numpy.array(a, copy=True), (first, slots, np.zeros((), np.uint32))
        )

    def run(self, epochs: int, shuffled: bool) -> Sequence[float]:
        losses = []
        for _ in range(-(-epochs // self._epochs)):
            # The call returns at once: the next orders are drawn while these epochs run.
            self._state, found = self._call(self._state, self._rows, self._orders(shuffled))
            losses.append(found)
        whole: list[float] = np.concatenate([np.asarray(found) for found in losses]).tolist()
        return whole

    def _orders(self, shuffled: bool) -> Any:
        if not self._work.shuffle:
            return None
        rows = np.arange(self._work.rows, dtype=np.int32)
        draw = self._rng.permutation if shuffled else np.copy
        return np.stack([draw(rows) for _ in range(self._epochs)])


def _epochs(
    work: Workload, options: Mapping[str, Any], state: Any, rows: Any, orders: Any, count: int
) -> Any:
    from jax import lax

    def epoch(state: Any, order: Any) -> Any:
        return _epoch(work, options, state, rows, order)

    return lax.scan(epoch, state, orders, length=count)


def _epoch(work: Workload, options: Mapping[str, Any], state: Any, rows: Any, order: Any) -> Any:
    """Go through all rows: whole batches in a scan, then the short last one."""
    import jax
    from jax import lax

    inside = options["gather"] == "inside"
    taken = order if inside else rows
    if options["gather"] == "before":
        taken = jax.tree.map(lambda a: a[order], rows)
    whole = work.rows // work.batch
    cut = whole * work.batch

    def step(state: Any, batch: Any) -> Any:
        x, y = jax.tree.map(lambda a: a[batch], rows) if inside else batch
        return _step(work, options["generator"], state, x, y)

    batches = jax.tree.map(lambda a: a[:cut].reshape(whole, work.batch, *a.shape[1:]), taken)
    state, losses = lax.scan(step, state, batches, unroll=min(options["unroll"], whole))
    total = losses.sum() * work.batch
    if cut < work.rows:
        state, last = step(state, jax.tree.map(lambda a: a[cut:], taken))
        total += last * (work.rows - cut)
    return state, total / work.rows


def _step(work: Workload, generator: str, state: Any, x: Any, y: Any) -> Any:
    import jax
    import jax.numpy as jnp

    params, slots, count = state
    found = jax.value_and_grad(_loss_of, argnums=2)
    loss, gradients = found(work, generator, params, x, y, count)
    rate = work.learning_rate
    if work.optimizer == "sgd":
        params = jax.tree.map(lambda p, g: p - rate * g, params, gradients)
        return (params, slots, count + 1), loss
    means, squares = slots
    means = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, means, gradients)
    squares = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, squares, gradients)
    t = (count + 1).astype(x.dtype)
    size = -rate / jnp.expm1(t * math.log(0.9))  # 1 - 0.9^t, exact in float32 too
    correction = 1 / jnp.sqrt(-jnp.expm1(t * math.log(0.999)))
    params = jax.tree.map(
        lambda p, m, v: p - size * m / (jnp.sqrt(v) * correction + 1e-8), params, means, squares
    )
    return (params, (means, squares), count + 1), loss


def _loss_of(work: Workload, generator: str, params: Any, x: Any, y: Any, count: Any) -> Any:
    import jax
    import jax.numpy as jnp

    activation = {
        "relu": jax.nn.relu,
        "tanh": jnp.tanh,
        "sigmoid": jax.nn.sigmoid,
        "gelu": lambda z: jax.nn.gelu(z, approximate=False),
    }[work.hidden]
    for i, layer in enumerate(params[:-1]):
        x = activation(x @ layer["weights"] + layer["bias"])
        if work.layer_norm:
            centred = x - x.mean(axis=1, keepdims=True)
            spread = (centred * centred).mean(axis=1, keepdims=True)
            x = centred * jax.lax.rsqrt(spread + 1e-5) * layer["scale"] + layer["shift"]
        if work.dropout:
            key = jax.random.fold_in(jax.random.key(SEED, impl=generator), count)
            bits = jax.random.bits(jax.random.fold_in(key, i), x.shape)
            limit = np.uint32((1 - work.dropout) * 2**32)  # cheaper than uniform numbers
            x = jnp.where(bits < limit, x * (1 / (1 - work.dropout)), 0)
    z = x @ params[-1]["weights"] + params[-1]["bias"]
    if work.loss == "bce":
        return (jax.nn.softplus(z) - y * z).mean()
    if work.loss == "cross_entropy":
        # One-hot rows: the gradient of picking one score a row would be a scatter.
        right = (jax.nn.one_hot(y, z.shape[1], dtype=z.dtype) * z).sum(axis=1)
        return (jax.nn.logsumexp(z, axis=1) - right).mean()
    return ((y - (jax.nn.sigmoid(z) if work.output == "sigmoid" else z)) ** 2).mean()


def build(work: Workload, options: Mapping[str, Any]) -> _Program:
    return _Program(work, options)
