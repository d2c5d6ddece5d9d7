"""Whole files of source for NumPy, PyTorch and Keras.

Answers for heads, classes, the functions around the network and the block of weights at the end.
Not for: the lines inside of the network (``array_code``), nor for reading rows (``cells_code``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from limpide.exports.about import module_name, paragraphs
from limpide.exports.array_code import STRUCTURAL, ArrayCode
from limpide.exports.array_ends import Source, function, keras_ends, numpy_ends, torch_ends
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


_QUIET = '@np.errstate(over="ignore")  # numbers far out are clipped'


def file_names(more: Sequence[str] = ()) -> Names:
    """Give the names of a file, of which those that it defines itself are taken."""
    helpers = {*NUMPY.helpers, *TORCH.helpers, *KERAS.helpers, *LOOP_HELPERS}
    return Names([*_TAKEN, *_OURS, *helpers, *more])


def numpy_file(source: Source, names: Names) -> str:
    """Give a file that needs NumPy alone."""
    code = ArrayCode(source.program, NUMPY, names)
    body = [*code.lines, f"return {code.result}"]
    network = function("network(x)", _network_words(source.program), body)
    network = f"{_QUIET}\n{network}"
    blocks = [*numpy_ends(source), network, *_helpers(code, NUMPY), *_cells(source, 0)]
    weights, imports = _weights(source, code, "np")
    if "erf" in code.helpers:
        imports.append("import math")
    head = docstring(paragraphs(source.about, "NumPy and nothing else", with_module(source)))
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
    blocks = [*torch_ends(source), network, *_helpers(code, TORCH), *_cells(source, 0)]
    weights, imports = _weights(source, code, "torch")
    head = docstring(paragraphs(source.about, "PyTorch and nothing else", with_module(source)))
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
    blocks = [*keras_ends(source), network, *_helpers(code, KERAS), *_cells(source, 0)]
    weights, imports = _weights(source, code, "np")
    head = docstring(paragraphs(source.about, "Keras 3 and NumPy", with_module(source)))
    libraries = ["import keras", "import numpy as np", "from keras import ops"]
    last = [*weights, "network = Network()"]
    return joined(head, sorted(imports), libraries, blocks, _ends(source, 1), last)


# Parts ----------------------------------------------------------------------------------------


def _network_words(program: Program) -> str:
    dtype = program.rows.dtype
    (_, inputs), (_, outputs) = program.rows.shape, program.output.shape
    return f"The network: {dtype}[n, {inputs}] to {dtype}[n, {outputs}]."


def usage(source: Source) -> list[str]:
    """Give the lines that show how a file is called."""
    if source.ending is None:
        return ["predict(X)  # an output for each row of X"]
    columns = [name for name, _ in source.about.columns[:2]]
    row = ", ".join(f"{name}: …" for name in columns)
    more = ", …" if len(source.about.columns) > 2 else ""
    rows = f"[{{{row}{more}}}]"
    shown = [f"predict({rows})  # dicts, a dict of columns, or a data frame"]
    if source.ending.task != "regression":
        shown.append(f"predict_proba({rows})")
    return shown


def with_module(source: Source) -> list[str]:
    """Give the same lines after the one that loads the file."""
    names = "predict"
    if source.ending is not None and source.ending.task != "regression":
        names += ", predict_proba"
    return [f"from {module_name(source.path)} import {names}", *usage(source)]


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


def _weights(source: Source, code: ArrayCode, module: str) -> tuple[list[str], list[str]]:
    """Give the lines that define arrays, and the imports that they need."""
    trained = {code.array_names[a.name]: a.numbers for a in source.program.arrays}
    arrays: Mapping[str, Array] = trained | code.constants
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
