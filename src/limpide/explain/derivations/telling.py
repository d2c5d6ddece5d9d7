"""Telling: what is said of a derivation, block by block, in the reader's language.

Answers for the sentences, the order of things, and which formulas stand under them. Not for: how
blocks are written (``written_text`` and its like), or the formulas.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from limpide.activations import linear
from limpide.explain.derivations.blocks import Block, Formulas, Heading, Paragraph, Table, inline
from limpide.explain.derivations.digits import BY_HAND, by_hand, digits_for
from limpide.explain.derivations.entries import Entry, Equation
from limpide.explain.derivations.expressions import (
    Derivative,
    Expression,
    Number,
    Product,
    call,
    divided,
    plus,
)
from limpide.explain.derivations.facts import ROWS_TOLD, Facts
from limpide.languages import Words
from limpide.members import MemberOutput
from limpide.ops import sigmoid

_BIAS = re.compile(r"b\d+|.+\.bias\[[\d, ]+\]")
_SHOWN = 5  # outputs whose unfused loss is told
_LAYER = 24  # numbers of a layer that are all told
_ROWS = 12  # numbers of rows that are listed
_SAME = 1e-9  # relative: what two ways of working out a derivative may differ by
_DEPENDED_ON = ("parameter", "input", "sum", "value", "between")


class Telling:
    """Blocks of one derivation in one language.

    Parameters
    ----------
    facts
        What is told.
    words
        The language.
    digits
        Significant digits of results.
    """

    def __init__(self, facts: Facts, words: Words, digits: int = 6) -> None:
        self.facts, self.words, self.digits = facts, words, digits
        self._told: set[Expression] = set()
        self._by_hand = False  # whether it was said what rounding by hand does

    # Entries ----------------------------------------------------------------------------------

    def entry(self, entry: Entry, once: bool = False) -> Iterator[Block]:
        """Tell one number; ``once`` leaves out formulas that were told before."""
        yield Heading(self.title(entry), 2, entry.name)
        yield from self._meanings(entry)
        if entry.worked_out:
            yield Formulas(entry.worked_out)
        elif entry.kind != "loss":
            yield Paragraph(f"{entry.name} = {self.words.number(entry.value, self.digits)}")
        yield from self._chain(entry, once)
        if entry.update:
            name = type(self.facts.setting.optimizer).__name__
            between = ", " if self.words.language == "en" else "; "
            numbers = between.join(
                f"{symbol} = {self.words.number(value, self.digits)}"
                for symbol, value in self.facts.updates.numbers
            )
            yield Paragraph(
                self.words.say("One step of {optimizer}, {rate}:", optimizer=name, rate=numbers)
            )
            yield Formulas(entry.update)
        elif entry.frozen:
            yield Paragraph(self.words.say("It is frozen: a step leaves it as it is."))

    def _meanings(self, entry: Entry) -> Iterator[Block]:
        """Tell which column of a table a number is, or the input of a weight."""
        legend = self.facts.setting.legend
        if legend is not None:
            told = legend.meaning(entry.source or entry.name, self.words)
            if told is not None:
                yield Paragraph(told)

    def _chain(self, entry: Entry, once: bool) -> Iterator[Block]:
        if not entry.chain:
            if entry.kind in _DEPENDED_ON and entry.derivative == 0:
                yield Paragraph(
                    self.words.say("The loss does not depend on it here: its derivative is 0.")
                )
            return
        if entry.kind == "output" and self.facts.unfused is not None:
            yield Paragraph(self.words.say("With the loss worked out from the output:"))
        yield Formulas(entry.chain)
        if not (once and self._by_hand):  # of a whole derivation the first says it
            yield from self._about_rounding(entry.chain[0])
        factors = [e for e in entry.factors if not (once and e.left in self._told)]
        self._told.update(e.left for e in (*entry.chain, *factors))
        if not factors:
            return
        if self.facts.rows > 1 and self.facts.rows_apart and entry.kind == "parameter":
            yield Paragraph(self.words.say("Row by row, with the factors of the first:"))
        else:
            yield Paragraph(self.words.say("Its factors:"))
        yield Formulas(tuple(factors))

    def _about_rounding(self, equation: Equation) -> Iterator[Block]:
        product = equation.right
        if not isinstance(product, Product) or len(product.factors) < 2:
            return
        needed = digits_for(product, equation.value, self.digits)
        if needed > self.digits:
            short = by_hand([f.value for f in product.factors], equation.value, self.digits)
            if short is not None and not short.cut:
                yield Paragraph(
                    self.words.say(
                        "Factors rounded to {digits} digits would give {product}; they are shown "
                        "with {needed}.",
                        digits=self.digits,
                        product=self.words.number(short.product, self.digits),
                        needed=needed,
                    )
                )
        few = min(BY_HAND, self.digits)
        found = by_hand([f.value for f in product.factors], equation.value, few)
        if found is None or product.coefficient != 1:
            return
        self._by_hand = True
        formula = Product(1.0, tuple(Number(f) for f in found.factors))
        numbers = {
            "formula": inline(0),
            "product": self.words.number(found.product, found.digits),
            "exact": self.words.number(found.exact, found.digits),
            "digits": found.digits,
        }
        if found.cut:
            text = self.words.say(
                "By hand, with factors cut off after {digits} digits, {formula} = {product}; with "
                "all digits it is {exact}. Round once, at the end.",
                **numbers,
            )
        else:
            text = self.words.say(
                "By hand, with factors rounded to {digits} digits, {formula} = {product}; with "
                "all digits it is {exact}. Round once, at the end.",
                **numbers,
            )
        yield Paragraph(text, (formula,), found.digits)

    def title(self, entry: Entry) -> str:
        """Say what a number is."""
        words, name = self.words, entry.name
        if entry.kind == "parameter":
            if entry.source and entry.target:
                return words.say(
                    "{name}, the weight from {source} to {target}",
                    name=name,
                    source=entry.source,
                    target=neuron(entry.target),
                )
            if _BIAS.fullmatch(name) and entry.target:
                return words.say(
                    "{name}, the bias of {target}", name=name, target=neuron(entry.target)
                )
            return words.say("{name}, a parameter of {layer}", name=name, layer=entry.layer)
        layer = entry.layer
        titles = {
            "input": lambda: words.say("{name}, an input", name=name),
            "target": lambda: words.say("{name}, the target", name=name),
            "state": lambda: words.say("{name}, kept by {layer}", name=name, layer=layer),
            "sum": lambda: words.say("{name}, the weighted sum of a neuron", name=name),
            "member": lambda: words.say("{name}, the weighted sum of a member", name=name),
            "output": lambda: words.say("{name}, the output", name=name),
            "between": lambda: words.say(
                "{name}, used more than once in {layer}", name=name, layer=layer
            ),
            "row loss": lambda: words.say("{name}, the loss of one row", name=name),
            "loss": lambda: words.say("{name}, the loss ({loss})", name=name, loss=self._loss()),
        }
        if entry.kind not in titles:
            return words.say("{name}, a value of {layer}", name=name, layer=layer)
        return titles[entry.kind]()

    def _loss(self) -> str:
        return self.facts.setting.loss

    # The whole --------------------------------------------------------------------------------

    def whole(self, names: Sequence[str], forward: bool) -> Iterator[Block]:
        """Tell a whole derivation, or of a large network its outline and some parameters."""
        yield from self._setting()
        if self.facts.setting.legend is not None:
            yield from self.facts.setting.legend.blocks(self.facts, self.words, self.digits)
        if forward:
            yield from self._forward()
        else:
            yield from self._outline()
        yield from self._unfused()
        title = self.words.say("Backward, and one step")
        if not forward:
            title = self.words.plural(
                "The largest derivative", "The {n} largest derivatives", len(names)
            )
        yield Heading(title, 1)
        for name in names:
            yield from self.entry(self.facts.entry(self.facts.names.find(name)), once=True)

    def layer(self, name: str, count: int) -> Iterator[Block]:
        """Tell the numbers of a layer: all of a small one, else a line for each of the largest."""
        facts = self.facts
        yield Heading(self.words.say("Layer {name}", name=name), 1)
        if count <= _LAYER:
            values, _ = facts.names_of_layer(name)
            for one in (*values, *facts.scalars.of_layer(name)):
                yield from self.entry(facts.entry(facts.names.find(one)), once=True)
            return
        yield Paragraph(
            self.words.say(
                "{count} numbers; the {shown} by which the loss changes most:",
                count=self.words.whole(count),
                shown=_LAYER,
            )
        )
        largest = map(facts.names.find, facts.largest_of_layer(name, _LAYER))
        yield Formulas(
            tuple(
                Equation(facts.by(c), Number(facts.derivative(c)), facts.derivative(c))
                for c in largest
            )
        )

    def step(
        self, names: Sequence[str], number: int, epoch: int, rows: Sequence[int] | None
    ) -> Iterator[Block]:
        """Tell a step: the loss before and after, and what becomes of the named parameters."""
        facts, words = self.facts, self.words
        if number:
            title = words.say(
                "Step {number}, in epoch {epoch}",
                number=words.whole(number),
                epoch=words.whole(epoch),
            )
        else:
            title = words.say("One training step")
        yield Heading(title, 1)
        yield Paragraph(self._how())
        if rows is not None:
            listed = ", ".join(words.whole(row) for row in rows[:_ROWS])
            listed += ", …" if len(rows) > _ROWS else ""
            yield Paragraph(words.say("Its rows, counted from 0: {rows}.", rows=listed))
        before = facts.cells.value(facts.end)
        yield Paragraph(
            words.say(
                "The loss on its rows goes from {before} to {after}.",
                before=words.number(before, self.digits),
                after=words.number(facts.loss_after, self.digits),
            )
        )
        count = len(facts.parameters)
        if len(names) < count:
            yield Paragraph(
                words.say(
                    "Of {count} parameters those that it changes most:", count=words.whole(count)
                )
            )
        head = (
            words.say("parameter"),
            words.say("before"),
            words.say("∂L/∂parameter"),
            words.say("after"),
        )
        columns = (facts.parameters, facts.gradients, facts.updated_parameters)
        yield Table(
            head,
            tuple(
                (name, *(words.number(column[name], self.digits) for column in columns))
                for name in names
            ),
        )
        yield Paragraph(
            words.say("{call} tells how one of them comes about.", call=f'step["{names[0]}"]')
        )

    def _setting(self) -> Iterator[Block]:
        sizes = self.facts.sizes
        yield Heading(self.words.say("A network of {sizes}, explained", sizes=sizes), 1)
        yield Paragraph(self._how())

    def _how(self) -> str:
        facts, words = self.facts, self.words
        rows = words.plural("{n} row", "{n} rows", facts.rows)
        how = facts.setting
        said = words.say(
            "Loss {loss}, optimizer {optimizer}, {rows}.",
            loss=how.loss,
            rows=rows,
            optimizer=type(how.optimizer).__name__,
        )
        if how.training and facts.differs_in_training:
            said += " " + words.say("As in a training step: dropout and batch statistics at work.")
        elif facts.differs_in_training:
            said += " " + words.say("As in prediction: no dropout, running statistics.")
        if how.dtype != "float64":
            said += " " + words.say(
                "Worked out in float64; the network itself computes in {dtype}.", dtype=how.dtype
            )
        return said

    def _forward(self) -> Iterator[Block]:
        facts = self.facts
        yield Heading(self.words.say("Forward"), 1)
        if facts.rows > ROWS_TOLD:
            yield Paragraph(
                self.words.say(
                    "The first {shown} of {count} rows:",
                    shown=ROWS_TOLD,
                    count=self.words.whole(facts.rows),
                )
            )
        for i, equations in enumerate(facts.forward()):
            name = facts.subject.stages[i].name if i < len(facts.subject.stages) else ""
            title = name or self.words.say("The loss ({loss})", loss=self._loss())
            yield Heading(title, 2, "" if name else "L")
            if equations:
                yield Formulas(tuple(equations))
            else:
                yield Paragraph(self.words.say("It passes its numbers on."))

    def _outline(self) -> Iterator[Block]:
        facts = self.facts
        yield Heading(self.words.say("Forward"), 1)
        first = next(iter(facts.scalars))
        yield Paragraph(
            self.words.say(
                "There are {count} derivatives. Ask for any of them by its name, such as {one}, or "
                "for those of a layer, such as {layer}.",
                count=self.words.whole(len(facts.gradients)),
                one=first.replace(", ", ","),  # no line ends within it
                layer=facts.scalars.locate(first)[0].rpartition(".")[0],
            )
        )
        yield from self._members()
        *_, last = facts.forward(ends_only=True)
        yield Formulas(tuple(last))

    def _members(self) -> Iterator[Block]:
        """Tell how the members of an ensemble answer together."""
        facts, words = self.facts, self.words
        layer = facts.subject.stages[-1].layer
        if not isinstance(layer, MemberOutput):
            return
        yield Paragraph(
            words.plural(
                "{n} member answers: the output is the mean of what the members give, each of "
                "its own sum z_m1, z_m2, … In training each learns by a loss of its own.",
                "{n} members answer together: the output is the mean of what the members give, "
                "each of its own sum z_m1, z_m2, … In training each learns by a loss of its own.",
                layer.members,
            )
        )
        sums = [facts.symbol(facts.names.find(n)) for n in facts.names.of_kind("member")]
        if layer.neurons == 1 and layer.function in (sigmoid, linear) and facts.rows == 1:
            given = [call("sigmoid", [z]) if layer.function is sigmoid else z for z in sums]
            mean = divided(plus(given), Number(float(len(sums))))
            cell = facts.names.find("ŷ")
            yield Formulas((Equation(facts.symbol(cell), mean, mean.value),))

    def _unfused(self) -> Iterator[Block]:
        facts = self.facts
        other = facts.unfused
        if other is None or facts.rows > 1:
            return
        yield Heading(self.words.say("The same loss from the output"), 2)
        yield Paragraph(
            self.words.say(
                "Training works the loss out from the sum before the activation: no logarithm of "
                "a rounded 0 is taken. By way of the output:"
            )
        )
        loss = other.worked_out(other.end)
        chains = []
        for name in facts.names.of_kind("output")[:_SHOWN]:
            cell = other.names.find(name)
            if other.cells.live[cell.node][cell.place]:
                chains.append(other.chain(cell)[0])
        for name in facts.names.of_kind("sum", last=True)[:_SHOWN]:
            equation, factors = other.chain(other.names.find(name))
            chains += [equation, *factors]
        told = {(e.left.of, e.left.by): e for e in chains if isinstance(e.left, Derivative)}
        yield Formulas((*([] if loss is None else [loss]), *told.values()))
        yield Paragraph(self._agreement(other))

    def _agreement(self, other: Facts) -> str:
        facts = self.facts
        names = facts.names.of_kind("sum", last=True)
        pairs = [
            (facts.derivative(facts.names.find(n)), other.derivative(other.names.find(n)))
            for n in names
        ]
        pairs.append((facts.cells.value(facts.end), other.cells.value(other.end)))
        if all(abs(a - b) <= _SAME * max(abs(a), abs(b), _SAME) for a, b in pairs):
            return self.words.say("Both ways give the same loss and the same derivatives.")
        return self.words.say(
            "Here the way by the output has lost digits, as it does where the output is rounded "
            "to 0 or 1: training is right not to take it."
        )


def neuron(value: str) -> str:
    """Give the neuron of a value: ŷ is the value of o1, z_h1 the sum of h1."""
    name = value.removeprefix("z_")
    if name.startswith("ŷ"):
        return f"o{name[1:] or '1'}"
    return name
