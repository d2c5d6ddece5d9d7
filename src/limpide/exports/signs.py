"""Which values cannot be 0 or below, as far as a look at their ops tells.

Answers for divisors: plain Python raises an error for a division by 0. Not for: their numbers.
"""

from __future__ import annotations

from limpide.exports.values import Value

_NOT_NEGATIVE = frozenset({"abs", "exp", "relu", "sigmoid", "softplus", "sqrt"})
_DEEP = 12


def is_positive(value: Value, depth: int = _DEEP) -> bool:
    """Say whether all of a value is certainly above 0, but where it is NaN."""
    if value.op in ("broadcast", "reshape"):
        return is_positive(value.inputs[0], depth)
    if value.op in ("array", "constant"):
        return bool((value.numbers > 0).all())
    if depth == 0:
        return False
    if value.op == "sqrt":
        return is_positive(value.inputs[0], depth - 1)
    if value.op in ("add", "maximum"):
        a, b = value.inputs
        parts = [is_positive(a, depth - 1), is_positive(b, depth - 1)]
        if value.op == "maximum":
            return any(parts)
        return (parts[0] and _is_at_least_0(b, depth)) or (parts[1] and _is_at_least_0(a, depth))
    return False


def _is_at_least_0(value: Value, depth: int) -> bool:
    if value.op in ("broadcast", "reshape"):
        return _is_at_least_0(value.inputs[0], depth)
    if value.op in ("array", "constant"):
        return bool((value.numbers >= 0).all())
    if value.op == "multiply" and value.inputs[0] is value.inputs[1]:
        return True
    if depth > 0 and value.op in ("sum", "mean", "add", "divide"):
        return all(_is_at_least_0(item, depth - 1) for item in value.inputs)
    return value.op in _NOT_NEGATIVE
