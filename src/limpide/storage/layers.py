"""Layers and losses as a model file describes them, over a closed vocabulary.

Answers for layers and losses → metadata and back. Not for: arrays, which are tensors of the file;
a word that is not in the table is an error, and nothing is imported by name.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from limpide.activations import ACTIVATIONS
from limpide.errors import ArgumentError, ArgumentTypeError, LimpideWarning, ModelFileError
from limpide.initializers import zeros
from limpide.layers import BatchNorm, Dense, Dropout, Embedding, Layer, LayerNorm, Placed
from limpide.losses import LOSSES, Huber, Loss
from limpide.members import MemberDense, MemberInput, MemberOutput
from limpide.storage.vocabulary import (
    expect_bool,
    expect_choice,
    expect_float,
    expect_int,
    expect_keys,
    expect_list,
    expect_object,
    expect_text,
)
from limpide.table_layers import (
    Columns,
    Equals,
    Missing,
    OneHot,
    PiecewiseLinear,
    RobustScale,
    Standardize,
)

Config = Mapping[str, Any]


def _dense(config: Config, name: str | None, where: str) -> Layer:
    expect_keys(config, {"type", "name", "neurons", "activation", "bias"}, where=where)
    return Dense(
        expect_int(config, "neurons", where=where, minimum=1),
        expect_choice(config, "activation", ACTIVATIONS, where=where),
        bias=zeros if expect_bool(config, "bias", where=where) else None,
        name=name,
    )


def _members(kind: type[MemberDense | MemberInput]) -> Callable[[Config, str | None, str], Layer]:
    """Give the builder of a layer of an ensemble."""

    def build(config: Config, name: str | None, where: str) -> Layer:
        expect_keys(config, {"type", "name", "members", "neurons", "activation"}, where=where)
        return kind(
            expect_int(config, "members", where=where, minimum=1),
            expect_int(config, "neurons", where=where, minimum=1),
            expect_choice(config, "activation", ACTIVATIONS, where=where),
            name=name,
        )

    return build


def _dropout(config: Config, name: str | None, where: str) -> Layer:
    expect_keys(config, {"type", "name", "rate"}, where=where)
    return Dropout(expect_float(config, "rate", where=where), name=name)


def _layer_norm(config: Config, name: str | None, where: str) -> Layer:
    expect_keys(config, {"type", "name", "epsilon"}, where=where)
    return LayerNorm(epsilon=expect_float(config, "epsilon", where=where), name=name)


def _batch_norm(config: Config, name: str | None, where: str) -> Layer:
    expect_keys(config, {"type", "name", "momentum", "epsilon"}, where=where)
    return BatchNorm(
        momentum=expect_float(config, "momentum", where=where),
        epsilon=expect_float(config, "epsilon", where=where),
        name=name,
    )


def _embedding(config: Config, name: str | None, where: str) -> Layer:
    expect_keys(config, {"type", "name", "categories", "size"}, where=where)
    return Embedding(
        expect_int(config, "categories", where=where, minimum=1),
        expect_int(config, "size", where=where, minimum=1),
        name=name,
    )


def _plain(kind: type[Layer]) -> Callable[[Config, str | None, str], Layer]:
    """Give the builder of a layer that has a name and nothing else."""

    def build(config: Config, name: str | None, where: str) -> Layer:
        expect_keys(config, {"type", "name"}, where=where)
        return kind(name=name)

    return build


def _robust_scale(config: Config, name: str | None, where: str) -> Layer:
    expect_keys(config, {"type", "name", "limit"}, where=where)
    return RobustScale(expect_float(config, "limit", where=where), name=name)


def _one_hot(config: Config, name: str | None, where: str) -> Layer:
    expect_keys(config, {"type", "name", "categories"}, where=where)
    return OneHot(tuple(expect_list(config, "categories", int, where=where)), name=name)


def _piecewise_linear(config: Config, name: str | None, where: str) -> Layer:
    expect_keys(config, {"type", "name", "stretches"}, where=where)
    return PiecewiseLinear(tuple(expect_list(config, "stretches", int, where=where)), name=name)


def _columns(config: Config, name: str | None, where: str) -> Layer:
    expect_keys(config, {"type", "name", "parts"}, where=where)
    parts = []
    for i, part in enumerate(expect_list(config, "parts", dict, where=where)):
        place = f"{where}.parts[{i}]"
        expect_keys(part, {"columns", "layer"}, where=place)
        columns = tuple(expect_list(part, "columns", int, where=place))
        inner = f"{place}.layer"
        described = expect_object(part, "layer", where=place)
        build = expect_choice(described, "type", _PARTS, where=inner)
        label = expect_text(described, "name", where=inner) or None
        parts.append((columns, build(described, label, inner)))
    return Columns(tuple(parts), name=name)


_PARTS: dict[str, Callable[[Config, str | None, str], Layer]] = {
    "Embedding": _embedding,
    "Equals": _plain(Equals),
    "Missing": _plain(Missing),
    "OneHot": _one_hot,
    "PiecewiseLinear": _piecewise_linear,
    "RobustScale": _robust_scale,
    "Standardize": _plain(Standardize),
}
_BUILDERS: dict[str, Callable[[Config, str | None, str], Layer]] = {
    **_PARTS,
    "Columns": _columns,
    "Dense": _dense,
    "Dropout": _dropout,
    "LayerNorm": _layer_norm,
    "BatchNorm": _batch_norm,
    "MemberDense": _members(MemberDense),
    "MemberInput": _members(MemberInput),
    "MemberOutput": _members(MemberOutput),
}


def layers_to_config(placed: Sequence[Placed]) -> list[dict[str, Any]]:
    """Describe layers; first values are not described, since the file holds the arrays."""
    for p in placed:
        kind = type(p.layer)
        if kind.__name__ not in _BUILDERS or not kind.__module__.startswith("limpide."):
            raise ArgumentError(
                f"Layer {p.name!r} is a {kind.__name__}, a layer of your own; a model file only "
                "holds limpide's layers. Use one of those to save it."
            )
    return [
        {"type": type(p.layer).__name__, "name": p.layer.name or "", **p.layer.config()}
        for p in placed
    ]


def layers_from_config(config: Config) -> tuple[int, str, int, list[Layer]]:
    """Give the number of inputs, the dtype, the seed and the layers of a described network.

    Raises
    ------
    ModelFileError
        For a key, a word or a number that is not in the vocabulary; the message names its place.
    """
    where = "network"
    expect_keys(config, {"kind", "dtype", "inputs", "seed", "layers"}, {"loss"}, where=where)
    inputs = expect_int(config, "inputs", where=where, minimum=1)
    dtype = expect_choice(config, "dtype", ("f32", "f64"), where=where)
    seed = expect_int(config, "seed", where=where, minimum=0, maximum=2**32 - 1)
    layers = []
    for i, entry in enumerate(expect_list(config, "layers", dict, where=where)):
        place = f"{where}.layers[{i}]"
        build = expect_choice(entry, "type", _BUILDERS, where=place)
        name = expect_text(entry, "name", where=place) or None
        try:
            layers.append(build(entry, name, place))
        except (ArgumentError, ArgumentTypeError) as error:
            raise ModelFileError(f"{place} describes a wrong layer: {error}") from None
    if not layers:
        raise ModelFileError(f"{where}.layers is empty. Save the model again.")
    return inputs, dtype, seed, layers


def loss_to_config(loss: Loss) -> dict[str, Any]:
    """Describe the loss of the last fit; nothing, with a warning, for one of the user's own."""
    if type(loss) is Huber:
        return {"loss": {"name": loss.name, "delta": float(loss.delta)}}
    if type(LOSSES.get(loss.name)) is type(loss):
        return {"loss": {"name": loss.name}}
    warnings.warn(
        f"A model file cannot name {type(loss).__name__}, a loss of your own; after loading, pass "
        "it again: net.evaluate(X, y, loss=...).",
        LimpideWarning,
        stacklevel=4,
    )
    return {}


def loss_from_config(config: Config) -> Loss | None:
    """Give the loss of the last fit, or None for a network that had not learned.

    Raises
    ------
    ModelFileError
        For a loss that is not in the vocabulary.
    """
    if "loss" not in config:
        return None
    where = "network.loss"
    described = expect_object(config, "loss", where="network")
    loss = expect_choice(described, "name", LOSSES, where=where)
    if not isinstance(loss, Huber):
        expect_keys(described, {"name"}, where=where)
        return loss
    expect_keys(described, {"name", "delta"}, where=where)
    try:
        return Huber(expect_float(described, "delta", where=where))
    except ArgumentError as error:
        raise ModelFileError(f"{where} describes a wrong loss: {error}") from None
