"""Drawing: the pictures of a network.

Answers for the methods that face ``limpide.explain``, which is loaded when one is called. Not for:
learning (``limpide.network``), or what is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

import limpide
from limpide.activations import activation_name
from limpide.arrays import as_matrix, as_numbers, as_rows, as_targets
from limpide.errors import ArgumentError, ShapeError
from limpide.ir import Array
from limpide.keywords import known_keywords
from limpide.layers import check_flag
from limpide.losses import Loss, resolve_loss
from limpide.predicting import Predicting

if TYPE_CHECKING:  # loaded when something is drawn
    from limpide.explain import Diagram, Parts, Question


class Drawing(Predicting):
    """What a ``Network`` shows of itself."""

    @known_keywords
    def diagram(
        self,
        x: Any = None,
        y: Any = None,
        *,
        gradients: bool = False,
        loss: Any = None,
        captions: Sequence[str] = (),
        language: str | None = None,
        theme: str = "auto",
    ) -> Diagram:
        """Draw the network: neurons in columns, every weight and bias by name and number.

        Of layers with more than 8 neurons the first and the last ones are drawn, with counts of
        the others. The numbers of a network that is drawn whole have as many digits as it takes:
        who works with those that are written gets each value that is written, to its last digit.

        Parameters
        ----------
        x
            One row: its values stand in the neurons.
        y
            Its target: the loss stands beside the outputs.
        gradients
            Whether ∂L/∂w stands on each connection; it takes x and y.
        loss
            A name or a loss; None: the last fit's, else the output's own.
        captions
            What the inputs are, one text each: it stands below the picture.
        language
            ``"en"``, ``"fr"``, ``"uk"``; None: the system's.
        theme
            ``"light"``, ``"dark"``, or ``"auto"``: as the page's reader has it.

        Raises
        ------
        ShapeError, DataError
            Where x or y does not fit.
        ArgumentError
            For y or gradients without what they need, a language or a theme that there is not.

        Examples
        --------
        >>> import limpide as lp
        >>> net = lp.Network([2, 2, 1], activation="sigmoid", output="sigmoid", seed=0)
        >>> "ŷ = " in net.diagram(x=[-2, -1]).svg
        True
        """
        check_flag(gradients, "gradients")
        parts, asked = self.asked(x, y, loss, bool(gradients))
        if captions and len(captions) != self.n_inputs:
            raise ArgumentError(
                f"captions has {len(captions)} texts, and the network {self.n_inputs} inputs. "
                "Give one for each."
            )
        made: Diagram = limpide.explain.diagrams.network_diagram(
            parts, asked, captions=tuple(map(str, captions)), language=language, theme=theme
        )
        return made

    @known_keywords
    def boundary(
        self, X: Any = None, y: Any = None, *, language: str | None = None, theme: str = "auto"
    ) -> Diagram:
        """Draw what a network of two inputs says everywhere: its boundary, or a map of levels.

        Parameters
        ----------
        X, y
            Data, which the plane then holds, and their targets; without data it is −6 to 6. The
            classes of several outputs are class numbers or one column a class.
        language, theme
            As for ``diagram``.

        Raises
        ------
        ShapeError
            For a network that has not two inputs; where X or y does not fit.

        Examples
        --------
        >>> import limpide as lp
        >>> net = lp.Network([2, 4, 1], output="sigmoid", seed=0)
        >>> net.boundary([[0, 0], [0, 1], [1, 0], [1, 1]], [0, 1, 1, 0]).svg[:4]
        '<svg'
        """
        made: Diagram = limpide.explain.boundary_diagram(
            lambda rows: self._outputs(rows.astype(self.dtype)),
            self.n_inputs,
            activation_name(self.output_activation),
            None if X is None or self.n_inputs != 2 else as_matrix(X, 2, "f64", name="X"),
            None if y is None else as_numbers(y, "y").astype(np.float64),
            language=language,
            theme=theme,
        )
        return made

    def asked(
        self, x: Any = None, y: Any = None, loss: Any = None, gradients: bool = False
    ) -> tuple[Parts, Question | None]:
        """Give what explanations see of the network, and one row with what is asked of it."""
        parts: Parts = limpide.explain.Parts(self.placed, self.params, self.state, self.scalars)
        if x is None and y is not None:
            raise ArgumentError("y is the target of a row, and there is no x. Give x too.")
        if gradients and y is None:
            raise ArgumentError(
                "gradients are those of the loss of one row. Give x and its target y too."
            )
        if x is None:
            return parts, None
        row = self._one_row(x)
        resolved = resolve_loss(loss or self._last_loss, self.output_activation)
        target = None if y is None else self._one_target(y, resolved)
        return parts, limpide.explain.Question(row, target, resolved, gradients)

    def _one_row(self, x: Any) -> Array:
        rows, _ = as_rows(x, self.n_inputs, self._dtype, missing=self._takes_missing)
        if len(rows) != 1:
            raise ShapeError(
                f"A diagram is of one row; x has {len(rows)}. Give one of them, such as x[0]."
            )
        return rows

    def _one_target(self, y: Any, loss: Loss) -> Array:
        """Give the target of one row as the loss takes it: a number, a list, or a row of them."""
        given = as_numbers(y, "y")
        if given.ndim == 0 or (given.ndim == 1 and len(given) == self.n_outputs > 1):
            given = given[None]
        return np.ascontiguousarray(
            as_targets(given, 1, self.n_outputs, loss, self._dtype, rows_of="x")
        )
