"""Numerals: how a number is written in each language.

Answers for significant digits, the decimal sign and the minus sign. Not for: how many digits a
formula needs (``limpide.explain``).
"""

from __future__ import annotations

import math
from decimal import Decimal

MINUS = "−"
_SMALLEST, _LARGEST = -5, 7  # exponents of ten outside of which a number is written with one


def decimal_sign(language: str) -> str:
    """Give what stands between the whole part and the fraction.

    >>> decimal_sign("en"), decimal_sign("fr"), decimal_sign("uk")
    ('.', ',', ',')
    """
    return "." if language == "en" else ","


def numeral(value: float, digits: int = 6, language: str = "en") -> str:
    """Write a number with so many significant digits; zeros at the end are left out.

    From 17 digits on it is the shortest text that gives the number back.

    >>> numeral(0.02146953526581111), numeral(-3.0), numeral(0.5, language="fr")
    ('0.0214695', '−3', '0,5')
    >>> numeral(1234567.8, 3), numeral(-2.5e-9), numeral(float("nan"))
    ('1230000', '−2.5e−9', 'NaN')
    """
    if math.isnan(value):
        return "NaN"
    sign = MINUS if math.copysign(1, value) < 0 and value != 0 else ""
    if math.isinf(value):
        return f"{sign}∞"
    mantissa, power = _rounded(abs(value), digits)
    if value == 0:
        text = "0"
    elif _SMALLEST <= power < _LARGEST:
        text = _placed(mantissa, power)
    else:
        exponent = f"{MINUS if power < 0 else ''}{abs(power)}"
        text = f"{_placed(mantissa, 0)}e{exponent}"
    return sign + text.replace(".", decimal_sign(language))


def _rounded(size: float, digits: int) -> tuple[str, int]:
    """Give the significant digits, without zeros at the end, and the power of the first."""
    shown = Decimal(str(size) if digits >= 17 else format(size, f".{digits - 1}e"))
    written = "".join(map(str, shown.as_tuple().digits))
    return written.rstrip("0") or "0", shown.adjusted()


def _placed(digits: str, power: int) -> str:
    """Put the point where it belongs: digits 214695 and power −2 give 0.0214695."""
    if power < 0:
        return f"0.{'0' * (-power - 1)}{digits}"
    whole = digits[: power + 1].ljust(power + 1, "0")
    rest = digits[power + 1 :]
    return f"{whole}.{rest}" if rest else whole
