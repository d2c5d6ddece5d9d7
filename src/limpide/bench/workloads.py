"""What is trained in a benchmark: networks, rows, optimizers; and what a step of them costs.

Answers for the shapes of the table and of the sweep, their rows (drawn by a seed, no files) and
first weights, and for the floating-point work of a step. Not for: running or timing anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from limpide.errors import choice_error
from limpide.ir import Array
from limpide.layers import Dense, Dropout, Layer, LayerNorm
from limpide.network import Network
from limpide.optimizers import SGD, Adam, Optimizer

SEED = 0
_ROWS = {57: 4601, 784: 10_000, 28: 20_000}  # Spambase, MNIST's test rows, a share of HIGGS
# At most, or one epoch, where the losses of two programs are compared
_CHECKED_STEPS, _CHECKED_FLOPS = 50, 10**10


@dataclass(frozen=True)
class Workload:
    """A network and how it is trained, the same for every program.

    Parameters
    ----------
    sizes
        Inputs, hidden layers, outputs.
    batch
        Rows a step; the last step of an epoch takes what remains.
    optimizer
        ``"sgd"`` (no momentum) or ``"adam"``, at ``learning_rate``.
    rows
        Rows an epoch; 0 takes what is usual for the number of inputs.
    hidden
        Activation of the hidden layers.
    output, loss
        ``sigmoid`` and ``bce``, ``softmax`` and ``cross_entropy``, or any output and ``mse``.
    shuffle
        Whether each epoch takes the rows in another order.
    dropout
        Share of the hidden values that is set to 0; in front of it, with ``layer_norm``, each
        hidden layer's values are normalised.
    compute_dtype
        ``"bfloat16"``: what matrix products take; parameters, their sums and the loss are of
        ``dtype`` all the same.
    device
        ``"cpu"``, or ``"gpu"`` for the accelerator that there is.

    Examples
    --------
    >>> work = Workload((57, 64, 1), 32)
    >>> work.name, work.rows, work.steps, work.flops
    ('57-64-1', 4601, 144, 68904576)
    """

    sizes: tuple[int, ...]
    batch: int
    optimizer: str = "sgd"
    rows: int = 0
    dtype: str = "float32"
    hidden: str = "relu"
    output: str = "sigmoid"
    loss: str = "bce"
    shuffle: bool = True
    dropout: float = 0.0
    layer_norm: bool = False
    compute_dtype: str = ""
    device: str = "cpu"

    def __post_init__(self) -> None:
        object.__setattr__(self, "sizes", tuple(self.sizes))  # JSON has lists only
        if not self.rows:
            usual = _ROWS.get(self.sizes[0], 5_000)
            object.__setattr__(self, "rows", max(usual, 4 * self.batch))

    @property
    def name(self) -> str:
        """The sizes, as in ``57-64-1``."""
        return "-".join(map(str, self.sizes))

    @property
    def label(self) -> str:
        """What tells it from the others: sizes, batch, and what is not usual."""
        words = [self.name, f"{self.batch:,}", {"sgd": "SGD", "adam": "Adam"}[self.optimizer]]
        words += [self.hidden] if self.hidden != "relu" else []
        words += [self.dtype] if self.dtype != "float32" else []
        words += [self.compute_dtype] if self.compute_dtype else []
        words += [self.loss] if self.loss == "mse" else []
        words += [f"dropout {self.dropout:g}"] if self.dropout else []
        words += ["layer norm"] if self.layer_norm else []
        return ", ".join(words)

    @property
    def steps(self) -> int:
        """Steps an epoch, the short last one among them."""
        return -(-self.rows // self.batch)

    @property
    def flops(self) -> int:
        """Floating-point work of an epoch: that of its matrix products.

        A product of [m, k] and [k, n] takes 2·m·n·k; each layer takes three of them (forward,
        gradient of the weights, gradient of its input), the first layer two.
        """
        products = 0
        for i, (k, n) in enumerate(zip(self.sizes, self.sizes[1:], strict=False)):
            products += k * n * (3 if i else 2)
        return 2 * self.rows * products

    @property
    def checked_epochs(self) -> int:
        """How many epochs two programs train before their losses are compared."""
        return max(1, min(_CHECKED_STEPS // self.steps, _CHECKED_FLOPS // self.flops))

    @property
    def learning_rate(self) -> float:
        # Low enough that rounding does not grow: else two right programs would drift apart.
        if self.optimizer == "adam":
            return 0.001 if max(self.sizes[1:]) <= 128 else 0.0001
        return 0.01 if self.sizes[0] <= 100 else 0.001

    def layers(self) -> list[int | Layer]:
        """Give the layers as ``lp.Network`` takes them."""
        layers: list[int | Layer] = [self.sizes[0]]
        for n in self.sizes[1:-1]:
            layers.append(Dense(n, self.hidden))
            layers += [LayerNorm()] if self.layer_norm else []
            layers += [Dropout(self.dropout)] if self.dropout else []
        return [*layers, Dense(self.sizes[-1], self.output)]

    def network(self) -> Network:
        """Give the network with its first weights, the same each time."""
        return Network(self.layers(), dtype=self.dtype, seed=SEED)

    def first_layers(self) -> list[dict[str, Array]]:
        """Give the first weights a layer: ``weights``, ``bias``, and with layer norm ``scale``,
        ``shift``.
        """
        found: list[dict[str, Array]] = []
        for name, array in self.network().params.items():
            kind = name.rpartition(".")[2]
            if kind == "weights":
                found.append({})
            found[-1][kind] = array
        return found

    def update(self) -> Optimizer:
        """Give the optimizer."""
        kind = Adam if self.optimizer == "adam" else SGD
        return kind(self.learning_rate)

    def data(self) -> tuple[Array, Array]:
        """Give X [rows, inputs] and y: a column, or class numbers for a softmax output.

        The targets follow a few inputs and much noise, so that no network comes to fit them
        perfectly: weights stay of a usual size however long it is trained.
        """
        rng = np.random.default_rng(SEED)
        X = rng.standard_normal((self.rows, self.sizes[0])).astype(self.dtype)
        n = self.sizes[-1]
        told = X[:, :2]
        ways = rng.standard_normal((told.shape[1], n))
        scores = told @ ways + rng.gumbel(size=(self.rows, n))
        if self.loss == "cross_entropy":
            return X, scores.argmax(axis=1)
        y = scores > 0 if self.output == "sigmoid" else scores
        return X, y.astype(self.dtype)

    def as_dict(self) -> dict[str, Any]:
        """Give plain values, from which ``Workload(**values)`` makes an equal one."""
        return asdict(self)


_TEN: dict[str, Any] = {"output": "softmax", "loss": "cross_entropy"}

TABLE: tuple[Workload, ...] = (
    Workload((2, 2, 1), 1, rows=4, dtype="float64", hidden="sigmoid", loss="mse", shuffle=False),
    Workload((57, 4, 1), 32),
    Workload((57, 64, 1), 32),
    Workload((57, 64, 64, 1), 256, "adam"),
    Workload((784, 128, 10), 128, **_TEN),
    Workload((28, 300, 300, 300, 300, 1), 256),
    Workload((784, 2048, 2048, 10), 1024, **_TEN),
)
"""The networks that are always compared, from the smallest to the largest."""


def _sweep() -> tuple[Workload, ...]:
    """Give networks of the table with Adam, and shapes between: widths, depths, batches, …"""
    line: dict[str, Any] = {"output": "linear", "loss": "mse"}
    found = [
        *(replace(TABLE[i], optimizer="adam") for i in (1, 2, 4, 5, 6)),
        *(Workload((57, 64, 1), batch) for batch in (1, 2, 7, 16, 64, 129, 512, 1024, 4096)),
        *(Workload((57, n, 1), 32) for n in (1, 3, 8, 17, 33, 100, 257, 1000)),
        *(Workload((k, 32, 1), 32, "adam") for k in (1, 5, 13, 100, 411)),
        *(Workload((57, 64, 1), 32, "adam", hidden=name) for name in ("tanh", "gelu", "sigmoid")),
        *(Workload((30, 50, 50, 3), 64, "adam", hidden=h, **_TEN) for h in ("tanh", "gelu")),
        *(Workload((20, *[48] * depth, 1), 100, "adam") for depth in (1, 2, 3, 4, 5, 6)),
        *(Workload((784, n, 10), 64, "adam", **_TEN) for n in (10, 37, 300, 1000)),
        Workload((57, 64, 1), 32, dtype="float64"),
        Workload((57, 64, 64, 1), 256, "adam", dtype="float64"),
        Workload((784, 128, 10), 128, dtype="float64", **_TEN),
        Workload((13, 40, 1), 16, "adam", **line),
        Workload((8, 20, 20, 2), 1, **line),
        Workload((100, 100, 100, 100), 250, **line),
        Workload((57, 64, 64, 1), 128, "adam", dropout=0.2),
        Workload((784, 256, 10), 128, "adam", dropout=0.5, **_TEN),
        Workload((57, 64, 64, 1), 128, "adam", layer_norm=True),
        Workload((57, 96, 96, 1), 64, "adam", hidden="gelu", dropout=0.1, layer_norm=True),
        Workload((512, 512, 512, 10), 256, "adam", **_TEN),
        Workload((1024, 1024, 1), 512),
        Workload((200, 333, 77, 5), 99, "adam", **_TEN),
        Workload((57, 128, 64, 32, 16, 8, 1), 32, "adam"),
    ]
    return tuple(found)


SWEEP: tuple[Workload, ...] = _sweep()
"""Shapes in between: odd widths, batches from 1 to 4096, one to six hidden layers."""


def chosen(works: Sequence[Workload], names: Sequence[str]) -> list[Workload]:
    """Give the workloads of some networks, all for no names.

    Raises
    ------
    ArgumentError
        For a name that none of them has.

    Examples
    --------
    >>> [work.label for work in chosen(TABLE, ["57-4-1"])]
    ['57-4-1, 32, SGD']
    """
    known = list(dict.fromkeys(work.name for work in works))
    for name in names:
        if name not in known:
            raise choice_error("--only", name, known)
    return [work for work in works if not names or work.name in names]
