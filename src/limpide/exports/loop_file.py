"""A whole file of plain Python: no import, one row at a time.

Answers for the functions around the network and the lists of weights. Not for: the lines inside
of the network (``loop_code``), nor for reading rows (``cells_code``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from limpide.exports.about import Ending, paragraphs
from limpide.exports.array_ends import PROBABILITIES, Source, function, listed, unit_words
from limpide.exports.array_files import DECIMALS_AT_MOST, SMALL, joined, usage
from limpide.exports.loop_code import LoopCode
from limpide.exports.loop_helpers import helper_sources
from limpide.exports.text import Names, docstring, literal, nested, spaced, wrapped
from limpide.ir import Array

NUMBERS_AT_MOST = 1_000_000
"""A file with more numbers takes Python too long to read."""


def python_file(source: Source, names: Names) -> str:
    """Give a file that needs Python alone."""
    code = LoopCode(source.program, names)
    (_, inputs), (_, outputs) = source.program.rows.shape, source.program.output.shape
    words = f"The network: a list of {inputs} numbers to a list of {outputs}."
    network = function("network(x)", words, [*code.lines, f"return {code.result}"])
    helpers = set(code.helpers)
    single = source.program.rows.dtype == "f32"
    if single:
        helpers.add("float32")
    if source.ending is not None and source.ending.task != "regression":
        helpers.add("sigmoid" if source.ending.task == "multilabel" else "softmax")
    arrays = {
        code.array_names[array.name]: array.numbers for array in source.program.arrays
    } | code.constants
    weights, called = _weights(arrays)
    helpers.update(called)
    cells, constants = ([], []) if source.cells is None else source.cells
    blocks = [*_ends(source.ending, single), network, *helper_sources(helpers), *cells]
    last = [*constants, *_labels(source.ending), *weights]
    head = docstring(paragraphs(source.about, "Python and nothing else", usage(source)))
    return joined(head, [], [], blocks, [], last)


def _ends(ending: Ending | None, single: bool) -> list[str]:
    rounded = "float32({})" if single else "{}"
    if ending is None:
        given = rounded.format("[float(value) for value in row]")
        words = "Give the output for each row of X, a list of lists of numbers."
        return [function("predict(X)", words, [f"return [network({given}) for row in X]"])]
    sums = f"[network({rounded.format('encode(row)')}) for row in as_rows(rows)]"
    if ending.task == "regression":
        return [function("predict(rows)", unit_words(ending), _in_unit(ending, sums))]
    labels, each = (
        [
            "found = predict_proba(rows)",
            "return [CLASSES[chances.index(max(chances))] for chances in found]",
        ],
        "softmax(z)",
    )
    if ending.task == "binary":  # the sigmoid of a sum is the softmax of 0 and the sum
        each = "softmax([0.0, *z])"
    if ending.task == "multilabel":
        labels = ["return [[int(p > 0.5) for p in chances] for chances in predict_proba(rows)]"]
        each = "[sigmoid(value) for value in z]"
    words = PROBABILITIES[ending.classes is not None]
    return [
        function("predict(rows)", "Give the label of each row.", labels),
        function("predict_proba(rows)", words, [f"return [{each} for z in {sums}]"]),
    ]


def _in_unit(ending: Ending, sums: str) -> list[str]:
    if np.ndim(ending.scale) == 0:
        unit = f"z[0] * {literal(float(ending.scale))} + {literal(float(ending.centre))}"
        return [f"return [{unit} for z in {sums}]"]
    return [
        f"scale = {literal(listed(ending.scale))}",
        f"centre = {literal(listed(ending.centre))}",
        f"found = {sums}",
        "return [[a * b + c for a, b, c in zip(z, scale, centre, strict=True)] for z in found]",
    ]


def _labels(ending: Ending | None) -> Sequence[str]:
    if ending is None or ending.classes is None:
        return []
    return wrapped(map(literal, ending.labels), 0, "CLASSES = [", "]")


def _weights(arrays: Mapping[str, Array]) -> tuple[list[str], list[str]]:
    """Give the lines that define arrays, and the helpers that they call."""
    many = sum(array.size for array in arrays.values()) > DECIMALS_AT_MOST
    lines: list[str] = []
    for name, array in arrays.items():
        rounded = array.dtype.name == "float32"
        opening, closing = (f"{name} = float32(", ")") if rounded else (f"{name} = ", "")
        if many and array.size > SMALL and array.dtype.kind == "f":
            sizes = ", ".join(map(str, array.shape))
            lines += [f'{opening}lists("""', *spaced(array), f'""", {sizes}){closing}']
        else:
            lines += nested(array, 0, opening, closing)
    return lines, ["lists"] if many else []
