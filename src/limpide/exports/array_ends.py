"""The functions around a network in files for NumPy, PyTorch and Keras: predict, predict_proba.

Answers for the way from rows to the network's input, and from its sums to labels. Not for: the
network itself (``array_code``), nor the file (``array_files``).
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from limpide.exports.about import About, Ending
from limpide.exports.text import literal
from limpide.exports.values import Program
from limpide.ir import NUMPY_DTYPES, Array


@dataclass(frozen=True)
class Source:
    """What a file is made of.

    Attributes
    ----------
    program
        With all of ``IDIOMS_WRITTEN`` as single values.
    cells
        The functions and the constants that read a table's rows, or None for a bare network.
    """

    program: Program
    about: About
    path: str
    ending: Ending | None
    cells: tuple[list[str], list[str]] | None


def function(head: str, words: str, body: Sequence[str]) -> str:
    lines = [f"def {head}:", f'    """{words}"""', *(f"    {line}" for line in body), ""]
    return "\n".join(lines)


def quoted(name: str) -> str:
    """Give a name for the docstring of a function."""
    text = literal(name).replace("\\", "\\\\").replace('"', '\\"')
    return textwrap.shorten(text, 60, placeholder="…")


PROBABILITIES = {
    True: "Give the probability of each class, a row for each row, in the order of CLASSES.",
    False: "Give the probability of each label, a row for each row.",
}
_INPUTS = "Give what the network takes for rows of a table."


def unit_words(ending: Ending) -> str:
    """Say what a regression gives."""
    return f"Give {quoted(ending.target)} for each row, in its own unit."


def _bare(source: Source, body: Sequence[str]) -> list[str]:
    words = f"Give the output for each row, {source.program.rows.dtype}[n, outputs]."
    return [function("predict(X)", words, body)]


def _encoded(source: Source, make: str, kind: str) -> list[str]:
    """Give the lines that make the network's input of rows."""
    width = source.program.rows.shape[1]
    return [
        f"x = {make}([encode(row) for row in as_rows(rows)], {kind})",
        f"return x.reshape(-1, {width})",
    ]


def _numpy_kind(source: Source) -> str:
    return f"np.{NUMPY_DTYPES[source.program.rows.dtype].name}"


def numpy_ends(source: Source) -> list[str]:
    """Give the functions for a file of NumPy."""
    kind = _numpy_kind(source)
    if source.ending is None:
        return _bare(source, [f"return network(np.asarray(X, {kind}))"])
    given = function("inputs(rows)", _INPUTS, _encoded(source, "np.array", kind))
    sums = "z = network(inputs(rows)).astype(np.float64)"
    return [*_numpy_predicts(source.ending, sums), given]


def keras_ends(source: Source) -> list[str]:
    """Give the functions for a file of Keras, whose results are NumPy arrays."""
    kind = _numpy_kind(source)
    if source.ending is None:
        body = [f"return ops.convert_to_numpy(network(np.asarray(X, {kind})))"]
        return _bare(source, body)
    given = function("inputs(rows)", _INPUTS, _encoded(source, "np.array", kind))
    sums = "z = ops.convert_to_numpy(network(inputs(rows))).astype(np.float64)"
    return [*_numpy_predicts(source.ending, sums), given]


def _numpy_predicts(ending: Ending, sums: str) -> list[str]:
    """Give predict and predict_proba for sums that are a NumPy array, z."""
    if ending.task == "regression":
        body = [sums, f"return {_in_unit(ending, 'np.array({})')}"]
        return [function("predict(rows)", unit_words(ending), body)]
    if ending.task == "multilabel":
        labels = ["return (predict_proba(rows) > 0.5).astype(np.int64)"]
        chances = [sums, "return np.exp(-np.logaddexp(0, -z))  # the sigmoid of z"]
    else:
        labels = ["return CLASSES[predict_proba(rows).argmax(axis=1)]"]
        chances = [sums]
        if ending.task == "binary":
            chances.append("z = np.hstack([np.zeros_like(z), z])  # sigmoid(z) is the second one")
        chances.append("powers = np.exp(z - z.max(axis=1, keepdims=True))")
        chances.append("return powers / powers.sum(axis=1, keepdims=True)")
    return _two(ending, labels, chances)


def _two(ending: Ending, labels: Sequence[str], chances: Sequence[str]) -> list[str]:
    words = PROBABILITIES[ending.classes is not None]
    return [
        function("predict(rows)", "Give the label of each row.", labels),
        function("predict_proba(rows)", words, chances),
    ]


def _in_unit(ending: Ending, make: str) -> str:
    """Give the expression of a regression's numbers for its sums, z."""
    if np.ndim(ending.scale) == 0:
        return f"z[:, 0] * {literal(float(ending.scale))} + {literal(float(ending.centre))}"
    scale, centre = (make.format(literal(listed(v))) for v in (ending.scale, ending.centre))
    return f"z * {scale} + {centre}"


def listed(values: float | Array) -> list[float]:
    """Give numbers as a list."""
    return [float(value) for value in np.asarray(values, np.float64).reshape(-1)]


def torch_ends(source: Source) -> list[str]:
    """Give the functions for a file of PyTorch."""
    kind = f"torch.{NUMPY_DTYPES[source.program.rows.dtype].name}"
    if source.ending is None:
        body = ["with torch.no_grad():", f"    return network(torch.as_tensor(X, dtype={kind}))"]
        return _bare(source, body)
    given = function("inputs(rows)", _INPUTS, _encoded(source, "torch.tensor", f"dtype={kind}"))
    return [*_torch_predicts(source.ending), given]


def _torch_predicts(ending: Ending) -> list[str]:
    sums = ["with torch.no_grad():", "    z = network(inputs(rows)).double()"]
    if ending.task == "regression":
        unit = _in_unit(ending, "torch.tensor({}, dtype=torch.float64)")
        return [function("predict(rows)", unit_words(ending), [*sums, f"return {unit}"])]
    if ending.task == "multilabel":
        labels = ["return (predict_proba(rows) > 0.5).long()"]
        return _two(ending, labels, [*sums, "return torch.sigmoid(z)"])
    labels = ["return [CLASSES[place] for place in predict_proba(rows).argmax(dim=1).tolist()]"]
    if ending.task == "binary":
        sums.append("z = torch.hstack([torch.zeros_like(z), z])  # sigmoid(z) is the second one")
    return _two(ending, labels, [*sums, "return torch.softmax(z, dim=1)"])
