"""GradientTape, grad and value_and_grad: gradients of code that runs, eager or in a trace.

Answers for watching ops and asking for gradients. Not for: the sweep itself (``limpide.gradient``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

from limpide.errors import ArgumentTypeError, DtypeError
from limpide.gradient import Applied, backward, seed_gradient
from limpide.ir import FLOATS, Op
from limpide.keywords import known_keywords
from limpide.ops import broadcast_to, zeros_like
from limpide.ops.shaping import RESHAPE
from limpide.tensor import (
    Tensor,
    Variable,
    apply,
    pop_tape,
    push_tape,
    unify,
    weakened,
)


class GradientTape:
    """Records the ops inside its ``with`` block, so that gradients can be asked for.

    Every variable that is read is watched; ``watch`` adds other tensors. The gradient runs
    through ops itself, so an outer tape sees it, and it may be asked for any number of times.

    Examples
    --------
    >>> import limpide as lp
    >>> x = lp.Variable(3.0)
    >>> with lp.GradientTape() as tape:
    ...     y = x * x
    >>> print(tape.gradient(y, x))
    6.0
    """

    def __init__(self, *args: object, **settings: object) -> None:
        if args or settings:
            received = ", ".join([*map(repr, args), *settings])
            raise ArgumentTypeError(
                f"GradientTape takes no arguments; received {received}. "
                "It can be asked for gradients any number of times, and watches every variable."
            )
        self._applied: list[Applied] = []
        self._watched: dict[int, Tensor] = {}
        self._keys: dict[int, int] = {}
        self._alive: list[Tensor] = []

    def __enter__(self) -> GradientTape:
        push_tape(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        pop_tape(self)

    def watch(self, tensor: Tensor) -> None:
        """Record what is done to a tensor of floats that is no variable."""
        if not isinstance(tensor, Tensor):
            raise ArgumentTypeError(
                f"tape.watch needs a Tensor; received {type(tensor).__name__}. "
                "Make one first: x = lp.Tensor(x)."
            )
        if tensor.spec.dtype not in FLOATS:
            raise DtypeError(
                f"tape.watch needs floats, since gradients are with respect to floats; received "
                f"{tensor.spec}. Give floats, such as 3.0 for 3, or lp.cast(x, 'float32')."
            )
        self._watched[id(tensor)] = tensor

    def record(
        self,
        op: Op,
        params: dict[str, Any],
        given: tuple[Tensor, ...],
        values: tuple[Tensor, ...],
        output: Tensor,
    ) -> None:
        """Note one applied op, where an input is watched or follows from what is."""
        for tensor, value in zip(given, values, strict=True):
            if isinstance(tensor, Variable):
                # The value at this moment stands for the variable, for outer tapes too.
                self._watched.setdefault(id(tensor), tensor)
                self._keys[id(value)] = id(tensor)
                self._alive.append(value)
        keys = tuple(self._key(t) for t in given)
        if any(key in self._watched for key in keys):
            self._watched[id(output)] = output
            self._applied.append(Applied(op, params, keys, values, id(output), output))

    def _key(self, tensor: Tensor) -> int:
        return self._keys.get(id(tensor), id(tensor))

    def gradient(self, target: Tensor, sources: Any) -> Any:
        """Give the gradient of a scalar with respect to one tensor or a list of them.

        A source that the target does not depend on gets zeros.

        Raises
        ------
        ShapeError
            For a target that is no scalar.
        ArgumentTypeError
            For a target or a source that is no tensor.
        """
        single = isinstance(sources, Tensor)
        wanted: Sequence[Any] = [sources] if single else list(sources)
        for name, tensor in [("target", target), *(("source", s) for s in wanted)]:
            if not isinstance(tensor, Tensor):
                raise ArgumentTypeError(
                    f"tape.gradient needs tensors; the {name} is a {type(tensor).__name__}."
                )
        keys = [self._key(s) for s in wanted]
        seeds = {self._key(target): seed_gradient(target)}
        found = backward(list(self._applied), seeds, keys)
        results = [
            _like_source(found.get(key), source) for key, source in zip(keys, wanted, strict=True)
        ]
        if single:
            return results[0]
        return tuple(results) if isinstance(sources, tuple) else results


def _like_source(gradient: Tensor | None, source: Tensor) -> Tensor:
    """Give a gradient as a value of its source's sort: that of an argument is one itself."""
    if not source.weak:
        return zeros_like(source) if gradient is None else gradient
    if gradient is None:
        gradient = broadcast_to(Tensor(0, dtype=source.spec.dtype), source.shape)
    # A tensor of its own: others may hold this one, and tapes know it.
    return weakened(apply(RESHAPE, gradient, shape=source.shape), source.weak)


@known_keywords
def value_and_grad(f: Callable[..., Tensor]) -> Callable[..., tuple[Tensor, Any]]:
    """Give a function that returns f's value and its gradient for every argument.

    The gradient is a tuple if there are several arguments.

    >>> import limpide as lp
    >>> value, slope = value_and_grad(lambda x: x * x * x)(2.0)
    >>> print(value, slope)
    8.0 12.0
    """

    _check_function("value_and_grad", f)

    def both(*args: Any) -> tuple[Tensor, Any]:
        tensors = [_differentiable(arg, i) for i, arg in enumerate(args)]
        tape = GradientTape()
        with tape:
            for tensor in tensors:
                tape.watch(tensor)
            (value,) = unify([f(*tensors)])
        slopes = tuple(tape.gradient(value, tensors))
        return value, slopes[0] if len(slopes) == 1 else slopes

    return both


@known_keywords
def grad(f: Callable[..., Tensor]) -> Callable[..., Any]:
    """Give the gradient of ``f`` as a function of the same arguments; it can be applied again.

    >>> import limpide as lp
    >>> print(lp.grad(lp.grad(lambda x: x**3.0))(2.0))
    12.0
    """

    _check_function("grad", f)
    both = value_and_grad(f)

    def slope(*args: Any) -> Any:
        return both(*args)[1]

    return slope


def _check_function(name: str, f: object) -> None:
    if not callable(f):
        raise ArgumentTypeError(
            f"lp.{name} needs a function; received {f!r}. For a loss that is computed already, "
            "use lp.GradientTape."
        )


def _differentiable(value: Any, place: int) -> Tensor:
    (tensor,) = unify([value])
    if tensor.spec.dtype not in FLOATS:
        raise ArgumentTypeError(
            f"Argument {place} is {tensor.spec}; gradients are with respect to floats: "
            "pass lp.cast(x, 'float32')."
        )
    # A tensor of its own for each argument: the same one given twice has two partial derivatives.
    return apply(RESHAPE, tensor, shape=tensor.shape)
