"""The functions that a file of plain Python brings along: exp, log, erf and the like, no import.

Answers for their source, accurate to a few units in the last place of float64. Not for: when they
are called (``loop_code``).

Sources: the series of exp, log, sin, cos and erf are those of Abramowitz and Stegun, "Handbook of
mathematical functions" (1964), 4.1.27, 4.2.1, 4.3.65 and 7.1.6; π/2 in parts: Cody and Waite,
"Software manual for the elementary functions" (1980); rounding to fewer bits: Dekker, "A
floating-point technique for extending the available precision", Numer. Math. 18 (1971).
"""

from __future__ import annotations

from collections.abc import Iterable

HELPERS: dict[str, str] = {
    "float32": '''def float32(values):
    """Round numbers, or lists of them, to the 24 bits of float32."""
    if isinstance(values, list):
        return [float32(value) for value in values]
    if values - values != 0:  # infinite or nan
        return values
    large = values * 536870913.0
    return large - (large - values)
''',
    "lists": '''def lists(text, *sizes):
    """Give the numbers of a text as a list, or as lists of lists of so many."""
    values = [float(word) for word in text.split()]
    for size in reversed(sizes[1:]):
        values = [values[i : i + size] for i in range(0, len(values), size)]
    return values
''',
    "divide": '''def divide(a, b):
    """Give a / b, infinite or nan where b is 0."""
    if b != 0:
        return a / b
    return a * float("inf") if a != 0 else float("nan")
''',
    "power": '''def power(a, b):
    """Give a ** b, infinite or nan where it is no number."""
    try:
        found = a**b
    except (ZeroDivisionError, OverflowError):
        return float("inf")
    return float("nan") if isinstance(found, complex) else found
''',
    "exp": '''def exp(x):
    """Give e to the power x."""
    if x > 709.782712893384:
        return float("inf")
    return 0.0 if x < -745.2 else 2.718281828459045**x
''',
    "expm1": '''def expm1(x):
    """Give exp(x) - 1, accurate for small x."""
    if not abs(x) < 0.5:
        return exp(x) - 1
    term = total = x
    for n in range(2, 18):
        term *= x / n
        total += term
    return total
''',
    "log": '''def log(x):
    """Give the natural logarithm."""
    if not 0 < x < float("inf"):
        return x if x > 0 else float("-inf") if x == 0 else float("nan")
    twos = 0
    while x > 1.4142135623730951:
        x, twos = x / 2, twos + 1
    while x < 0.7071067811865476:
        x, twos = x * 2, twos - 1
    ratio, total = (x - 1) / (x + 1), 0.0
    for n in range(25, 0, -2):
        total = total * ratio * ratio + 1 / n
    return twos * 0.6931471805599453 + 2 * ratio * total
''',
    "log1p": '''def log1p(x):
    """Give log(1 + x), accurate for small x."""
    above = 1 + x
    if above == 1 or above == float("inf"):
        return x
    return log(above) * x / (above - 1)
''',
    "sqrt": '''def sqrt(x):
    """Give the square root, nan below 0."""
    return x**0.5 if x >= 0 else float("nan")
''',
    "sine": '''def sine(x, quarters):
    """Give the sine of x and so many quarter turns."""
    if x - x != 0:  # infinite or nan
        return float("nan")
    turns = int(x / 1.5707963267948966 + (0.5 if x >= 0 else -0.5))
    # a quarter turn in three parts, so that the products are exact
    x = x - turns * 1.5707963267341256 - turns * 6.077100506303966e-11
    x -= turns * 2.0222662487959506e-21
    quarters, total = (turns + quarters) % 4, 1.0
    for n in range(17 + (quarters + 1) % 2, 0, -2):
        total = 1 - total * x * x / (n * (n + 1))
    total = total if quarters % 2 else total * x
    return total if quarters < 2 else -total
''',
    "sin": '''def sin(x):
    """Give the sine of x radians."""
    return sine(x, 0)
''',
    "cos": '''def cos(x):
    """Give the cosine of x radians."""
    return sine(x, 1)
''',
    "tanh": '''def tanh(x):
    """Give the hyperbolic tangent."""
    below = expm1(-2 * abs(x))
    size = -below / (2 + below)
    return -size if x < 0 else size
''',
    "sigmoid": '''def sigmoid(x):
    """Give 1 / (1 + exp(-x))."""
    power = exp(-abs(x))
    return (power if x < 0 else 1) / (1 + power)
''',
    "softplus": '''def softplus(x):
    """Give log(1 + exp(x))."""
    return max(x, 0) + log1p(exp(-abs(x)))
''',
    "erf": '''def erf(x):
    """Give the error function."""
    if abs(x) > 6:
        return 1.0 if x > 0 else -1.0
    term = total = x
    for n in range(1, 150):
        term *= 2 * x * x / (2 * n + 1)
        total += term
    return 1.1283791670955126 * exp(-x * x) * total
''',
    "floor": '''def floor(x):
    """Round down."""
    return x // 1 if x - x == 0 else x
''',
    "sign": '''def sign(x):
    """Give -1, 0 or 1."""
    return (x > 0) - (x < 0) if x == x else x
''',
    "relu": '''def relu(x):
    """Keep what is positive, else 0."""
    return max(x, 0)
''',
    "softmax": '''def softmax(x):
    """Give positive numbers that sum to 1."""
    top = max(x)
    powers = [exp(value - top) for value in x]
    total = sum(powers)
    return [power / total for power in powers]
''',
    "log_softmax": '''def log_softmax(x):
    """Give the logarithm of softmax."""
    total = logsumexp(x)
    return [value - total for value in x]
''',
    "logsumexp": '''def logsumexp(x):
    """Give log(sum(exp(x)))."""
    top = max(x)
    shift = top if top - top == 0 else 0
    return log(sum(exp(value - shift) for value in x)) + shift
''',
    "gelu": '''def gelu(x):
    """Give x times the share of a normal distribution below x."""
    return x * 0.5 * (erf(x * 0.7071067811865476) + 1)
''',
    "silu": '''def silu(x):
    """Give x * sigmoid(x)."""
    return x * sigmoid(x)
''',
    "mish": '''def mish(x):
    """Give x * tanh(softplus(x))."""
    return x * tanh(softplus(x))
''',
    "leaky_relu": '''def leaky_relu(x):
    """Keep what is positive, else a hundredth of it."""
    return x if x > 0 else x * 0.01
''',
    "elu": '''def elu(x):
    """Keep what is positive, else exp(x) - 1."""
    return x if x > 0 else expm1(x)
''',
    "selu": '''def selu(x):
    """Give elu so scaled that mean and variance stay from layer to layer."""
    return 1.0507009873554805 * (x if x > 0 else 1.6732632423543772 * expm1(x))
''',
}

_CALLED: dict[str, tuple[str, ...]] = {
    "cos": ("sine",),
    "elu": ("expm1",),
    "erf": ("exp",),
    "expm1": ("exp",),
    "gelu": ("erf",),
    "log1p": ("log",),
    "log_softmax": ("logsumexp",),
    "logsumexp": ("exp", "log"),
    "mish": ("tanh", "softplus"),
    "selu": ("expm1",),
    "sigmoid": ("exp",),
    "silu": ("sigmoid",),
    "sin": ("sine",),
    "softmax": ("exp",),
    "softplus": ("exp", "log1p"),
    "tanh": ("expm1",),
}


def helper_sources(names: Iterable[str]) -> list[str]:
    """Give the source of some helpers and of those that they call, by name.

    >>> [source.split("(")[0] for source in helper_sources(["elu"])]
    ['def elu', 'def exp', 'def expm1']
    """
    needed: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += _CALLED.get(name, ())
    return [HELPERS[name] for name in sorted(needed)]
