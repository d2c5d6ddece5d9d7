"""ONNX files: nodes, arrays, inputs and outputs as one checked model.

Answers for the protobuf; the only importer of onnx. Not for: what the nodes are (``opset``,
``opset_columns``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import limpide
from limpide.errors import ArgumentError, MissingExtraError
from limpide.exports.opset import Operators
from limpide.exports.opset_ends import Port

OPSET, ML_OPSET, IR_VERSION = 19, 3, 9  # of the end of 2023; older readers are many

BYTES_AT_MOST = (1 << 31) - (1 << 24)
"""A file of protobuf holds less than 2 GiB."""


def need_onnx() -> Any:
    """Give onnx.

    Raises
    ------
    MissingExtraError
        Where it is not installed.
    """
    try:
        import onnx
    except ImportError:
        raise MissingExtraError("An .onnx file needs onnx: pip install 'limpide[onnx]'") from None
    return onnx


def model_bytes(
    to: Operators,
    inputs: Sequence[Port],
    outputs: Sequence[Port],
    description: str,
    facts: Mapping[str, str],
) -> bytes:
    """Give a model that onnx's checker accepts.

    Raises
    ------
    MissingExtraError
        Where onnx is not installed.
    ArgumentError
        For arrays of 2 GiB or more.
    """
    onnx = need_onnx()
    size = sum(array.nbytes for array in to.arrays.values())
    if size > BYTES_AT_MOST:
        raise ArgumentError(
            f"An .onnx file holds less than 2 GiB, and the weights are {size / 2**30:.1f} GiB. "
            "Keep the model file (save), or choose smaller layers."
        )
    helper = onnx.helper
    nodes = [
        helper.make_node(
            node.kind,
            list(node.inputs),
            [node.output],
            name=f"{node.kind}_{place}",
            domain=node.domain,
            **{key: _attribute(onnx, value) for key, value in node.attributes.items()},
        )
        for place, node in enumerate(to.nodes)
    ]
    graph = helper.make_graph(
        nodes,
        "limpide",
        [_port(onnx, port) for port in inputs],
        [_port(onnx, port) for port in outputs],
        [_tensor(onnx, name, array) for name, array in to.arrays.items()],
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", ML_OPSET)],
        ir_version=IR_VERSION,
        producer_name="limpide",
        producer_version=limpide.__version__,
        doc_string=description,
    )
    helper.set_model_props(model, dict(facts))
    onnx.checker.check_model(model, full_check=True)
    return bytes(model.SerializeToString(deterministic=True))


def _attribute(onnx: Any, value: Any) -> Any:
    return _element(onnx, value) if isinstance(value, np.dtype) else value


def _element(onnx: Any, dtype: np.dtype[Any]) -> int:
    if dtype.kind == "U":
        return int(onnx.TensorProto.STRING)
    return int(onnx.helper.np_dtype_to_tensor_dtype(dtype))


def _port(onnx: Any, port: Port) -> Any:
    kind = _element(onnx, port.dtype)
    return onnx.helper.make_tensor_value_info(port.name, kind, list(port.shape))


def _tensor(onnx: Any, name: str, array: Any) -> Any:
    if array.dtype.kind == "U":
        texts = [text.encode() for text in array.reshape(-1).tolist()]
        return onnx.helper.make_tensor(name, onnx.TensorProto.STRING, array.shape, texts)
    return onnx.numpy_helper.from_array(array, name)
