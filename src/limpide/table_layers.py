"""Layers in front of a table's network: scaling, missing values, one-hot, side by side.

Answers for everything numeric between a table's matrix and the first Dense layer; statistics are
state, so that engines compile them and model files carry them. Not for: finding the statistics.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from limpide.conversion import check_finite_scalar
from limpide.errors import ArgumentError, ShapeError
from limpide.ir import shape_error
from limpide.layers import Layer, ParameterSpec, Tensors, check_size
from limpide.ops import (
    RandomSource,
    cast,
    concatenate,
    equal,
    gather,
    maximum,
    minimum,
    not_equal,
    sqrt,
    where,
)
from limpide.tensor import Tensor

# A scaled number beyond this is at the end of the soft clip to 12 digits; its square is finite.
_FAR = 1e6


def _scaled(state: Tensors, x: Tensor) -> Tensor:
    """Give (x − centre) · factor, 0 for a missing number, and never an infinity."""
    known = where(equal(x, x), x, state["centre"])
    return maximum(minimum((known - state["centre"]) * state["factor"], _FAR), -_FAR)


@dataclass(frozen=True)
class Standardize(Layer):
    """Scale each number: (x − centre) · factor, f[n, k] → f[n, k]; a missing one (NaN) gives 0.

    ``centre`` and ``factor`` are state, set from data: the mean and 1 / standard deviation.

    >>> import limpide as lp
    >>> net = lp.Network([1, Standardize(name="scale"), 1], seed=0)
    >>> net.state["scale.centre"][:] = 20
    """

    takes_missing = True

    def state(self, inputs: int) -> dict[str, Any]:
        return {"centre": np.zeros(inputs), "factor": np.ones(inputs)}

    def forward(
        self, params: Tensors, state: Tensors, x: Tensor, training: RandomSource | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        return _scaled(state, x), {}

    def config(self) -> dict[str, Any]:
        return {}


@dataclass(frozen=True)
class RobustScale(Standardize):
    """Scale each number by median and quartiles, and clip it smoothly into (−limit, limit).

    z = (x − centre) · factor, then z / √(1 + (z/limit)²): near 0 this is z, far out ±limit, so
    that no outlier rules the network. Source: Holzmüller, Grinsztajn, Steinwart, "Better by
    default", arXiv 2407.04491 (RealMLP), with 3 for the limit.
    """

    limit: float = 3.0

    def __post_init__(self) -> None:
        if check_finite_scalar(self.limit, "limit") <= 0:
            raise ArgumentError(f"limit must be above 0; received {self.limit}.")

    def forward(
        self, params: Tensors, state: Tensors, x: Tensor, training: RandomSource | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        z = _scaled(state, x)
        share = z * (1 / self.limit)
        return z / sqrt(share * share + 1), {}

    def config(self) -> dict[str, Any]:
        return {"limit": float(self.limit)}


@dataclass(frozen=True)
class Missing(Layer):
    """Give 1 where a number is missing (NaN), else 0: f[n, k] → f[n, k]."""

    takes_missing = True

    def forward(
        self, params: Tensors, state: Tensors, x: Tensor, training: RandomSource | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        return cast(not_equal(x, x), x.spec.dtype), {}

    def config(self) -> dict[str, Any]:
        return {}


@dataclass(frozen=True)
class Equals(Layer):
    """Give 1 where a number equals its column's ``value``, else 0: f[n, k] → f[n, k].

    For columns where one value stands out, such as 0 in counts: "none at all" is then a fact of
    its own. ``value`` is state.
    """

    takes_missing = True

    def state(self, inputs: int) -> dict[str, Any]:
        return {"value": np.zeros(inputs)}

    def forward(
        self, params: Tensors, state: Tensors, x: Tensor, training: RandomSource | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        return cast(equal(x, state["value"]), x.spec.dtype), {}

    def config(self) -> dict[str, Any]:
        return {}


@dataclass(frozen=True)
class PiecewiseLinear(Layer):
    """Say how far numbers have come through stretches of their column: f[n, k] → f[n, Σ of them].

    A stretch from a to b gives (x − a) / (b − a), from 0 before it to 1 behind it, so that the next
    layer draws a broken line over each number. The first stretch goes on below, and the last
    above, by their own length. All are divided by half the root of their column's number of them:
    a column counts alike, however finely it is cut. A missing number (NaN) gives zeros. Source:
    Gorishniy, Rubachev, Babenko, arXiv 2203.05556, whose ends go on for ever.

    Parameters
    ----------
    stretches
        How many each column has.

    ``start``, the a of each, and ``factor``, 1 / (b − a), are state, set from data.
    """

    stretches: tuple[int, ...]

    takes_missing = True

    def __post_init__(self) -> None:
        if not self.stretches:
            raise ArgumentError("stretches must hold a number for each column; received none.")
        sizes = tuple(check_size(n, f"stretches[{i}]") for i, n in enumerate(self.stretches))
        object.__setattr__(self, "stretches", sizes)

    def outputs(self, inputs: int) -> int:
        if inputs != len(self.stretches):
            raise shape_error(
                f"PiecewiseLinear was built for {len(self.stretches)} columns and gets {inputs}"
            )
        return sum(self.stretches)

    def state(self, inputs: int) -> dict[str, Any]:
        width = sum(self.stretches)
        return {"start": np.zeros(width), "factor": np.ones(width)}

    def forward(
        self, params: Tensors, state: Tensors, x: Tensor, training: RandomSource | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        sizes = np.array(self.stretches)
        ends = np.cumsum(sizes)
        least, most = np.zeros(ends[-1]), np.ones(ends[-1])
        least[ends - sizes], most[ends - 1] = -1, 2
        columns = np.repeat(np.arange(len(sizes)), sizes)
        scale = np.repeat(2 / np.sqrt(sizes), sizes)
        dtype = x.spec.numpy_dtype
        repeated = gather(x, Tensor(columns), axis=1)
        way = (repeated - state["start"]) * state["factor"]
        inside = minimum(maximum(way, Tensor(least.astype(dtype))), Tensor(most.astype(dtype)))
        return where(equal(repeated, repeated), inside * Tensor(scale.astype(dtype)), 0), {}

    def config(self) -> dict[str, Any]:
        return {"stretches": list(self.stretches)}

    def describe(self) -> str:
        return f"PiecewiseLinear of {len(self.stretches)} columns"


@dataclass(frozen=True)
class OneHot(Layer):
    """Give a 1 in the place of each column's code: f[n, k] of codes → f[n, Σ categories].

    Codes of column i go from 1 to ``categories[i]``; 0 stands for none of them and gives zeros,
    as does a missing one (NaN).
    """

    categories: tuple[int, ...]

    takes_missing = True

    def __post_init__(self) -> None:
        if not self.categories:
            raise ArgumentError("categories must hold a number for each column; received none.")
        sizes = tuple(check_size(n, f"categories[{i}]") for i, n in enumerate(self.categories))
        object.__setattr__(self, "categories", sizes)

    def outputs(self, inputs: int) -> int:
        if inputs != len(self.categories):
            raise shape_error(
                f"OneHot was built for {len(self.categories)} columns and gets {inputs}"
            )
        return sum(self.categories)

    def forward(
        self, params: Tensors, state: Tensors, x: Tensor, training: RandomSource | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        columns = np.repeat(np.arange(len(self.categories)), self.categories)
        codes = np.concatenate([np.arange(1, n + 1) for n in self.categories])
        repeated = gather(x, Tensor(columns.astype(np.int64)), axis=1)
        wanted = Tensor(codes.astype(x.spec.numpy_dtype))
        return cast(equal(repeated, wanted), x.spec.dtype), {}

    def config(self) -> dict[str, Any]:
        return {"categories": list(self.categories)}

    def describe(self) -> str:
        return f"OneHot of {len(self.categories)} columns"


@dataclass(frozen=True)
class Columns(Layer):
    """Layers side by side, each on columns of its own: f[n, k] → their outputs in a row.

    Parameters
    ----------
    parts
        (columns, layer): a tuple of places and the layer for them, which needs a ``name``. A
        column may go to several layers, or to none. Its parameters and state are named
        ``"name.key"``. A layer that cannot take missing numbers sees 0 in their place.

    Raises
    ------
    ArgumentError
        Where a part has no name, or the name of another.
    """

    parts: tuple[tuple[tuple[int, ...], Layer], ...]

    takes_missing = True

    def __post_init__(self) -> None:
        parts = tuple((tuple(int(i) for i in places), layer) for places, layer in self.parts)
        names = [layer.name for _, layer in parts]
        if not parts or None in names or len(set(names)) < len(names):
            raise ArgumentError(
                f"the layers of Columns need names of their own; received {names}. "
                "Write ((0, 1), RobustScale(name='numbers'))."
            )
        if any(not places or min(places) < 0 for places, _ in parts):
            raise ArgumentError("each part of Columns needs columns, counted from 0.")
        object.__setattr__(self, "parts", parts)

    def outputs(self, inputs: int) -> int:
        for places, layer in self.parts:
            if max(places) >= inputs:
                raise ShapeError(
                    f"Columns: part {layer.name!r} takes column {max(places)}; there are {inputs}."
                )
        return sum(layer.outputs(len(places)) for places, layer in self.parts)

    def parameters(self, inputs: int) -> dict[str, ParameterSpec]:
        return {
            f"{layer.name}.{key}": spec
            for places, layer in self.parts
            for key, spec in layer.parameters(len(places)).items()
        }

    def state(self, inputs: int) -> dict[str, Any]:
        return {
            f"{layer.name}.{key}": value
            for places, layer in self.parts
            for key, value in layer.state(len(places)).items()
        }

    def forward(
        self, params: Tensors, state: Tensors, x: Tensor, training: RandomSource | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        results: list[Tensor] = []
        changed: dict[str, Tensor] = {}
        for places, layer in self.parts:
            own = _chosen(x, places)
            if not layer.takes_missing:
                own = where(equal(own, own), own, 0)
            mine, kept = _of(layer, params), _of(layer, state)
            y, new = layer.forward(mine, kept, own, training)
            results.append(y)
            changed |= {f"{layer.name}.{key}": value for key, value in new.items()}
        return (results[0] if len(results) == 1 else concatenate(results, axis=1)), changed

    def config(self) -> dict[str, Any]:
        return {
            "parts": [
                {
                    "columns": list(places),
                    "layer": {
                        "type": type(layer).__name__,
                        "name": layer.name or "",
                        **layer.config(),
                    },
                }
                for places, layer in self.parts
            ]
        }

    def describe(self) -> str:
        return f"Columns: {', '.join(str(layer.name) for _, layer in self.parts)}"


def _chosen(x: Tensor, places: tuple[int, ...]) -> Tensor:
    """Give columns of x: a slice where they are neighbours."""
    first, last = places[0], places[-1]
    if places == tuple(range(first, last + 1)):
        return x if len(places) == x.shape[1] else x[:, first : last + 1]
    return gather(x, Tensor(np.array(places, np.int64)), axis=1)


def _of(layer: Layer, values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    start = f"{layer.name}."
    return {key[len(start) :]: v for key, v in values.items() if key.startswith(start)}
