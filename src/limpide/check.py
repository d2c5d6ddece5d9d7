"""Checks that anyone can run: gradients against finite differences, engines against each other.

Answers for ``gradcheck`` and ``check_engines`` and the reports that they give; they compare and
never raise for a difference. Not for: tolerances of limpide's own tests.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from limpide import engines
from limpide.conversion import as_array
from limpide.engines.reference import evaluate
from limpide.errors import ArgumentError, ArgumentTypeError
from limpide.ir import FLOATS, Array, Graph, spec_of
from limpide.keywords import known_keywords
from limpide.tape import value_and_grad
from limpide.tensor import Tensor, unify

_MOST_ELEMENTS = 256  # of one input; of a larger one some elements and random directions are tried
_SOME_ELEMENTS = 32
_DIRECTIONS = 8
_FIRST_STEP = 2.0**-5
_LEVELS = 24
_ENOUGH = 1e-10
_SEED = 2011


@dataclass(frozen=True)
class Comparison:
    """One derivative, computed twice.

    Attributes
    ----------
    where
        The input and the element, such as ``x[0, 3]``, or ``x along random direction 2``.
    analytic, numeric
        The derivative by limpide's rules, and by finite differences.
    allowed
        The largest difference that passes.
    """

    where: str
    analytic: float
    numeric: float
    allowed: float

    @property
    def difference(self) -> float:
        return abs(self.analytic - self.numeric)

    @property
    def passed(self) -> bool:
        return self.difference <= self.allowed  # False for NaN

    @property
    def badness(self) -> float:
        ratio = self.difference / self.allowed
        return np.inf if np.isnan(ratio) else ratio


@dataclass(frozen=True)
class GradcheckReport:
    """What ``gradcheck`` found: true where every derivative passed; print it to read it."""

    comparisons: tuple[Comparison, ...]

    def __bool__(self) -> bool:
        return all(c.passed for c in self.comparisons)

    @property
    def worst(self) -> Comparison:
        """The comparison that comes closest to failing, or fails by most."""
        return max(self.comparisons, key=lambda c: c.badness)

    @property
    def failures(self) -> tuple[Comparison, ...]:
        """The comparisons that fail, worst first."""
        wrong = [c for c in self.comparisons if not c.passed]
        return tuple(sorted(wrong, key=lambda c: -c.badness))

    def __str__(self) -> str:
        total, wrong = len(self.comparisons), self.failures
        if not wrong:
            head = f"gradcheck passed: {total} derivatives; the worst:"
        else:
            head = f"gradcheck FAILED: {len(wrong)} of {total} derivatives; the worst:"
        rows = wrong[:5] or (self.worst,)
        width = max(len(c.where) for c in rows)
        lines = [
            f"  {c.where:<{width}}  analytic {c.analytic: .12e}  numeric {c.numeric: .12e}"
            f"  difference {c.difference:.1e}, allowed {c.allowed:.1e}"
            for c in rows
        ]
        return "\n".join([head, *lines])


@known_keywords
def gradcheck(
    f: Callable[..., Any],
    *inputs: Any,
    epsilon: float | None = None,
    tolerance: float = 1e-7,
) -> GradcheckReport:
    """Compare the gradient of ``f`` with finite differences, in float64.

    Every element of every input of floats is moved, one at a time; of an input with more than
    256 elements, 32 elements and 8 random directions. Integers and bools in arrays or tensors
    (labels, indices) are handed on as they are. Where ``f`` has a kink (relu at 0) the two
    derivatives differ by nature: choose another point.

    Parameters
    ----------
    f
        A function of tensors that gives one number, a float64 tensor. Variables and arrays that
        it captures need to be float64 too.
    inputs
        Where to check: numbers, lists, arrays or tensors; floats are converted to float64.
    epsilon
        The step, for central differences at ``epsilon`` and half of it, extrapolated. Default:
        steps from 2⁻⁵ (times the size of the element, where that is more than 1) down, each half
        of the one before, of which the most consistent are taken.
    tolerance
        The difference allowed, as a share of the largest derivative for the same input (at
        least of 0.01, and of 0.01 of the function's value).

    Returns
    -------
    GradcheckReport
        True where all agree; printing it shows the worst offender, analytic beside numeric.

    Raises
    ------
    ArgumentError
        For a step or tolerance that is not positive, or without an input of floats.
    ShapeError
        Where ``f`` gives more than one number.

    Source
    ------
    Ridders (1982), "Accurate computation of F'(x) and F'(x)F''(x)", Adv. Eng. Software 4.

    Examples
    --------
    >>> import limpide as lp
    >>> bool(lp.gradcheck(lambda x: lp.sum(x**3.0), [1.0, 2.0]))
    True
    """
    if not callable(f):
        raise ArgumentTypeError(f"gradcheck needs a function first; received {f!r}.")
    for name, number in (("epsilon", epsilon), ("tolerance", tolerance)):
        if number is not None and not 0 < number < np.inf:
            raise ArgumentError(f"{name} must be a positive number; received {number!r}.")
    points = [_point(value) for value in inputs]
    moving = [i for i, point in enumerate(points) if spec_of(point).dtype in FLOATS]
    if not moving:
        raise ArgumentError("gradcheck needs an input of floats to move; received none.")

    def partial(*values: Any) -> Any:
        given: list[Any] = [Tensor(point) for point in points]
        for i, value in zip(moving, values, strict=True):
            given[i] = value
        return f(*given)

    with np.errstate(all="ignore"):  # points may be infinite or NaN: the report shows it
        return _report(f, points, moving, partial, epsilon, tolerance)


def _report(
    f: Callable[..., Any],
    points: list[Array],
    moving: list[int],
    partial: Callable[..., Any],
    epsilon: float | None,
    tolerance: float,
) -> GradcheckReport:
    value, slopes = value_and_grad(partial)(*(points[i] for i in moving))
    gradients = [slopes] if len(moving) == 1 else list(slopes)
    names = _names(f, len(points))
    found: list[Comparison] = []
    for place, (i, gradient) in enumerate(zip(moving, gradients, strict=True)):
        line = _along(partial, [points[j] for j in moving], place)
        rows = [
            (where, _projected(gradient.numpy(), direction), _slope(line, direction, epsilon))
            for where, direction in _directions(names[i], points[i])
        ]
        largest = max((max(abs(a), abs(n)) for _, a, n in rows if np.isfinite(a + n)), default=0.0)
        allowed = tolerance * max(largest, 0.01, 0.01 * abs(float(value)))
        found += [Comparison(where, a, n, allowed) for where, a, n in rows]
    return GradcheckReport(tuple(found))


def _projected(gradient: Array, direction: Array) -> float:
    along = direction != 0  # elsewhere the gradient may be infinite, and inf * 0 is NaN
    with np.errstate(all="ignore"):
        return float((gradient[along] * direction[along]).sum())


def _point(value: Any) -> Array:
    if isinstance(value, (bool, int, float, list, tuple)):
        (tensor,) = unify([value], dtype="f64")
        return tensor.numpy()
    array = np.array(as_array(value, "an input of gradcheck"))
    return array.astype(np.float64) if array.dtype.kind == "f" else array


def _names(f: Callable[..., Any], count: int) -> list[str]:
    try:
        parameters = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    names: list[str] = []
    for i in range(count):
        if i < len(parameters) and parameters[i].kind != inspect.Parameter.VAR_POSITIONAL:
            names.append(parameters[i].name)
        else:
            names.append(f"input {i}")
    return names


def _directions(name: str, point: Array) -> Iterator[tuple[str, Array]]:
    """Give each element that is to be moved, as a name and an array with a 1 there."""
    places = np.arange(point.size)
    generator = np.random.default_rng(_SEED)
    large = point.size > _MOST_ELEMENTS
    if large:
        places = np.sort(generator.choice(places, _SOME_ELEMENTS, replace=False))
    for place in places.tolist():
        direction = np.zeros(point.size)
        direction[place] = 1.0
        at = ", ".join(str(int(k)) for k in np.unravel_index(place, point.shape))
        yield f"{name}[{at}]" if at else name, direction.reshape(point.shape)
    if large:
        for k in range(_DIRECTIONS):
            unit = generator.normal(size=point.shape)
            yield f"{name} along random direction {k}", unit / np.linalg.norm(unit)


Line = Callable[[Array, float], tuple[float, float]]
"""``line(direction, step)``: the central difference, and how far rounding may have moved it."""


def _along(f: Callable[..., Any], points: list[Array], place: int) -> Line:
    """Give the central differences of ``f`` as one input moves along a direction."""

    def value(direction: Array, step: float) -> float:
        moved = list(points)
        moved[place] = points[place] + step * direction
        return float(f(*(Tensor(p) for p in moved)))

    def at(direction: Array, step: float) -> tuple[float, float]:
        step *= float(np.abs(points[place] * (direction != 0)).max(initial=1.0))
        ahead, behind = value(direction, step), value(direction, -step)
        rounding = float(np.finfo(np.float64).eps) * max(abs(ahead), abs(behind)) / step
        return (ahead - behind) / (2 * step), rounding

    return at


def _slope(line: Line, direction: Array, epsilon: float | None) -> float:
    if epsilon is not None:
        return (4 * line(direction, epsilon / 2)[0] - line(direction, epsilon)[0]) / 3
    return _ridders(line, direction)


def _ridders(line: Line, direction: Array) -> float:
    """Extrapolate central differences to step 0, and keep the entry that its neighbours confirm.

    Steps that leave the domain of ``f`` give NaN or infinity; the table then begins anew.
    """
    best, error = np.nan, np.inf
    row: list[float] = []
    for level in range(_LEVELS):
        quotient, rounding = line(direction, _FIRST_STEP * 0.5**level)
        if not np.isfinite(quotient):
            row = []
            continue
        new = [quotient]
        for order, before in enumerate(row):
            factor = 4.0 ** (order + 1)
            new.append((factor * new[order] - before) / (factor - 1))
            doubt = rounding + max(abs(new[-1] - new[-2]), abs(new[-1] - before))
            if doubt < error:
                best, error = new[-1], doubt
        if error <= _ENOUGH * abs(best):
            break
        row = new
    return best


@dataclass(frozen=True)
class EnginesReport:
    """What ``check_engines`` found; true where every output agrees."""

    engine: str
    tolerance: float
    differences: dict[str, float]

    def __bool__(self) -> bool:
        return all(d <= self.tolerance for d in self.differences.values())

    def __str__(self) -> str:
        said = "agrees" if self else "DISAGREES"
        lines = [f"  {name}: {value:.3g}" for name, value in self.differences.items()]
        head = f"{self.engine} {said} with the plain meaning; largest relative differences:"
        return "\n".join([head, *lines])


@known_keywords
def check_engines(
    graph: Graph,
    inputs: Sequence[Any],
    engine: str | None = "reference",
    tolerance: float = 0.0,
) -> EnginesReport:
    """Compare an engine's compiled program with the plain meaning of a graph, op by op.

    Parameters
    ----------
    graph
        Any graph.
    inputs
        One array for each input of the graph, of its shape and dtype.
    engine
        Which engine; None is the best that is installed.
    tolerance
        The largest difference allowed, relative to the largest number of the output. At 0 the
        bits have to agree, the signs of zeros too.

    Returns
    -------
    EnginesReport
        True where all outputs agree.

    Raises
    ------
    ArgumentError
        Where the inputs do not fit the graph.

    Examples
    --------
    >>> import limpide as lp
    >>> double = lp.function(lambda x: x + x)
    >>> x = np.ones(3)
    >>> bool(check_engines(double.graph(x), [x]))
    True
    """
    arrays = [np.asarray(array) for array in inputs]
    received = [(a.shape, a.dtype) for a in arrays]
    if received != [(n.spec.shape, n.spec.numpy_dtype) for n in graph.inputs]:
        raise ArgumentError(
            f"{graph!r} takes {', '.join(str(n.spec) for n in graph.inputs)}; received "
            f"{', '.join(f'{dtype.name}{list(shape)}' for shape, dtype in received)}."
        )
    values = evaluate(graph, [array.copy() for array in arrays])
    runner = engines.get(engine)
    outputs = runner.compile(graph)([array.copy() for array in arrays])
    differences = {
        name: _difference(outputs[i], values[id(node)], exact=tolerance == 0)
        for i, (name, node) in enumerate(zip(graph.output_names, graph.outputs, strict=True))
    }
    return EnginesReport(runner.name, tolerance, differences)


def _difference(actual: Array, expected: Array, exact: bool) -> float:
    if actual.shape != expected.shape or actual.dtype != expected.dtype:
        return np.inf
    if actual.dtype.kind != "f":
        return 0.0 if np.array_equal(actual, expected) else np.inf
    if not np.array_equal(np.isnan(actual), np.isnan(expected)):
        return np.inf
    if exact and not np.array_equal(np.signbit(actual), np.signbit(expected)):
        return np.inf
    same = (actual == expected) | np.isnan(actual)
    if not np.isfinite(actual[~same]).all() or not np.isfinite(expected[~same]).all():
        return np.inf
    gap = np.abs(actual[~same].astype(np.float64) - expected[~same]).max(initial=0.0)
    size = np.abs(expected[np.isfinite(expected)]).astype(np.float64).max(initial=0.0)
    return float(gap / size) if gap else 0.0
