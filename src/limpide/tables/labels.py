"""y by itself, not as a column of a table: its classes or numbers, and what a network learns.

Answers for labels in any array or series, for several of them a row, and for refusals that name
the row and the value. Not for: targets that are columns of a table (``targets``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import narwhals.stable.v2 as nw
import numpy as np
import polars as pl
from numpy.typing import NDArray

from limpide.errors import DataError, DtypeError, MemoryLimitError, ShapeError, nearest
from limpide.tables.columns import is_missing
from limpide.tables.table import plural
from limpide.tables.targets import MOST_CLASSES, Target, with_scale

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Labels:
    """What y holds.

    Attributes
    ----------
    target : Target
        The task and, for classes, their labels as a model file holds them.
    values : i64[n], f64[n] or f64[n, outputs]
        Class numbers, or the numbers of a regression, or 0 and 1 for each of several labels.
    classes : array or None
        The labels in the very dtype that y has.
    """

    target: Target
    values: NDArray[Any]
    classes: NDArray[Any] | None


def as_labels(y: Any, name: str = "y") -> NDArray[Any]:
    """Give y as an array of one or two axes, in a dtype of its own or as objects.

    >>> as_labels(pl.Series(["a", "b"])).tolist()
    ['a', 'b']

    Raises
    ------
    DataError, ShapeError
        Where there is none, it is masked, ragged, or has another number of axes.
    """
    if y is None:
        raise DataError(
            f"fit requires {name} to be passed, but the target {name} is None. Pass one label or "
            "number a row."
        )
    array = _plain_array(y, name)
    if array.dtype.kind == "c":
        raise DataError(
            f"Complex data not supported: {name} holds complex numbers. Pass labels, or real "
            "numbers."
        )
    if array.ndim not in (1, 2):
        told = "a single value" if array.ndim == 0 else f"an array of {array.ndim} axes"
        raise ShapeError(
            f"{name} should be a 1d array, one label or number a row, or have one column for each "
            f"of several; received {told}. Reshape it."
        )
    if array.dtype.kind in "SV":
        raise DataError(
            f"Unknown label type: {name} holds {array.dtype}. Pass text or numbers; bytes are "
            f"decoded with numpy.char.decode({name})."
        )
    if array.dtype.kind in "Mm":
        raise DataError(
            f"Unknown label type: {name} holds dates or durations. Make them text for classes, or "
            "numbers such as days since a start for a regression."
        )
    return array


def _plain_array(y: Any, name: str) -> NDArray[Any]:
    if hasattr(y, "toarray"):
        return np.asarray(y.toarray())
    y = nw.to_native(y, pass_through=True)
    if isinstance(y, np.ma.MaskedArray):
        if np.ma.is_masked(y):
            raise DataError(f"{name} is a masked array with masked rows. Leave those rows out.")
        return np.asarray(y.data)
    if not hasattr(y, "__array__") and hasattr(y, "__arrow_c_stream__"):
        y = pl.Series(y)
    if isinstance(y, pl.Series) and y.dtype in (pl.Categorical, pl.Enum):
        y = y.cast(pl.String)
    try:
        array = np.asarray(y)
    except ValueError:
        raise ShapeError(
            f"{name} is a list whose rows differ in length. For several labels a row, give one "
            "column of 0 and 1 for each label (scikit-learn's MultiLabelBinarizer makes them)."
        ) from None
    if array.dtype.kind == "U" and isinstance(y, (list, tuple)):
        # NumPy turns [1, "a"] into text; what is mixed must be seen.
        return np.array(y, dtype=object) if _mixes(y) else array
    return array


def _mixes(values: Any) -> bool:
    return any(not isinstance(value, str) for value in values)


def _of_objects(array: NDArray[Any], name: str) -> NDArray[Any]:
    """Give objects as text, booleans, whole numbers or floats; name what is mixed or missing."""
    items = array.ravel().tolist()
    gone = [row for row, item in enumerate(items) if is_missing(item)]
    if gone:
        raise _missing(name, len(gone), gone[0] // (array.size // len(array) or 1))
    kinds: dict[str, tuple[int, Any]] = {}
    for row, item in enumerate(items):
        kinds.setdefault(_kind(item), (row, item))
    if "other" in kinds:
        row, item = kinds["other"]
        raise DataError(
            f"Unknown label type: {name} holds a {type(item).__name__} in row {row}. Labels are "
            "text, booleans or numbers: convert it."
        )
    if "text" in kinds and len(kinds) > 1:
        (row, text), (at, other) = kinds["text"], next(v for k, v in kinds.items() if k != "text")
        raise DataError(
            f"{name} mixes text ({text!r:.40} in row {row}) and numbers ({other!r:.40} in row "
            f"{at}). Make it all text or all numbers."
        )
    dtype = {"text": np.str_, "boolean": np.bool_, "integer": np.int64, "float": np.float64}
    order = ("text", "float", "integer", "boolean")
    chosen = next(kind for kind in order if kind in kinds)
    try:
        return np.array(items, dtype[chosen]).reshape(array.shape)
    except OverflowError:
        raise DataError(f"{name} holds whole numbers beyond 64 bits. Pass them as text.") from None


def _kind(item: Any) -> str:
    if isinstance(item, str):
        return "text"
    if isinstance(item, (bool, np.bool_)):
        return "boolean"
    if isinstance(item, (int, np.integer)):
        return "integer"
    return "float" if isinstance(item, (float, np.floating)) else "other"


def _missing(name: str, count: int, row: int) -> DataError:
    return DataError(
        f"{name} is missing (NaN or None) in {plural(count, 'row')}, the first row {row}. Leave "
        f"those rows out of X and {name}."
    )


def _finite(array: NDArray[Any], name: str) -> None:
    if array.dtype.kind != "f":
        return
    for bad, what in ((np.isnan(array), None), (np.isinf(array), "infinite")):
        if bad.any():
            row = int(np.argwhere(bad)[0][0])
            if what is None:
                raise _missing(name, int(bad.sum()), row)
            raise DataError(
                f"{name} holds {plural(int(bad.sum()), 'infinite value')}, the first in row "
                f"{row}. Correct or remove those rows."
            )


def class_labels(y: NDArray[Any], name: str = "y", of: str = "y") -> Labels:
    """Find the classes of a classifier's y: one a row, or a column of 0 and 1 a label.

    ``of`` is the name that the target goes by in a model.

    Raises
    ------
    DataError
        One class, a fraction, mixed kinds, missing labels: the row and the value are named.
    MemoryLimitError
        More classes than can be told apart.

    Examples
    --------
    >>> found = class_labels(np.array(["no", "yes", "no"]))
    >>> found.target.task, found.values.tolist(), found.classes.tolist()
    ('binary', [0, 1, 0], ['no', 'yes'])
    """
    if y.ndim == 2:
        return _several_labels(y, name, of)
    plain = _checked_classes(y, name)
    classes, codes = np.unique(y, return_inverse=True)
    _check_count(classes, len(y), name)
    kind = {"U": "text", "b": "boolean", "f": "float"}.get(plain.dtype.kind, "integer")
    stored: NDArray[Any] = np.unique(plain)
    if kind == "integer" and stored.dtype.kind == "u" and int(stored.max()) >= 2**63:
        raise DataError(f"{name} holds {stored.max()}, which is beyond 64 bits. Pass it as text.")
    stored = stored.astype({"integer": np.int64, "float": np.float64}.get(kind, stored.dtype))
    task = "binary" if len(classes) == 2 else "multiclass"
    target = Target(of, kind, task, f"{len(classes):,} classes", stored)
    return Labels(target, codes.astype(np.int64), classes)


def _checked_classes(y: NDArray[Any], name: str) -> NDArray[Any]:
    plain = _of_objects(y, name) if y.dtype.kind == "O" else y
    _finite(plain, name)
    if plain.dtype.kind == "f" and (odd := plain != np.round(plain)).any():
        row = int(odd.argmax())
        raise DataError(
            f"Unknown label type: continuous. {name} holds {plain[row]:g} in row {row}, which is "
            "no class: it looks like regression. Use Regressor, or round it."
        )
    return plain


def _check_count(classes: NDArray[Any], rows: int, name: str) -> None:
    count = len(classes)
    if count == 1:
        raise DataError(
            f"{name} has one class, {classes.tolist()[0]!r:.60}, in all {rows} rows; there is "
            "nothing to tell apart. Add rows of another class."
        )
    if count > MOST_CLASSES:
        raise MemoryLimitError(
            f"{name} has {count:,} classes in {rows:,} rows: a network that tells them apart "
            f"needs about {(16 * 128 * count + 8 * count**2) / 2**30:,.1f} GiB; limpide takes at "
            f"most {MOST_CLASSES:,} classes. Use Regressor for numbers, or group the classes."
        )


def _several_labels(y: NDArray[Any], name: str, of: str) -> Labels:
    values = several_of(y, y.shape[1], name)
    why = f"{y.shape[1]} labels of 0 and 1"
    target = Target(of, "integer", "multilabel", why, None, outputs=y.shape[1])
    return Labels(target, values, np.arange(y.shape[1]))


def several_of(y: NDArray[Any], outputs: int, name: str) -> Floats:
    """Give several labels a row as f64[n, outputs] of 0 and 1, or refuse what is none."""
    if y.ndim != 2 or y.shape[1] != outputs:
        raise ShapeError(
            f"{name} has shape {list(y.shape)}; there are {outputs} labels a row, so it is "
            f"[n, {outputs}]. Pass a column of 0 and 1 for each."
        )
    plain = _of_objects(y, name) if y.dtype.kind == "O" else y
    _finite(plain, name)
    is_number = plain.dtype.kind in "biuf"
    wrong = np.argwhere((plain != 0) & (plain != 1)) if is_number else np.zeros((1, 2), int)
    if len(wrong):
        row, column = wrong[0].tolist()
        raise DataError(
            f"Unknown label type: {name} has {outputs} columns and holds "
            f"{plain[row, column].item()!r:.40} in row {row}, column {column}; several labels a "
            "row are columns of 0 and 1. For one class a row pass one column; for several targets "
            "of several classes each use scikit-learn's MultiOutputClassifier."
        )
    return plain.astype(np.float64)


def number_labels(
    y: NDArray[Any], weights: Floats | None = None, name: str = "y", of: str = "y"
) -> Labels:
    """Find the unit of a regressor's y: one number a row, or several.

    Raises
    ------
    DataError
        For what is missing, infinite or no number.

    Examples
    --------
    >>> number_labels(np.array([1.0, 3.0])).target.scale
    1.0
    """
    values = numbers_of(y, name)
    if values.ndim == 1:
        target = with_scale(Target(of, "float", "regression", "as asked"), values, weights)
        return Labels(target, values, None)
    each = [
        with_scale(Target(of, "float", "regression", "as asked"), column, weights)
        for column in values.T
    ]
    target = replace(
        each[0],
        why=f"{len(each)} numbers a row",
        centre=np.array([t.centre for t in each]),
        scale=np.array([t.scale for t in each]),
        outputs=len(each),
    )
    return Labels(target, values, None)


def numbers_of(y: NDArray[Any], name: str) -> Floats:
    """Give a regression's y as f64, or refuse what is no number."""
    plain = _of_objects(y, name) if y.dtype.kind == "O" else y
    if plain.dtype.kind not in "biuf":
        raise DtypeError(
            f"{name} holds text, such as {plain.ravel().tolist()[0]!r:.60}; a regression needs "
            "numbers. Use Classifier for classes."
        )
    values = np.ascontiguousarray(plain, np.float64)
    _finite(values, name)
    return values


def encoded(y: NDArray[Any], classes: NDArray[Any], name: str) -> NDArray[np.int64]:
    """Give the class number of each label, for classes that are known already.

    Raises
    ------
    DataError
        For a label that is none of them: the row, the value and the nearest class.
    """
    plain = _checked_classes(y, name)
    known = _of_objects(classes, name) if classes.dtype.kind == "O" else classes
    if (plain.dtype.kind == "U") != (known.dtype.kind == "U"):
        here, there = ("text", "numbers") if plain.dtype.kind == "U" else ("numbers", "text")
        raise DataError(
            f"{name} holds {here}, such as {plain.tolist()[0]!r:.40}, and the classes are {there}, "
            f"such as {known.tolist()[0]!r:.40}. Give the same kind of labels."
        )
    places = np.minimum(np.searchsorted(known, plain), len(known) - 1)
    wrong = np.flatnonzero(known[places] != plain)
    if len(wrong):
        row = int(wrong[0])
        names = [str(label) for label in known.tolist()]
        rows = "1 row holds a class" if len(wrong) == 1 else f"{len(wrong)} rows hold classes"
        raise DataError(
            f"{name}: {rows} that the model does not know, the first {plain.tolist()[row]!r:.60} "
            f"in row {row}; it knows {', '.join(names[:10])}.{nearest(str(plain[row]), names)}"
        )
    return places.astype(np.int64)
