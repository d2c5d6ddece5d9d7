"""Primitives that move numbers without computing: reshape, transpose, slice, pad, join, gather.

Answers for shapes and indices. Not for: arithmetic. Broadcasting stands in ``build``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from limpide.errors import ArgumentError, ArgumentTypeError, DtypeError
from limpide.ir import Array, Spec, dtype_name, shape_error, where_raised
from limpide.ops import special
from limpide.ops.build import primitive
from limpide.ops.choices import where
from limpide.tensor import Tensor, apply, current_value, unify


def _reshape_spec(x: Spec, shape: tuple[int, ...]) -> Spec:
    if any(n < 0 for n in shape):
        raise shape_error(f"{x} cannot take the shape {list(shape)}: one -1 at most, nothing less")
    if math.prod(shape) != x.size:
        raise shape_error(
            f"{x} has {x.size} elements and cannot take the shape {list(shape)}, "
            f"which has {math.prod(shape)}"
        )
    return Spec(shape, x.dtype)


def _reshape_numpy(x: Array, shape: tuple[int, ...]) -> Array:
    return x.reshape(shape)


RESHAPE = primitive(
    "reshape",
    _reshape_spec,
    _reshape_numpy,
    (lambda g, y, x, shape: reshape(g, x.shape),),
    "{0} in the shape {shape}",
    "reshape({0}, {shape})",
    kind="view",
)


def _transpose_spec(x: Spec, order: tuple[int, ...]) -> Spec:
    if sorted(order) != list(range(x.rank)):
        raise shape_error(f"transpose needs each axis of {x} once, got order {list(order)}")
    return Spec(tuple(x.shape[i] for i in order), x.dtype)


def _transpose_numpy(x: Array, order: tuple[int, ...]) -> Array:
    return x.transpose(order)


def _transpose_rule(g: Tensor, y: Tensor, x: Tensor, order: tuple[int, ...]) -> Tensor:
    back = [0] * len(order)
    for place, axis in enumerate(order):
        back[axis] = place
    return transpose(g, tuple(back))


TRANSPOSE = primitive(
    "transpose",
    _transpose_spec,
    _transpose_numpy,
    (_transpose_rule,),
    "{0} with its axes in the order {order}",
    "transpose({0}, {order})",
    kind="view",
)


def _slice_spec(
    x: Spec, start: tuple[int, ...], stop: tuple[int, ...], step: tuple[int, ...]
) -> Spec:
    for n, a, b, s in zip(x.shape, start, stop, step, strict=True):
        if not (0 <= a <= b <= n and s >= 1):
            raise shape_error(f"slice [{a}:{b}:{s}] does not fit an axis of length {n} in {x}")
    shape = tuple(-(-(b - a) // s) for a, b, s in zip(start, stop, step, strict=True))
    return Spec(shape, x.dtype)


def _slice_numpy(
    x: Array, start: tuple[int, ...], stop: tuple[int, ...], step: tuple[int, ...]
) -> Array:
    return x[tuple(slice(a, b, s) for a, b, s in zip(start, stop, step, strict=True))]


def _slice_rule(
    g: Tensor,
    y: Tensor,
    x: Tensor,
    start: tuple[int, ...],
    stop: tuple[int, ...],
    step: tuple[int, ...],
) -> Tensor:
    spans = [(m - 1) * s + 1 if m else 0 for m, s in zip(g.shape, step, strict=True)]
    high = tuple(n - a - w for n, a, w in zip(x.shape, start, spans, strict=True))
    return pad(g, start, high, tuple(s - 1 for s in step))


SLICE = primitive(
    "slice",
    _slice_spec,
    _slice_numpy,
    (_slice_rule,),
    "{0} from {start} to {stop}",
    "slice({0}, {start}, {stop}, {step})",
    kind="view",
)


def _pad_spec(
    x: Spec, low: tuple[int, ...], high: tuple[int, ...], interior: tuple[int, ...]
) -> Spec:
    if not len(low) == len(high) == len(interior) == x.rank or min((*low, *high, *interior, 0)) < 0:
        raise shape_error(f"pad needs counts of at least 0 for each axis of {x}")
    shape = tuple(
        a + n + max(n - 1, 0) * i + b
        for n, a, b, i in zip(x.shape, low, high, interior, strict=True)
    )
    return Spec(shape, x.dtype)


def _pad_rule(
    g: Tensor,
    y: Tensor,
    x: Tensor,
    low: tuple[int, ...],
    high: tuple[int, ...],
    interior: tuple[int, ...],
) -> Tensor:
    stop = tuple(n - b for n, b in zip(g.shape, high, strict=True))
    return apply(SLICE, g, start=low, stop=stop, step=tuple(i + 1 for i in interior))


PAD = primitive(
    "pad",
    _pad_spec,
    special.pad_zeros,
    (_pad_rule,),
    "{0} with zeros around it",
    "pad({0}, {low}, {high}, {interior})",
)


def _concatenate_spec(*specs: Spec, axis: int) -> Spec:
    first = specs[0]
    for spec in specs[1:]:
        same = spec.rank == first.rank and all(
            i == axis or m == n
            for i, (m, n) in enumerate(zip(spec.shape, first.shape, strict=True))
        )
        if not same:
            received = ", ".join(map(str, specs))
            raise shape_error(
                f"concatenate along axis {axis} needs shapes that agree, got {received}"
            )
    length = sum(spec.shape[axis] for spec in specs)
    return Spec((*first.shape[:axis], length, *first.shape[axis + 1 :]), first.dtype)


def _concatenate_numpy(*arrays: Array, axis: int, out: Array | None = None) -> Array:
    return np.concatenate(arrays, axis=axis, out=out)


def _concatenate_rule(g: Tensor, y: Tensor, *inputs: Tensor, axis: int, index: int) -> Tensor:
    start, stop = [0] * g.ndim, list(g.shape)
    start[axis] = sum(x.shape[axis] for x in inputs[:index])
    stop[axis] = start[axis] + inputs[index].shape[axis]
    return apply(SLICE, g, start=tuple(start), stop=tuple(stop), step=(1,) * g.ndim)


CONCATENATE = primitive(
    "concatenate",
    _concatenate_spec,
    _concatenate_numpy,
    _concatenate_rule,
    "{inputs} side by side along axis {axis}",
    "concatenate({inputs}, axis={axis})",
)


def _check_indices(name: str, spec: Spec) -> None:
    if spec.dtype not in ("i32", "i64"):
        raise DtypeError(
            f"{name} needs i32 or i64 indices, got {spec}{where_raised()}; "
            "convert them with lp.cast(indices, 'int64')."
        )


def _gather_spec(x: Spec, indices: Spec, axis: int) -> Spec:
    _check_indices("gather", indices)
    return Spec((*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :]), x.dtype)


GATHER = primitive(
    "gather",
    _gather_spec,
    special.gather,
    (
        lambda g, y, x, indices, axis: scatter_add(indices, g, axis, x.shape[axis]),
        None,
    ),
    "the entries {1} of {0}",
    "gather({0}, {1}, axis={axis})",
)


def _scatter_spec(indices: Spec, updates: Spec, axis: int, size: int) -> Spec:
    _check_indices("scatter_add", indices)
    inner = axis + indices.rank
    if updates.shape[axis:inner] != indices.shape:
        raise shape_error(
            f"scatter_add needs updates with the axes of the indices {indices} at axis {axis}, "
            f"got {updates}"
        )
    return Spec((*updates.shape[:axis], size, *updates.shape[inner:]), updates.dtype)


def _scatter_numpy(
    indices: Array, updates: Array, axis: int, size: int, out: Array | None = None
) -> Array:
    return special.scatter_add(indices, updates, axis, size, out=out)


SCATTER_ADD = primitive(
    "scatter_add",
    _scatter_spec,
    _scatter_numpy,
    (None, lambda g, y, indices, updates, axis, size: gather(g, indices, axis)),
    "zeros with {1} added at the places {0}",
    "scatter_add({0}, {1}, axis={axis}, size={size})",
)


def _iota_spec(shape: tuple[int, ...], axis: int, dtype: str) -> Spec:
    return Spec(shape, dtype)


def _iota_numpy(shape: tuple[int, ...], axis: int, dtype: str, out: Array | None = None) -> Array:
    count = np.arange(shape[axis], dtype=Spec((), dtype).numpy_dtype)
    spread = count.reshape([-1 if i == axis else 1 for i in range(len(shape))])
    out = np.empty(shape, count.dtype) if out is None else out
    out[...] = spread
    return out


IOTA = primitive(
    "iota",
    _iota_spec,
    _iota_numpy,
    (),
    "0, 1, 2, … along axis {axis}",
    "iota({shape}, axis={axis})",
)

# Functions on tensors -------------------------------------------------------------------------


def check_axis(axis: int, rank: int) -> int:
    """Give an axis counted from the front; negative ones count from the end."""
    if isinstance(axis, bool) or not isinstance(axis, (int, np.integer)):
        raise ArgumentTypeError(f"axis must be a whole number; received {axis!r}.")
    if not -rank <= axis < rank:
        raise ArgumentError(f"axis {axis} does not exist in a tensor of {rank} axes.")
    return int(axis) % rank


def as_indices(indices: Any) -> Tensor:
    """Make a tensor of whole numbers; lists of whole numbers become i64."""
    if isinstance(indices, Tensor) and not indices.weak:
        return indices
    if isinstance(indices, Tensor):
        return unify([indices], dtype="i32" if indices.spec.dtype == "i32" else "i64")[0]
    array = np.asarray(indices)
    if array.size == 0:
        array = array.astype(np.int64)
    if array.dtype.kind not in "iu":
        raise DtypeError(f"Indices must be whole numbers; received dtype {array.dtype}.")
    return Tensor(array if array.dtype == np.int32 else array.astype(np.int64))


def reshape(x: Any, shape: int | Sequence[int]) -> Tensor:
    """Give the same elements in row-major order in another shape; one −1 is worked out."""
    tensor = unify([x])[0]
    wanted = [int(shape)] if isinstance(shape, (int, np.integer)) else [int(n) for n in shape]
    if wanted.count(-1) == 1:
        rest = math.prod(n for n in wanted if n != -1)
        if rest == 0 or tensor.size % rest:
            raise shape_error(f"{tensor.spec} cannot take the shape {wanted}")
        wanted[wanted.index(-1)] = tensor.size // rest
    if tuple(wanted) == tensor.shape:
        return current_value(tensor)
    return apply(RESHAPE, tensor, shape=tuple(wanted))


def transpose(x: Any, order: Sequence[int] | None = None) -> Tensor:
    """Reorder the axes; without an order, reverse them."""
    (x,) = unify([x])
    order = tuple(range(x.ndim))[::-1] if order is None else order
    return apply(TRANSPOSE, x, order=tuple(check_axis(a, x.ndim) for a in order))


def pad(
    x: Any, low: Sequence[int], high: Sequence[int], interior: Sequence[int] | None = None
) -> Tensor:
    """Add zeros before, after and (``interior``) between the elements of each axis."""
    (x,) = unify([x])
    between = (0,) * x.ndim if interior is None else tuple(interior)
    return apply(PAD, x, low=tuple(low), high=tuple(high), interior=between)


def concatenate(tensors: Sequence[Any], axis: int = 0) -> Tensor:
    """Join tensors along an axis that exists."""
    if len(tensors) == 0:
        raise ArgumentError("concatenate needs at least one tensor; received none.")
    parts = unify(list(tensors))
    return apply(CONCATENATE, *parts, axis=check_axis(axis, parts[0].ndim))


def stack(tensors: Sequence[Any], axis: int = 0) -> Tensor:
    """Join tensors of one shape along a new axis."""
    parts = unify(list(tensors))
    axis = check_axis(axis, parts[0].ndim + 1) if parts else 0
    widened = [reshape(t, (*t.shape[:axis], 1, *t.shape[axis:])) for t in parts]
    return concatenate(widened, axis)


def gather(x: Any, indices: Any, axis: int = 0) -> Tensor:
    """Take entries along an axis by whole numbers, as ``np.take`` does.

    An index outside the axis is an error in eager use and in the reference engine.
    """
    (x,) = unify([x])
    return apply(GATHER, x, as_indices(indices), axis=check_axis(axis, x.ndim))


def scatter_add(indices: Any, updates: Any, axis: int, size: int) -> Tensor:
    """Add updates into zeros at the indices along an axis: the derivative of ``gather``."""
    (added,) = unify([updates])
    places = as_indices(indices)
    axis = check_axis(axis, added.ndim - places.ndim + 1)
    return apply(SCATTER_ADD, places, added, axis=axis, size=int(size))


def iota(shape: Sequence[int], axis: int = 0, dtype: object = "int64") -> Tensor:
    """Give 0, 1, 2, … along one axis."""
    shape = tuple(int(n) for n in shape)
    return apply(IOTA, shape=shape, axis=check_axis(axis, len(shape)), dtype=dtype_name(dtype))


def index(x: Tensor, key: Any) -> Tensor:
    """Index as NumPy does with whole numbers, slices, ``...``, ``None`` and one index array."""
    keys = _expand(x, key if isinstance(key, tuple) else (key,))
    start, stop, step = [0] * x.ndim, list(x.shape), [1] * x.ndim
    shape: list[int] = []
    gathered: tuple[int, Tensor] | None = None
    axis = 0
    for item in keys:
        if item is None:
            shape.append(1)
            continue
        length = x.shape[axis]
        if isinstance(item, slice):
            start[axis], stop[axis], step[axis] = _bounds(item, length)
            shape.append(-(-(stop[axis] - start[axis]) // step[axis]))
        elif _is_whole(item):
            place = int(item)
            if not -length <= place < length:
                raise ArgumentError(f"index {place} does not exist in an axis of length {length}.")
            start[axis], stop[axis] = place % length, place % length + 1
        elif gathered is None:
            gathered = (axis, _places(item, length))
            shape.append(length)
        else:
            raise ArgumentTypeError("A tensor can be indexed by one array of indices at a time.")
        axis += 1
    if gathered is not None:
        if any(k is None or _is_whole(k) for k in keys):
            raise ArgumentTypeError(
                "An index array can stand beside slices only; use lp.gather(x, indices, axis)."
            )
        x = apply(GATHER, x, gathered[1], axis=gathered[0])
        at, rank = gathered[0], gathered[1].ndim
        start[at : at + 1], step[at : at + 1] = [0] * rank, [1] * rank
        stop[at : at + 1] = shape[at : at + 1] = list(gathered[1].shape)
    cut = apply(SLICE, x, start=tuple(start), stop=tuple(stop), step=tuple(step))
    return reshape(cut, shape)


def _is_whole(item: Any) -> bool:
    return isinstance(item, (int, np.integer)) and not isinstance(item, bool)


def _places(item: Any, length: int) -> Tensor:
    """Give indices; those of a number, list or array may count from the end, as in NumPy."""
    indices = as_indices(item)
    if isinstance(item, Tensor):
        return where(indices < 0, indices + length, indices) if item.weak else indices
    array = indices.numpy()
    return Tensor(np.where(array < 0, array + length, array))


def _expand(x: Tensor, keys: tuple[Any, ...]) -> list[Any]:
    used = sum(k is not None and k is not Ellipsis for k in keys)
    if used > x.ndim:
        raise shape_error(f"{used} indices are too many for {x.spec}")
    fill = [slice(None)] * (x.ndim - used)
    dots = [i for i, k in enumerate(keys) if k is Ellipsis]
    if len(dots) > 1:
        raise ArgumentError("An index can hold '...' once.")
    at = dots[0] if dots else len(keys)
    return [*keys[:at], *fill, *keys[at + 1 :]]


def _bounds(item: slice, length: int) -> tuple[int, int, int]:
    start, stop, step = item.indices(length)
    if step < 0:
        raise ArgumentError("A slice of a tensor needs a positive step.")
    return start, max(start, stop), step
