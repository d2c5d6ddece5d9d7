"""Exporting the model of a table: the door for ``Model.export``.

Answers for files that take the table's own columns and give its labels. Not for: bare networks
(``limpide.exports.networks``).
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence

from limpide.exports.about import About, Ending
from limpide.exports.array_ends import Source
from limpide.exports.array_files import file_names
from limpide.exports.cells_code import RESERVED, cell_functions
from limpide.exports.files import kind_of_file, source_text, write_file
from limpide.exports.networks import Exported
from limpide.exports.opset import Operators, ProgramOperators
from limpide.exports.opset_columns import column_ports, matrix
from limpide.exports.opset_ends import ends
from limpide.exports.opset_file import model_bytes, need_onnx
from limpide.exports.text import literal
from limpide.ir import NUMPY_DTYPES
from limpide.tables.features import Column
from limpide.tables.preprocessing import Preprocessing

_OUTPUTS = ("label", "probabilities", "prediction")


def export_model(
    network: Exported,
    preprocessing: Preprocessing,
    ending: Ending,
    training: Sequence[str],
    path: str | os.PathLike[str],
    to: str | None,
    overwrite: bool,
) -> None:
    """Write a model, its preprocessing and weights included, as a file of another format.

    Parameters
    ----------
    network
        Its graph gives the sums before the last activation.
    training
        What it was trained on, a sentence each.

    Raises
    ------
    ArgumentError
        For an unknown kind, a network whose rows depend on each other, or one that is too large.
    MissingExtraError
        For ONNX where onnx is not installed.
    FileError
        Where the file cannot be written.
    """
    kind = kind_of_file(path, to)
    about = About(_title(preprocessing, ending), network.text, training, _columns(preprocessing))
    if kind == "onnx":
        need_onnx()
        write_file(path, _onnx(network, preprocessing, ending, about), overwrite)
        return
    names = file_names(RESERVED)
    cells = cell_functions(preprocessing, names)
    source = Source(network.program(kind), about, os.fspath(path), ending, cells)
    write_file(path, source_text(kind, source, names), overwrite)


def _title(preprocessing: Preprocessing, ending: Ending) -> str:
    count = len(preprocessing.features)
    columns = "1 column" if count == 1 else f"{count} columns"
    what = literal(ending.target)
    if ending.task == "multilabel":
        return f"Predicts {what}, labels of 0 and 1, from {columns} of a table."
    if ending.classes is None:
        return f"Predicts the number {what} from {columns} of a table."
    labels = ", ".join(literal(label) for label in ending.labels[:8])
    more = ", …" if len(ending.labels) > 8 else ""
    return f"Predicts {what} ({labels}{more}) from {columns} of a table."


_WORDS = {
    "number": "a number",
    "boolean": "true or false",
    "date": "a date, YYYY-MM-DD",
    "datetime": "a date and time, YYYY-MM-DD HH:MM:SS",
    "time": "a time of day, HH:MM:SS",
    "duration": "a timedelta",
}


def _columns(preprocessing: Preprocessing) -> list[tuple[str, str]]:
    return [(literal(column.name), _words(column)) for column in preprocessing.used]


def _words(column: Column) -> str:
    if not column.is_text:
        return _WORDS[column.kind]
    categories = column.parts[0].categories
    some = ", ".join(f"{literal(category):.40}" for category in categories[:4])
    return f"text: {some}" + (f", … ({len(categories)})" if len(categories) > 4 else "")


def _onnx(network: Exported, preprocessing: Preprocessing, ending: Ending, about: About) -> bytes:
    program = network.program("onnx")
    dtype = NUMPY_DTYPES[program.rows.dtype]
    inputs = column_ports(preprocessing, dtype)
    to = Operators([*(port.name for port in inputs), *_OUTPUTS])
    x = matrix(preprocessing, dtype, to)
    written = ProgramOperators(program, to, x)
    columns = {port.name for port in inputs}
    to.release([name for name in _OUTPUTS if name not in columns])
    width = program.output.shape[1]
    assert isinstance(width, int)
    outputs = ends(ending, written.result, width, to)
    described = "\n".join(f"{name}: {what}" for name, what in about.columns)
    words = "\n\n".join([about.title, described, about.layers, " ".join(about.training)])
    return model_bytes(to, inputs, outputs, words, _facts(ending))


def _facts(ending: Ending) -> dict[str, str]:
    facts = {"target": ending.target, "task": ending.task}
    if ending.classes is not None:
        facts["classes"] = json.dumps(ending.labels)
    return facts
