"""Examining values and gradients: dead and saturated units, equal neurons, gradients by layer.

Answers for what one run forward and back shows. Not for: the run itself (``case``), rates
(``rates``), data (``data``).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np

from limpide.activations import Activation, activation_name
from limpide.explain.doctor.case import Case, Look, Seen, constant_loss, one_hot
from limpide.explain.doctor.findings import Finding
from limpide.explain.doctor.rates import first_update
from limpide.explain.doctor.thresholds import limit
from limpide.ir import Array
from limpide.layers import Dense, Dropout
from limpide.ops import sigmoid, softmax, tanh

_STEEPEST: dict[Activation, float] = {
    sigmoid: 0.25,
    tanh: 1.0,
}  # the largest slope of what saturates


def examine_values(case: Case, seen: Look) -> list[Finding]:
    """Give what ails the neurons of a network, on the rows of one run."""
    symmetric = equal_neurons(case, seen)
    named = {name for finding in symmetric for name in finding.where["neurons"]}
    wrong = is_wrong(case, seen)
    found = [*symmetric]
    flat: set[str] = set()
    for depth, layer in enumerate(seen.hidden, 1):
        least = min(limit("dead share") + 0.05 * (depth - 1), 0.5)
        apart = np.array([name not in named for name in layer.neurons])
        dead, saturated = flat_units(layer)
        dead &= len(layer.z) >= limit("rows for dead")
        hurt = [
            *_flat_finding("dead_neurons", layer, dead & apart, least),
            *(_flat_finding("saturated_neurons", layer, saturated & apart, least) if wrong else ()),
        ]
        if not apart.all() or any(finding.severity == "serious" for finding in hurt):
            flat.add(layer.name)
        found += hurt
    found += _stuck_outputs(case, seen)
    return found + _large_weights(case, seen) + _gradients_by_layer(case, seen, flat)


def is_wrong(case: Case, seen: Look) -> bool:
    """Say whether the network still answers hardly better than with one number."""
    constant = constant_loss(case)
    return not math.isfinite(constant) or seen.loss > limit("still wrong") * constant


# Units without a slope ---------------------------------------------------------------------------


def flat_units(layer: Seen) -> tuple[Array, Array]:
    """Give which neurons have no slope on any row, and which hardly one on nearly all rows."""
    steepest = _STEEPEST.get(layer.function)
    if steepest is None:
        dead = (layer.slope == 0).all(axis=0)
        return dead, np.zeros_like(dead)
    flat = np.abs(layer.slope) < limit("flat slope") * steepest
    saturated = flat.mean(axis=0) >= limit("saturated rows")
    return np.zeros_like(saturated), saturated


def _flat_finding(kind: str, layer: Seen, flat: Array, least: float) -> list[Finding]:
    places = np.flatnonzero(flat)
    share = len(places) / len(flat)
    if share < least:
        return []
    severity = "serious" if share > 0.5 else "warning"
    slopes = np.abs(layer.slope[:, places])
    figures = {
        "neurons": len(places),
        "of_neurons": len(flat),
        "share_of_neurons": share,
        "share_of_rows": _share_of_rows(layer, kind, places),
        "largest_slope": float(slopes.max()),
        "largest_sum": float(layer.z[:, places].max()),
        "smallest_sum": float(layer.z[:, places].min()),
        "activation": activation_name(layer.function),
        "each": {layer.neurons[i]: _each(layer, kind, i) for i in places.tolist()},
    }
    where = {"layer": layer.name, "neurons": [layer.neurons[i] for i in places.tolist()]}
    return [Finding(kind, severity, where, figures)]


def _flat_rows(layer: Seen, kind: str) -> Array:
    """Say for each row and neuron whether there is no slope to speak of."""
    steepest = 0.0 if kind == "dead_neurons" else limit("flat slope") * _STEEPEST[layer.function]
    return np.asarray(np.abs(layer.slope) <= steepest)


def _share_of_rows(layer: Seen, kind: str, places: Array) -> float:
    return float(_flat_rows(layer, kind)[:, places].mean())


def _each(layer: Seen, kind: str, place: int) -> dict[str, float]:
    """Give one neuron's figures: the share of rows without a slope, and the ends of its sums."""
    z = layer.z[:, place]
    return {
        "share_of_rows": float(_flat_rows(layer, kind)[:, place].mean()),
        "smallest_sum": float(z.min()),
        "largest_sum": float(z.max()),
    }


def _stuck_outputs(case: Case, seen: Look) -> list[Finding]:
    """Find outputs that are wrong and get no gradient, whatever the loss."""
    last = seen.layers[-1] if seen.layers else None
    if last is None or not last.is_output or last.function not in (*_STEEPEST, softmax):
        return []
    y = one_hot(seen.targets, last.z.shape[1])
    error = np.abs(seen.output - y)
    count = len(error) if case.loss.per_row else error.size
    # The mean's gradient times what it is the mean of; the loss of one answer has about its error.
    pull = np.abs(last.gradient).astype(np.float64) * count
    stuck = (error > 0.5) & (pull < limit("flat slope") * error)
    share = float(stuck.mean())
    if share < limit("stuck outputs"):
        return []
    places = np.flatnonzero(stuck.any(axis=0)).tolist()
    rows = np.flatnonzero(stuck.any(axis=1))
    figures = {
        "share_of_outputs": share,
        "rows": len(rows),
        "largest_gradient": float(pull[stuck].max()),
        "mean_error": float(error[stuck].mean()),
        "activation": activation_name(last.function),
        "loss": case.loss.name,
    }
    where = {"layer": last.name, "neurons": [last.neurons[i] for i in places]}
    return [Finding("saturated_output", "serious", where, figures)]


def _large_weights(case: Case, seen: Look) -> list[Finding]:
    """Find weights that have flown off: too large by far, with answers worse than any constant."""
    sizes = {}
    for layer in seen.layers:
        weights = case.params[f"{layer.name}.weights"]
        sizes[layer.name] = _rms(weights) * math.sqrt(weights.shape[-2])
    constant = constant_loss(case)
    if not sizes or not seen.loss > limit("far off") * constant:
        return []
    largest = max(sizes, key=lambda name: sizes[name])
    if sizes[largest] < limit("large weights"):
        return []
    figures = {
        "loss": seen.loss,
        "constant_loss": constant,
        "largest_weight": float(np.abs(case.params[f"{largest}.weights"]).max()),
        "size_by_layer": sizes,
    }
    return [Finding("large_weights", "serious", {"layer": largest}, figures)]


# Gradients by layer ------------------------------------------------------------------------------


def _gradients_by_layer(case: Case, seen: Look, flat: set[str]) -> list[Finding]:
    """Compare the gradients of the first hidden layer and the last layer."""
    layers = seen.layers
    if len(layers) < 3 or any(layer.name in flat for layer in layers):
        return []
    sizes = {layer.name: _rms(layer.gradient) for layer in layers}
    first, last = layers[0], layers[-1]
    if sizes[last.name] == 0:  # nothing is asked for, so nothing can get lost
        return []
    ratio = sizes[first.name] / sizes[last.name]
    updates = first_update(case) if case.optimizer is not None else {}
    moved = _by_layer(updates, [layer.name for layer in layers])
    evened = moved.get(first.name, 0.0) / moved[last.name] if moved.get(last.name) else ratio
    figures = {
        "ratio": ratio,
        "gradient_by_layer": sizes,
        "activation": activation_name(first.function),
        **({"update_to_weight_by_layer": moved} if moved else {}),
    }
    where = {"layer": first.name, "layers": [layer.name for layer in layers]}
    # An optimizer that divides by the gradient's size (Adam) evens out what is lost on the way.
    if ratio < limit("vanishing") and evened < limit("vanishing"):
        return [Finding("vanishing_gradients", "serious", where, figures)]
    if ratio > limit("exploding") and evened > limit("exploding"):
        return [Finding("exploding_gradients", "serious", where, figures)]
    return []


def _by_layer(updates: dict[str, float], layers: Sequence[str]) -> dict[str, float]:
    return {name: updates[f"{name}.weights"] for name in layers if f"{name}.weights" in updates}


def _rms(array: Array) -> float:
    return float(np.sqrt(np.mean(np.square(array, dtype=np.float64))))


# Equal neurons -----------------------------------------------------------------------------------


def equal_neurons(case: Case, seen: Look) -> list[Finding]:
    """Find neurons of one layer that are the same in all and will stay so."""
    dense = [p for p in case.placed if not isinstance(p.layer, Dropout)]
    found = []
    for place, after in itertools.pairwise(dense):
        if not isinstance(place.layer, Dense) or place.outputs < 2:
            continue
        following = after.name if _follows(after.layer) else None
        weights, slopes = _profiles(case, seen, place.name, following)
        groups = _equal_groups(weights, slopes, np.finfo(case.X.dtype).eps)
        if groups:
            found.append(_equal_finding(case, seen, place.name, groups, len(weights)))
    return found


def _follows(layer: object) -> bool:
    return isinstance(layer, Dense)


def _profiles(case: Case, seen: Look, layer: str, after: str | None) -> tuple[Array, Array]:
    """Give for each neuron all that makes it: weights in and out, and their gradients.

    Each as shares of the layer's largest.
    """
    parts: list[Array] = []
    for arrays in (case.params, seen.gradients):
        names = [n for n in (f"{layer}.weights", f"{layer}.bias") if n in arrays]
        own = [arrays[name].reshape(-1, arrays[name].shape[-1]).T for name in names]
        if after is not None:
            own.append(arrays[f"{after}.weights"])
        whole = np.concatenate(own, axis=1).astype(np.float64)
        size = float(np.abs(whole).max(initial=0.0))
        parts.append(whole / size if size else whole)
    return parts[0], parts[1]


def _equal_groups(weights: Array, slopes: Array, rounding: float) -> list[list[int]]:
    """Give the groups of equal neurons; what sums in another order may differ by is none.

    Weights are compared by the neuron's own size: beside one that has flown off all others would
    look alike.
    """
    allowed = 64 * rounding
    own = np.abs(weights).max(axis=1)
    rows = np.concatenate([weights, slopes], axis=1)
    way = np.random.default_rng(0).normal(size=rows.shape[1]) / math.sqrt(rows.shape[1])
    line = rows @ way
    order = np.argsort(line, kind="stable").tolist()
    groups: list[list[int]] = []
    current = [order[0]]
    for place in order[1:]:
        other = current[0]
        alike = np.abs(weights[place] - weights[other]).max() <= allowed * own[other]
        if alike and np.abs(slopes[place] - slopes[other]).max() <= allowed:
            current.append(place)
            continue
        groups.append(current)
        current = [place]
    groups.append(current)
    return [sorted(group) for group in groups if len(group) > 1]


def _equal_finding(
    case: Case, seen: Look, layer: str, groups: list[list[int]], neurons: int
) -> Finding:
    names = next(own.neurons for own in seen.layers if own.name == layer)
    weights = case.params[f"{layer}.weights"]
    places = sorted(i for group in groups for i in group)
    figures = {
        "neurons": len(places),
        "of_neurons": neurons,
        "groups": [[names[i] for i in group] for group in groups],
        "all_zero": bool((weights[:, places] == 0).all()),
    }
    where = {"layer": layer, "neurons": [names[i] for i in places]}
    return Finding("symmetric_neurons", "serious", where, figures)
