"""Whole files of source for NumPy, PyTorch and Keras.

Answers for heads, classes, the functions around the network and the block of weights at the end.
Not for: the lines inside of the network (``array_code``), nor for reading rows (``cells_code``).
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from limpide.exports.about import About, Ending, module_name, paragraphs
from limpide.exports.array_code import STRUCTURAL, ArrayCode
from limpide.exports.array_words import CALLS, KERAS, NUMPY, TORCH, Words
from limpide.exports.idioms import IDIOMS
from limpide.exports.loop_helpers import HELPERS as LOOP_HELPERS
from limpide.exports.text import Names, docstring, literal, nested, packed, wrapped
from limpide.exports.values import Program
from limpide.ir import NUMPY_DTYPES, Array

WRITTEN = STRUCTURAL | CALLS.keys()
"""The ops that these files can hold."""

KERAS_IDIOMS = IDIOMS - {"mean"}  # which some backends give in float32

DECIMALS_AT_MOST = 100_000
"""Files with more numbers hold them as base64 of their bytes, which is read faster."""

SMALL = 64
"""An array of so few numbers is written in decimals all the same."""

_TAKEN = ("np", "torch", "F", "keras", "ops", "math", "base64", "self", "predict", "predict_proba")
_OURS = ("network", "Network", "array", "unpacked", "CLASSES", "rows", "weight", "input_shape")


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


def file_names(more: Sequence[str] = ()) -> Names:
    """Give the names of a file, of which those that it defines itself are taken."""
    helpers = {*NUMPY.helpers, *TORCH.helpers, *KERAS.helpers, *LOOP_HELPERS}
    return Names([*_TAKEN, *_OURS, *helpers, *more])


def numpy_file(source: Source, names: Names) -> str:
    """Give a file that needs NumPy alone."""
    code = ArrayCode(source.program, NUMPY, names)
    body = [*code.lines, f"return {code.result}"]
    network = function("network(x)", _network_words(source.program), body)
    blocks = [*_numpy_ends(source), network, *_helpers(code, NUMPY), *_cells(source, 0)]
    arrays = {
        code.array_names[array.name]: array.numbers for array in source.program.arrays
    } | code.constants
    weights, imports = _weights(arrays, "np")
    if "erf" in code.helpers:
        imports.append("import math")
    head = docstring(paragraphs(source.about, "NumPy and nothing else", usage(source)))
    return joined(head, sorted(imports), ["import numpy as np"], blocks, _ends(source, 1), weights)


def torch_file(source: Source, names: Names) -> str:
    """Give a file with a ``torch.nn.Module`` whose weights can be trained on."""
    code = ArrayCode(source.program, TORCH, names)
    setting = ["super().__init__()"]
    for array in source.program.arrays:
        name = code.array_names[array.name]
        if array.trained:
            setting.append(f"self.{name} = torch.nn.Parameter({name}.clone())")
        else:
            setting.append(f'self.register_buffer("{name}", {name}.clone())')
    setting += [f'self.register_buffer("{name}", {name}.clone())' for name in code.constants]
    network = _class(
        "Network(torch.nn.Module)",
        _network_words(source.program),
        ("__init__(self)", setting),
        ("forward(self, x)", [*code.lines, f"return {code.result}"]),
    )
    blocks = [*_torch_ends(source), network, *_helpers(code, TORCH), *_cells(source, 0)]
    arrays = {
        code.array_names[array.name]: array.numbers for array in source.program.arrays
    } | code.constants
    weights, imports = _weights(arrays, "torch")
    head = docstring(paragraphs(source.about, "PyTorch and nothing else", usage(source)))
    libraries = ["import torch"]
    if any("F." in block for block in blocks):
        libraries.append("import torch.nn.functional as F")
    last = [*weights, "network = Network()"]
    return joined(head, sorted(imports), libraries, blocks, _ends(source, 0), last)


def keras_file(source: Source, names: Names) -> str:
    """Give a file with a ``keras.Model`` whose weights can be trained on."""
    code = ArrayCode(source.program, KERAS, names)
    dtype = NUMPY_DTYPES[source.program.rows.dtype].name
    setting = [f'super().__init__(dtype="{dtype}")']
    for array in source.program.arrays:
        name = code.array_names[array.name]
        trained = "" if array.trained else ", trainable=False"
        setting += wrapped([f'"{name}"', name + trained], 0, f"self.{name} = self.weight(", ")")
    own = [code.array_names[array.name] for array in source.program.arrays]
    # Not every backend takes its variables for tensors in every place.
    tensors = [f"{name} = ops.convert_to_tensor(self.{name})" for name in own]
    weight = [
        "variable = self.add_weight(",
        "    name=name, shape=values.shape, dtype=values.dtype.name, trainable=trainable",
        ")",
        "variable.assign(values)",
        "return variable",
    ]
    network = _class(
        "Network(keras.Model)",
        _network_words(source.program),
        ("__init__(self)", setting),
        ("weight(self, name, values, trainable=True)", weight),
        ("call(self, x)", [*tensors, *code.lines, f"return {code.result}"]),
    )
    blocks = [*_keras_ends(source), network, *_helpers(code, KERAS), *_cells(source, 0)]
    arrays = {
        code.array_names[array.name]: array.numbers for array in source.program.arrays
    } | code.constants
    weights, imports = _weights(arrays, "np")
    head = docstring(paragraphs(source.about, "Keras 3 and NumPy", usage(source)))
    libraries = ["import keras", "import numpy as np", "from keras import ops"]
    last = [*weights, "network = Network()"]
    return joined(head, sorted(imports), libraries, blocks, _ends(source, 1), last)


# Parts ----------------------------------------------------------------------------------------


def _network_words(program: Program) -> str:
    dtype = program.rows.dtype
    (_, inputs), (_, outputs) = program.rows.shape, program.output.shape
    return f"The network: {dtype}[n, {inputs}] to {dtype}[n, {outputs}]."


def usage(source: Source) -> list[str]:
    module = module_name(source.path)
    if source.ending is None:
        return [f"from {module} import predict", "predict(X)  # a row for each row of X"]
    names = "predict" if source.ending.classes is None else "predict, predict_proba"
    columns = [name for name, _ in source.about.columns[:2]]
    row = ", ".join(f"{name}: …" for name in columns)
    more = ", …" if len(source.about.columns) > 2 else ""
    return [
        f"from {module} import {names}",
        f"predict([{{{row}{more}}}])  # dicts, a dict of columns, or a data frame",
    ]


def function(head: str, words: str, body: Sequence[str]) -> str:
    lines = [f"def {head}:", f'    """{words}"""', *(f"    {line}" for line in body), ""]
    return "\n".join(lines)


def _class(head: str, words: str, *methods: tuple[str, Sequence[str]]) -> str:
    lines = [f"class {head}:", f'    """{words}"""']
    for name, body in methods:
        lines += ["", f"    def {name}:", *(f"        {line}" for line in body)]
    return "\n".join([*lines, ""])


def _helpers(code: ArrayCode, words: Words) -> list[str]:
    return [words.helpers[name] for name in sorted(code.helpers)]


def _cells(source: Source, place: int) -> list[str]:
    return [] if source.cells is None else source.cells[place]


def _ends(source: Source, as_array: int) -> list[str]:
    """Give the constants of reading rows, and the labels."""
    found = [*_cells(source, 1)]
    if source.ending is not None and source.ending.classes is not None:
        labels = map(literal, source.ending.labels)
        opening, closing = ("CLASSES = np.array([", "])") if as_array else ("CLASSES = [", "]")
        found.append("\n".join(wrapped(labels, 0, opening, closing)))
    return found


def joined(
    head: Sequence[str],
    imports: Sequence[str],
    libraries: Sequence[str],
    blocks: Sequence[str],
    constants: Sequence[str],
    weights: Sequence[str],
) -> str:
    parts = ["\n".join(head)]
    if imports:
        parts.append("\n".join(imports))
    if libraries:
        parts.append("\n".join(libraries))
    top = "\n\n".join(parts)
    functions = "\n\n".join(f"\n{block.rstrip()}" for block in blocks)
    last = "\n".join([*constants, *weights])
    return f"{top}\n\n{functions}\n\n\n{last}\n"


def _weights(arrays: Mapping[str, Array], module: str) -> tuple[list[str], list[str]]:
    """Give the lines that define arrays, and the imports that they need."""
    total = sum(array.size for array in arrays.values())
    lines: list[str] = []
    imports: list[str] = []
    for name, array in arrays.items():
        if total > DECIMALS_AT_MOST and array.size > SMALL:
            lines += _packed(name, array, module)
            imports = ["import base64"]
        else:
            lines += _decimals(name, array, module)
    return lines, imports


def _decimals(name: str, array: Array, module: str) -> list[str]:
    make, word = ("np.array(", "") if module == "np" else ("torch.tensor(", "dtype=")
    kind = f"{word}{module}.{'bool' if array.dtype == bool else array.dtype.name}"
    kind = kind.replace("np.bool", "bool")
    short = nested(array, 0, f"{name} = {make}", f", {kind})")
    if len(short) == 1:
        return short
    return [f"{name} = {make}", *nested(array, 4), f"    {kind},", ")"]


def _packed(name: str, array: Array, module: str) -> list[str]:
    kind = f"{module}.{array.dtype.name}"
    shape = tuple(array.shape)
    if module == "np":
        opening, closing = f"{name} = np.frombuffer(", f'), "{array.dtype.newbyteorder("<").str}"'
        return [
            f'{opening}base64.b64decode("""',
            *packed(array),
            f'"""{closing}).reshape({shape})',
        ]
    return [
        f'{name} = torch.frombuffer(bytearray(base64.b64decode("""',
        *packed(array),
        f'""")), dtype={kind}).reshape({shape})',
    ]


# The functions around the network -------------------------------------------------------------


def _numpy_ends(source: Source) -> list[str]:
    width = source.program.rows.shape[1]
    kind = NUMPY_DTYPES[source.program.rows.dtype].name
    if source.ending is None:
        words = f"Give the output for each row, {source.program.rows.dtype}[n, outputs]."
        return [function("predict(X)", words, [f"return network(np.asarray(X, np.{kind}))"])]
    take = f"np.array([encode(row) for row in as_rows(rows)], np.{kind}).reshape(-1, {width})"
    return _numpy_predicts(source.ending, [f"x = {take}", "z = network(x).astype(np.float64)"])


def _numpy_predicts(ending: Ending, sums: Sequence[str]) -> list[str]:
    """Give predict and predict_proba for sums that are a NumPy array, z."""
    if ending.classes is None:
        words = f"Give {quoted(ending.target)} for each row, in its own unit."
        unit = f"return z[:, 0] * {literal(ending.scale)} + {literal(ending.centre)}"
        return [function("predict(rows)", words, [*sums, unit])]
    labels = ["return CLASSES[predict_proba(rows).argmax(axis=1)]"]
    body = [*sums]
    if ending.task == "binary":
        body.append("z = np.hstack([np.zeros_like(z), z])  # the sigmoid of z is the second one")
    body.append("powers = np.exp(z - z.max(axis=1, keepdims=True))")
    body.append("return powers / powers.sum(axis=1, keepdims=True)")
    return [
        function("predict(rows)", "Give the label of each row.", labels),
        function("predict_proba(rows)", _PROBABILITIES, body),
    ]


_PROBABILITIES = "Give the probability of each class, a row for each row, in the order of CLASSES."


def quoted(name: str) -> str:
    """Give a name for the docstring of a function."""
    text = literal(name).replace("\\", "\\\\").replace('"', '\\"')
    return textwrap.shorten(text, 60, placeholder="…")


def _torch_ends(source: Source) -> list[str]:
    width = source.program.rows.shape[1]
    kind = NUMPY_DTYPES[source.program.rows.dtype].name
    if source.ending is None:
        words = f"Give the output for each row, {source.program.rows.dtype}[n, outputs]."
        body = [
            "with torch.no_grad():",
            f"    return network(torch.as_tensor(X, dtype=torch.{kind}))",
        ]
        return [function("predict(X)", words, body)]
    take = "[encode(row) for row in as_rows(rows)]"
    inputs = [
        f"x = torch.tensor({take}, dtype=torch.{kind})",
        f"return x.reshape(-1, {width})",
    ]
    given = function("inputs(rows)", "Give what the network takes for rows of a table.", inputs)
    sums = ["with torch.no_grad():", "    z = network(inputs(rows)).double()"]
    ending = source.ending
    if ending.classes is None:
        words = f"Give {quoted(ending.target)} for each row, in its own unit."
        unit = f"return z[:, 0] * {literal(ending.scale)} + {literal(ending.centre)}"
        return [function("predict(rows)", words, [*sums, unit]), given]
    labels = ["return [CLASSES[place] for place in predict_proba(rows).argmax(dim=1).tolist()]"]
    if ending.task == "binary":
        sums.append("z = torch.hstack([torch.zeros_like(z), z])  # sigmoid(z) is the second one")
    return [
        function("predict(rows)", "Give the label of each row.", labels),
        function("predict_proba(rows)", _PROBABILITIES, [*sums, "return torch.softmax(z, dim=1)"]),
        given,
    ]


def _keras_ends(source: Source) -> list[str]:
    width = source.program.rows.shape[1]
    kind = NUMPY_DTYPES[source.program.rows.dtype].name
    if source.ending is None:
        words = f"Give the output for each row, {source.program.rows.dtype}[n, outputs]."
        body = [f"return ops.convert_to_numpy(network(np.asarray(X, np.{kind})))"]
        return [function("predict(X)", words, body)]
    inputs = [
        f"x = np.array([encode(row) for row in as_rows(rows)], np.{kind})",
        f"return x.reshape(-1, {width})",
    ]
    given = function("inputs(rows)", "Give what the network takes for rows of a table.", inputs)
    sums = ["z = ops.convert_to_numpy(network(inputs(rows))).astype(np.float64)"]
    return [*_numpy_predicts(source.ending, sums), given]
