"""Parameters: a network's arrays by name, each of which keeps its identity.

Answers for setting by name. Not for: scalar names (``limpide.scalars``).
"""

from __future__ import annotations

from typing import Any, NoReturn

from limpide.arrays import as_numbers
from limpide.conversion import convert
from limpide.errors import ArgumentError, ArgumentTypeError, NameKeyError, ShapeError, nearest
from limpide.ir import Array, dtype_name


class Parameters(dict[str, Array]):
    """A dict of arrays whose names are fixed: setting an item writes into its array.

    >>> import limpide as lp
    >>> net = lp.Network([2, 1], seed=0)
    >>> bias = net.params["output.bias"]
    >>> net.params["output.bias"] = 0.5
    >>> bias is net.params["output.bias"], bias
    (True, array([0.5], dtype=float32))
    """

    def __missing__(self, name: object) -> NoReturn:
        raise NameKeyError(
            f"No array is named {name!r}; there are {', '.join(self) or 'none'}."
            f"{nearest(str(name), self)}"
        )

    def __setitem__(self, name: str, value: Any) -> None:
        if name not in self:
            raise ArgumentError(
                f"No parameter is named {name!r}; there are {', '.join(self) or 'none'}."
                f"{nearest(name, self)}"
            )
        array = as_numbers(value, name)
        if array.shape not in ((), self[name].shape):
            raise ShapeError(
                f"{name} has shape {list(self[name].shape)}; received {list(array.shape)}."
            )
        self[name][...] = convert(array, dtype_name(self[name].dtype), name)

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Set several."""
        for name, value in dict(*args, **kwargs).items():
            self[name] = value

    def __ior__(self, other: Any) -> Parameters:  # type: ignore[override,misc]
        self.update(other)
        return self

    def _fixed(self, *_: Any) -> NoReturn:
        raise ArgumentTypeError(
            "The names of a network's arrays are fixed; set the numbers instead: "
            "net.params['output.bias'] = 0."
        )

    __delitem__ = _fixed
    pop = _fixed
    popitem = _fixed
    clear = _fixed
    setdefault = _fixed

    def __reduce__(self) -> tuple[Any, ...]:
        # Not item by item: names cannot be added to an empty one.
        return (Parameters, (dict(self),))
