"""JAX at its best: many epochs in one jitted scan, the weights donated, the orders drawn ahead.

Answers for JAX; its forms differ in where rows are gathered, in threads, in how many steps are
unrolled, and with dropout in the generator; on a GPU in where orders are drawn, and in bfloat16 in
what is kept in it. Not for: several devices.
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

# Floating-point work of about one call: what is dispatched then costs nothing
_CALL = {"cpu": 1e9, "gpu": 1e12}
_MOST_EPOCHS = 16_384  # a call


def lacks(work: Workload) -> str:
    return ""


def forms(work: Workload) -> list[Form]:
    if work.device == "gpu" or work.compute_dtype:
        return _forms_of_devices(work)
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


def _forms_of_devices(work: Workload) -> list[Form]:
    ways: list[tuple[str, dict[str, Any]]] = [
        ("rows gathered inside the scan", {"gather": "inside"}),
        ("rows gathered inside the scan, orders of the device's", {"gather": "inside", **_DRAWN}),
        ("rows gathered before the scan, orders of the device's", {"gather": "before", **_DRAWN}),
        ("orders of the device's, 4 steps unrolled", {"gather": "inside", "unroll": 4, **_DRAWN}),
    ]
    kept = [("", "")]
    if work.compute_dtype:
        kept = [(f", layers in {work.compute_dtype}", "layers"), (", products alone", "products")]
    usual = {"unroll": 1, "generator": "unsafe_rbg", "orders": "host"}
    return [
        Form(words + more, 2, {**usual, **options, "kept": which})
        for words, options in ways
        for more, which in kept
    ]


_DRAWN = {"orders": "device"}


def need_device(work: Workload) -> None:
    """Raise RuntimeError unless JAX has the device that a workload is for."""
    import jax

    if work.device == "gpu" and jax.default_backend() == "cpu":
        raise RuntimeError("JAX sees no accelerator here")


class _Program:
    def __init__(self, work: Workload, options: Mapping[str, Any]) -> None:
        import jax

        need_device(work)
        if work.device == "gpu" and not work.compute_dtype:
            # As limpide's engine has it: float32 would else be TensorFloat-32, of 10 bits.
            jax.config.update("jax_default_matmul_precision", "highest")
        if work.dtype == "float64":
            jax.config.update("jax_enable_x64", True)  # of the whole process
        self._work = work
        X, y = work.data()
        y = y.astype(np.int32) if work.loss == "cross_entropy" else y
        self._rows = (jax.device_put(X), jax.device_put(y))
        self._epochs = max(1, min(_MOST_EPOCHS, int(_CALL[work.device] / work.flops)))
        self._rng = np.random.default_rng(SEED)
        self._is_drawn = options.get("orders") == "device" and work.shuffle
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
        if self._is_drawn and shuffled:
            return np.uint32(self._rng.integers(2**31))  # a seed, and not the orders
        rows = np.arange(self._work.rows, dtype=np.int32)
        draw = self._rng.permutation if shuffled else np.copy
        return np.stack([draw(rows) for _ in range(self._epochs)])


def _epochs(
    work: Workload, options: Mapping[str, Any], state: Any, rows: Any, orders: Any, count: int
) -> Any:
    import jax
    from jax import lax

    if orders is not None and orders.ndim == 0:
        orders = jax.random.split(jax.random.key(orders), count)

    def epoch(state: Any, order: Any) -> Any:
        if order is not None and order.ndim == 0:
            order = jax.random.permutation(order, work.rows)
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
        return _step(work, options, state, x, y)

    batches = jax.tree.map(lambda a: a[:cut].reshape(whole, work.batch, *a.shape[1:]), taken)
    state, losses = lax.scan(step, state, batches, unroll=min(options["unroll"], whole))
    total = losses.sum() * work.batch
    if cut < work.rows:
        state, last = step(state, jax.tree.map(lambda a: a[cut:], taken))
        total += last * (work.rows - cut)
    return state, total / work.rows


def _step(work: Workload, options: Mapping[str, Any], state: Any, x: Any, y: Any) -> Any:
    import jax
    import jax.numpy as jnp

    params, slots, count = state
    found = jax.value_and_grad(_loss_of, argnums=2)
    loss, gradients = found(work, options, params, x, y, count)
    rate = work.learning_rate
    if work.optimizer == "sgd":
        params = jax.tree.map(lambda p, g: p - rate * g, params, gradients)
        return (params, slots, count + 1), loss
    means, squares = slots
    means = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, means, gradients)
    squares = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, squares, gradients)
    t = (count + 1).astype(work.dtype)
    size = -rate / jnp.expm1(t * math.log(0.9))  # 1 - 0.9^t, exact in float32 too
    correction = 1 / jnp.sqrt(-jnp.expm1(t * math.log(0.999)))
    params = jax.tree.map(
        lambda p, m, v: p - size * m / (jnp.sqrt(v) * correction + 1e-8), params, means, squares
    )
    return (params, (means, squares), count + 1), loss


def _loss_of(
    work: Workload, options: Mapping[str, Any], params: Any, x: Any, y: Any, count: Any
) -> Any:
    import jax
    import jax.numpy as jnp

    activation = {
        "relu": jax.nn.relu,
        "tanh": jnp.tanh,
        "sigmoid": jax.nn.sigmoid,
        "gelu": lambda z: jax.nn.gelu(z, approximate=False),
    }[work.hidden]
    for i, layer in enumerate(params[:-1]):
        x = activation(_summed(work, options, x, layer))
        if work.layer_norm:
            centred = x - x.mean(axis=1, keepdims=True)
            spread = (centred * centred).mean(axis=1, keepdims=True)
            x = centred * jax.lax.rsqrt(spread + 1e-5) * layer["scale"] + layer["shift"]
        if work.dropout:
            key = jax.random.fold_in(jax.random.key(SEED, impl=options["generator"]), count)
            bits = jax.random.bits(jax.random.fold_in(key, i), x.shape)
            limit = np.uint32((1 - work.dropout) * 2**32)  # cheaper than uniform numbers
            x = jnp.where(bits < limit, x * (1 / (1 - work.dropout)), 0)
    z = _summed(work, options, x, params[-1]).astype(work.dtype)
    if work.loss == "bce":
        return (jax.nn.softplus(z) - y * z).mean()
    if work.loss == "cross_entropy":
        # One-hot rows: the gradient of picking one score a row would be a scatter.
        right = (jax.nn.one_hot(y, z.shape[1], dtype=z.dtype) * z).sum(axis=1)
        return (jax.nn.logsumexp(z, axis=1) - right).mean()
    return ((y - (jax.nn.sigmoid(z) if work.output == "sigmoid" else z)) ** 2).mean()


def _summed(work: Workload, options: Mapping[str, Any], x: Any, layer: Any) -> Any:
    """Give x·w + b, the product in the dtype for products, the sum in it too or in the usual."""
    w, b = layer["weights"], layer["bias"]
    if not work.compute_dtype:
        return x @ w + b
    y = x.astype(work.compute_dtype) @ w.astype(work.compute_dtype)
    return y + b.astype(y.dtype) if options["kept"] == "layers" else y.astype(work.dtype) + b


def build(work: Workload, options: Mapping[str, Any]) -> _Program:
    return _Program(work, options)
