"""``@function``: a user's own training step, traced once a signature into a graph and compiled.

Answers for tracing Python functions, calling the compiled graph, ``repeat`` and ``graph``.
Not for: running (``limpide.engines``), or what ops mean.
"""

from __future__ import annotations

import functools
import inspect
import sys
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from limpide import engines
from limpide.conversion import as_array, cast_array, is_plain, plain_array
from limpide.errors import ArgumentError, ArgumentTypeError
from limpide.ir import FLOATS, INPUT, Array, Graph, Loop, Node, Spec, Trace, spec_of
from limpide.keywords import known_keywords
from limpide.locks import Lock
from limpide.memory import check_fits
from limpide.tensor import (
    Tensor,
    Tracing,
    Variable,
    current_tracing,
    present,
    settle,
    tracing_into,
    watching,
    weakened,
)

SLICE_SECONDS = 0.2
_MOST_KEPT = 128  # signatures of one function, the least recently used is forgotten first


@dataclass(frozen=True)
class Leaf:
    """One argument of a signature: traced (with a Spec) or static (its value is part of it)."""

    kind: str  # "tensor", "array", "number", "static"
    spec: Spec | None = None
    static: Any = None


@dataclass(eq=False)
class Concrete:
    """A function traced for one signature."""

    graph: Graph
    n_arguments: int
    variables: list[Variable]  # in the order of the graph's inputs behind the arguments
    assigned: list[Variable]  # in the order of the graph's last outputs
    result: Any  # the structure returned, with places of outputs
    statics: list[Any]  # static arguments, known by their id: weakly where that can be
    run: Callable[[list[Array]], list[Array]] | None = None
    loop: Callable[..., list[Array]] | None = None


@dataclass(frozen=True)
class _Place:
    """Stands for the n-th output of the graph in the structure that a function returns."""

    index: int


class Function:
    """A Python function that runs as a compiled graph; made by ``@lp.function``."""

    def __init__(self, python: Callable[..., Any]) -> None:
        self._python = python
        self._name = getattr(python, "__name__", type(python).__name__)
        self._concrete: dict[Any, Concrete] = {}  # the least recently used first
        self._lock = Lock()
        functools.update_wrapper(self, python)

    def __reduce_ex__(self, protocol: Any) -> Any:
        # A function that a module holds is found there again, as Python's own are.
        path: str = getattr(self, "__qualname__", "")
        held: Any = sys.modules.get(self.__module__)
        for name in path.split("."):
            held = getattr(held, name, None)
        return path if held is self else super().__reduce_ex__(protocol)

    def __getstate__(self) -> Any:
        return self._python  # what was traced is traced again

    def __setstate__(self, python: Any) -> None:
        self.__init__(python)  # type: ignore[misc]

    def __get__(self, instance: object, owner: type | None = None) -> Any:
        return self if instance is None else Method(self, instance)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        # Inside another trace it is inlined; under a tape it runs eagerly, to be seen.
        if current_tracing() is not None or watching():
            given = {name: _loose(value) for name, value in kwargs.items()}
            return _settled(self._python(*map(_loose, args), **given))
        with self._lock:
            concrete, arrays = self._prepare(args, kwargs)
            if concrete.run is None:
                concrete.run = engines.get(None).compile(concrete.graph)
            outputs = concrete.run([*arrays, *(v._array for v in concrete.variables)])
            n_results = len(outputs) - len(concrete.assigned)
            for variable, value in zip(concrete.assigned, outputs[n_results:], strict=True):
                variable._array[...] = value
            return _filled(concrete.result, [Tensor._wrap(a) for a in outputs[:n_results]])

    def graph(self, *args: Any, **kwargs: Any) -> Graph:
        """Give the graph for these arguments; print it to read it."""
        with self._lock:
            return self._prepare(args, kwargs)[0].graph

    def compiled(self, *args: Any, **kwargs: Any) -> Any:
        """Give the machine code for these arguments: its ``ir``, ``assembly``, kernels."""
        with self._lock:
            graph = self._prepare(args, kwargs)[0].graph
        return engines.compiled(engines.get("native").compile(graph))

    def repeat(self, times: int, *args: Any, **kwargs: Any) -> Any:
        """Call the function ``times`` times with the same arguments, the loop in the engine.

        Returns
        -------
        What the function returns, each tensor with a leading axis of length ``times``. After
        Ctrl-C the variables hold what a whole step left: the last of a slice of about 0.2 s.

        Examples
        --------
        >>> import limpide as lp
        >>> w = lp.Variable(1.0)
        >>> @lp.function
        ... def halve():
        ...     w.assign(w * 0.5)
        ...     return w + 0
        >>> print(halve.repeat(3))
        [0.5   0.25  0.125]
        """
        if isinstance(times, bool) or not isinstance(times, (int, np.integer)) or times < 0:
            raise ArgumentError(
                f"repeat needs a whole number of times, 0 or more; received {times!r}."
            )
        if current_tracing() is not None or watching():
            raise ArgumentError(
                f"{self._name}.repeat runs its loop in the engine, where no tape and no trace "
                f"sees it; call {self._name} in a Python loop here."
            )
        with self._lock:
            concrete, arrays = self._prepare(args, kwargs)
            n_results = len(concrete.graph.outputs) - len(concrete.assigned)
            results = [node.spec for node in concrete.graph.outputs[:n_results]]
            check_fits(
                float(times) * sum(spec.nbytes for spec in results),
                f"What {self._name} returns, {times:,} times,",
                "Repeat it fewer times, or let it return less.",
            )
            seen = [np.empty((int(times), *spec.shape), spec.numpy_dtype) for spec in results]
            if concrete.loop is None:
                concrete.loop = engines.get(None).compile_loop(_as_loop(concrete))
            carry = [v._array for v in concrete.assigned]
            changed = set(map(id, concrete.assigned))
            held = [v._array for v in concrete.variables if id(v) not in changed]
            for start, stop in slices(int(times)):
                part = concrete.loop(carry, [*arrays, *held], [], None, stop - start)
                for whole, piece in zip(seen, part, strict=True):
                    whole[start:stop] = piece
            return _filled(concrete.result, [Tensor._wrap(a) for a in seen])

    def _prepare(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[Concrete, list[Any]]:
        names, values = self._named(args, kwargs)
        leaves: list[Leaf] = []
        arrays: list[Array] = []
        structure = [_leaf(value, leaves, arrays) for value in values]
        key = (tuple(names), _key(structure), tuple(_leaf_key(leaf) for leaf in leaves))
        concrete = self._concrete.pop(key, None)
        if concrete is None:
            concrete = self._trace(names, structure, leaves)
            concrete.statics = self._held(key, leaves)
            while len(self._concrete) >= _MOST_KEPT:
                self._concrete.pop(next(iter(self._concrete)), None)
        self._concrete[key] = concrete
        inputs = concrete.graph.inputs
        return concrete, [
            cast_array(array, node.spec.dtype, node.name)
            for array, node in zip(arrays, inputs, strict=False)
        ]

    def _held(self, key: Any, leaves: list[Leaf]) -> list[Any]:
        """Hold static arguments weakly where that can be: what was traced for one goes with it."""
        kept = self._concrete  # not self: a method's object may hold this function
        statics: list[Any] = []
        for leaf in leaves:
            if leaf.spec is not None:
                continue
            try:
                statics.append(weakref.ref(leaf.static, lambda _: kept.pop(key, None)))
            except TypeError:
                statics.append(leaf.static)
        return statics

    def _named(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[list[str], list[Any]]:
        try:
            bound = inspect.signature(self._python).bind(*args, **kwargs)
        except TypeError as error:
            raise ArgumentTypeError(f"{self._name}: {error}.") from None
        bound.apply_defaults()
        return list(bound.arguments), list(bound.arguments.values())

    def _trace(self, names: list[str], structure: list[Any], leaves: list[Leaf]) -> Concrete:
        tracing = Tracing(self._name)
        tracing.names = _variable_names(self._python)
        arguments = {
            name: _build(part, name, leaves, tracing)
            for name, part in zip(names, structure, strict=True)
        }
        weak = list(tracing.trace.inputs)
        n_arguments = len(weak)
        with tracing_into(tracing):
            positional, keywords = _call_with(self._python, arguments)
            returned = self._python(*positional, **keywords)
            outputs: list[tuple[str, Node]] = []
            result = _outputs(returned, "result", outputs, tracing)
        assigned = tracing.assigned()
        outputs += [(node.name, value) for _, node, value in assigned]
        _cast_outside(tracing.trace, weak, leaves, [value for _, value in outputs])
        graph = tracing.trace.finish([n for _, n in outputs], [name for name, _ in outputs])
        return Concrete(
            graph,
            n_arguments,
            [variable for variable, _ in tracing.variables.values()],
            [variable for variable, _, _ in assigned],
            result,
            [],
        )


class Method:
    """A function of a class, bound to one object."""

    def __init__(self, function: Function, instance: object) -> None:
        self._function = function
        self._instance = instance
        functools.update_wrapper(self, function, updated=())

    def __getstate__(self) -> Any:
        return self._function, self._instance

    def __setstate__(self, state: Any) -> None:
        self.__init__(*state)  # type: ignore[misc]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._function(self._instance, *args, **kwargs)

    def graph(self, *args: Any, **kwargs: Any) -> Graph:
        """Give the graph for these arguments; print it to read it."""
        return self._function.graph(self._instance, *args, **kwargs)

    def repeat(self, times: int, *args: Any, **kwargs: Any) -> Any:
        """Call ``times`` times, the loop in the engine: see ``Function.repeat``."""
        return self._function.repeat(times, self._instance, *args, **kwargs)


@known_keywords
def function(python: Callable[..., Any] | None = None) -> Function:
    """Trace a function over tensors into a graph, once for each signature, and compile it.

    Numbers and arrays passed as arguments are traced: new values compile nothing. Variables
    read become inputs of the graph, assigned ones outputs. Numbers that the function captures
    from outside, and bools, text and other objects passed to it, are constants of the trace: a
    change of such an object is not seen by what was traced for it.

    Graphs are kept for the 128 signatures used last; those of an object, such as the ``self`` of a
    method, are forgotten with it.

    Raises
    ------
    TraceError
        Where Python asks for the number of a traced value, as in ``if loss > 1:``.

    Examples
    --------
    >>> import limpide as lp
    >>> @lp.function
    ... def double(x):
    ...     return x + x
    >>> print(double([1.0, 2.0]))
    [2. 4.]
    """
    if python is None:
        raise ArgumentTypeError(
            "lp.function decorates a function; received none. Write @lp.function, without ()."
        )
    if not callable(python):
        raise ArgumentTypeError(f"lp.function decorates a function; received {python!r}.")
    return Function(python)


class Pace:
    """How many steps fit in a slice of some seconds; carried on from one run to the next.

    ``measured`` gives the time to go by for the one that was taken here.
    """

    def __init__(
        self,
        size: int = 1,
        measured: Callable[[float], float] = float,
        seconds: float = SLICE_SECONDS,
    ) -> None:
        self.size, self._measured, self._seconds = size, measured, seconds

    def note(self, steps: int, seconds: float) -> None:
        """Learn from a slice. A short one cannot say much, so the size grows by 64 at most."""
        seconds = self._measured(seconds)
        fits = int(steps * self._seconds / max(seconds, 1e-9))
        self.size = max(1, min(max(self.size, 64 * steps), fits))


def slices(
    total: int, pace: Pace | None = None, unit: int = 1, begun: int = 0
) -> Iterator[tuple[int, int]]:
    """Cut a run of ``total`` steps into pieces of some time each, measured as it goes.

    Pieces end with a unit of steps, the first of which has ``begun`` so many steps ago, where
    they are as long as one.
    """
    pace = pace or Pace()
    start = 0
    while start < total:
        stop = min(start + pace.size, total)
        if stop < total:
            whole = stop - (begun + stop) % unit
            stop = whole if whole > start else stop
        before = time.perf_counter()
        yield start, stop
        pace.note(stop - start, time.perf_counter() - before)
        start = stop


def _call_with(
    python: Callable[..., Any], arguments: dict[str, Any]
) -> tuple[list[Any], dict[str, Any]]:
    positional: list[Any] = []
    keywords: dict[str, Any] = {}
    for name, parameter in inspect.signature(python).parameters.items():
        if parameter.kind is parameter.VAR_POSITIONAL:
            positional += arguments.get(name, ())
        elif parameter.kind is parameter.VAR_KEYWORD:
            keywords |= arguments.get(name, {})
        elif parameter.kind is parameter.KEYWORD_ONLY:
            keywords[name] = arguments[name]
        else:
            positional.append(arguments[name])
    return positional, keywords


def _leaf(value: Any, leaves: list[Leaf], arrays: list[Array]) -> Any:
    """Sort one argument; containers become structures of places in ``leaves``."""
    if _is_container(value):
        return _like(value, [_leaf(v, leaves, arrays) for v in value])
    if isinstance(value, Mapping):
        return {k: _leaf(v, leaves, arrays) for k, v in value.items()}
    if isinstance(value, Tensor) and not isinstance(value, Variable):
        arrays.append(present(value)._array)
        leaves.append(Leaf(value.weak or "tensor", value.spec))
    elif _is_data(value):
        kind, array = _data(value)
        arrays.append(array)
        leaves.append(Leaf(kind, spec_of(array)))
    else:
        leaves.append(Leaf("static", static=value))
    return _Place(len(leaves) - 1)


def _is_container(value: Any) -> bool:
    """Say whether a value is a tuple or a list of more than numbers, such as one of variables."""
    return isinstance(value, tuple) or (isinstance(value, list) and not _only_numbers(value))


def _only_numbers(values: list[Any] | tuple[Any, ...]) -> bool:
    return all(
        _only_numbers(v)
        if isinstance(v, (list, tuple))
        else isinstance(v, (int, float, np.generic))
        for v in values
    )


def _like(container: Any, parts: list[Any]) -> Any:
    """Give parts in a container of the same kind: a list, a tuple or a named tuple."""
    if isinstance(container, list):
        return parts
    return type(container)(*parts) if hasattr(container, "_fields") else tuple(parts)


def _is_data(value: Any) -> bool:
    if isinstance(value, (bool, str, bytes, Variable)):
        return False
    return isinstance(value, (int, float, list)) or hasattr(value, "__array__")


def _data(value: Any) -> tuple[str, Array]:
    if is_plain(value):
        return "number", plain_array(value, "an argument")
    return "array", as_array(value, "an argument")


def _loose(value: Any) -> Any:
    """Make of an argument what it is inside of a trace, but with numbers known."""
    if _is_container(value):
        return _like(value, [_loose(v) for v in value])
    if isinstance(value, Mapping):
        return {k: _loose(v) for k, v in value.items()}
    if isinstance(value, Tensor) or not _is_data(value):
        return value
    kind, array = _data(value)
    return weakened(Tensor(array), kind)


def _settled(value: Any) -> Any:
    if isinstance(value, (tuple, list)):
        return _like(value, [_settled(v) for v in value])
    if isinstance(value, dict):
        return {k: _settled(v) for k, v in value.items()}
    return settle(value) if isinstance(value, Tensor) else value


def _leaf_key(leaf: Leaf) -> Any:
    if leaf.kind != "static":
        return (leaf.kind, leaf.spec)
    if isinstance(leaf.static, (bool, str, bytes, type(None))):
        return (type(leaf.static), leaf.static)
    return ("object", id(leaf.static))  # what was traced is forgotten with the object


def _key(structure: Any) -> Any:
    if isinstance(structure, dict):
        return ("dict", tuple((k, _key(v)) for k, v in structure.items()))
    if isinstance(structure, (list, tuple)):
        return (type(structure), tuple(_key(v) for v in structure))
    return structure


def _build(structure: Any, name: str, leaves: list[Leaf], tracing: Tracing) -> Any:
    if isinstance(structure, (list, tuple)):
        parts = [_build(v, f"{name}[{i}]", leaves, tracing) for i, v in enumerate(structure)]
        return _like(structure, parts)
    if isinstance(structure, dict):
        return {k: _build(v, f"{name}[{k!r}]", leaves, tracing) for k, v in structure.items()}
    leaf = leaves[structure.index]
    if leaf.spec is None:
        return leaf.static
    return tracing.argument(leaf.spec, name, "" if leaf.kind == "tensor" else leaf.kind)


def _outputs(value: Any, name: str, outputs: list[tuple[str, Node]], tracing: Tracing) -> Any:
    if isinstance(value, (tuple, list)):
        parts = [_outputs(v, f"{name}[{i}]", outputs, tracing) for i, v in enumerate(value)]
        return _like(value, parts)
    if isinstance(value, dict):
        return {k: _outputs(v, f"{name}[{k!r}]", outputs, tracing) for k, v in value.items()}
    if isinstance(value, Tensor):
        outputs.append((name, tracing.lift(settle(value)).node))
        return _Place(len(outputs) - 1)
    return value


def _filled(result: Any, tensors: list[Tensor]) -> Any:
    if isinstance(result, _Place):
        return tensors[result.index]
    if isinstance(result, (tuple, list)):
        return _like(result, [_filled(r, tensors) for r in result])
    if isinstance(result, dict):
        return {k: _filled(r, tensors) for k, r in result.items()}
    return result


def _cast_outside(
    trace: Trace, arguments: list[Node], leaves: list[Leaf], outputs: list[Node]
) -> None:
    """Let an argument that is only ever cast to one dtype enter the graph in that dtype."""
    traced = [leaf for leaf in leaves if leaf.spec is not None]
    for argument, leaf in zip(arguments, traced, strict=True):
        users = [node for node in trace.nodes if argument in node.inputs]
        if leaf.kind == "tensor" or argument in outputs or len(users) != 1:
            continue
        cast = users[0]
        # Floats that are cut to integers on purpose stay in the graph: here they would be refused.
        cuts = leaf.spec is not None and leaf.spec.dtype in FLOATS and cast.spec.dtype not in FLOATS
        if cast.op.name == "cast" and not cuts:
            cast.op, cast.inputs, cast.params, cast.name = INPUT, (), {}, argument.name
            trace.nodes.remove(cast)
            trace.inputs[trace.inputs.index(argument)] = cast


def _as_loop(concrete: Concrete) -> Loop:
    """Reorder a traced function into the schema of a Loop: carried values first."""
    graph = concrete.graph
    n_results = len(graph.outputs) - len(concrete.assigned)
    arguments = graph.inputs[: concrete.n_arguments]
    nodes = dict(
        zip(map(id, concrete.variables), graph.inputs[concrete.n_arguments :], strict=True)
    )
    carry = [nodes[id(v)] for v in concrete.assigned]
    changed = set(map(id, concrete.assigned))
    held = [nodes[id(v)] for v in concrete.variables if id(v) not in changed]
    step = Graph(
        graph.name,
        (*carry, *arguments, *held),
        graph.nodes,
        (*graph.outputs[n_results:], *graph.outputs[:n_results]),
        (*graph.output_names[n_results:], *graph.output_names[:n_results]),
    )
    return Loop(step, None, len(carry), len(arguments) + len(held))


def _variable_names(python: Callable[..., Any]) -> dict[int, str]:
    """Find what the function calls its variables, so that the printed graph can say it."""
    code = getattr(python, "__code__", None)
    if code is None:
        return {}
    spaces: dict[str, Any] = dict(inspect.getclosurevars(python).nonlocals)
    module = getattr(python, "__globals__", {})
    spaces |= {name: module[name] for name in code.co_names if name in module}
    names: dict[int, str] = {}
    for name, value in spaces.items():
        members = value if isinstance(value, (list, tuple)) else [value]
        for i, member in enumerate(members):
            if isinstance(member, Variable):
                names[id(member)] = name if member is value else f"{name}[{i}]"
    return names
