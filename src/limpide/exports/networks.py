"""Exporting a bare network: the door for ``Network.export``.

Answers for files without a table. Not for: models (``limpide.exports.models``).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from limpide.exports.about import About
from limpide.exports.array_ends import Source
from limpide.exports.files import idioms_for, kind_of_file, source_text, write_file
from limpide.exports.free_rows import read_program
from limpide.exports.opset import Operators, ProgramOperators
from limpide.exports.opset_ends import Port, network_ends
from limpide.exports.opset_file import model_bytes, need_onnx
from limpide.exports.values import Program
from limpide.ir import NUMPY_DTYPES, Array, Graph


@dataclass(frozen=True)
class Exported:
    """What the exports see of a network.

    Attributes
    ----------
    graph
        Gives the graph for a number of rows.
    params, state
        Its arrays by name, in the order of the graph's inputs.
    text
        The printed network.
    activation
        The name of what its output ends with.
    """

    graph: Callable[[int], Graph]
    params: Mapping[str, Array]
    state: Mapping[str, Array]
    text: str
    activation: str

    def program(self, kind: str) -> Program:
        """Give the program for a kind of file."""
        return read_program(self.graph, self.params, self.state, idioms_for(kind))


def export_network(
    network: Exported, path: str | os.PathLike[str], to: str | None, overwrite: bool
) -> None:
    """Write a network, its weights included, as a file of another format.

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
    if kind == "onnx":
        need_onnx()
        write_file(path, _onnx(network), overwrite)
        return
    program = network.program(kind)
    source = Source(program, About(_title(program), network.text), os.fspath(path), None, None)
    write_file(path, source_text(kind, source), overwrite)


def _title(program: Program) -> str:
    inputs, outputs = program.rows.shape[1], program.output.shape[1]
    return f"A neural network with {inputs} inputs and {outputs} outputs."


def _onnx(network: Exported) -> bytes:
    program = network.program("onnx")
    names = ["X", "label", "probabilities", "prediction"]
    to = Operators(names)
    written = ProgramOperators(program, to, "X")
    to.release(names[1:])
    dtype = NUMPY_DTYPES[program.rows.dtype]
    width = program.output.shape[1]
    assert isinstance(width, int)
    inputs = program.rows.shape[1]
    assert isinstance(inputs, int)
    outputs = network_ends(network.activation, written.result, width, dtype, to)
    words = f"{_title(program)}\n\n{network.text}"
    return model_bytes(to, [Port("X", dtype, ("n", inputs))], outputs, words, {})
