"""Legend: what the inputs, the target and the output of a table's network stand for.

Answers for the columns behind x1, x2, … and behind what the first layer makes of them, for the
classes or the unit of the target, and for saying so. Not for: reading tables, which
``limpide.table_explaining`` has done.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from limpide.explain.derivations.blocks import Block, Formulas, Heading, Listing, Paragraph
from limpide.explain.derivations.entries import Equation
from limpide.explain.derivations.expressions import Number, Quotient, Symbol, minus, plus, times
from limpide.explain.derivations.facts import Facts
from limpide.languages import Words

_ALL = 20  # inputs that are all listed
_MOST = 12  # of more, those with the largest share: of any unit, and none for a 0
_CLASSES = 10


@dataclass(frozen=True)
class Given:
    """What an input of the network is.

    Attributes
    ----------
    column
        Its column of the table.
    cell
        What stands there, where the input itself does not say it; None for a missing cell.
    part
        ``"value"``, ``"month"``, ``"weekday"``, ``"hour"``: a number. ``"code"``: a category's.
    """

    column: str
    cell: str | None = ""
    part: str = "value"

    def told(self, words: Words) -> str:
        """Say which column it is, and what the table has there."""
        parts = {
            "month": words.say("month"),
            "weekday": words.say("weekday"),
            "hour": words.say("hour"),
        }
        name = f"{self.column} ({parts[self.part]})" if self.part in parts else self.column
        if self.cell is None:
            return words.say("{column}: missing", column=name)
        return words.say("{column}: {cell}", column=name, cell=self.cell) if self.cell else name


@dataclass(frozen=True)
class Made:
    """What the first layer makes of a column, one number of it.

    ``how`` is ``"scaled"``, ``"stretch"`` (the ``number``-th of ``count``), ``"missing"``, or
    ``"equal"`` to ``value``. A number that is looked up has the name of its place in a ``Looked``.
    """

    column: str
    how: str
    value: str = ""
    number: int = 0
    count: int = 0

    def told(self, name: str, words: Words) -> str:
        """Say what the number of this name is."""
        known = {"name": name, "column": self.column}
        if self.how == "scaled":
            return words.say("{name} is {column}, scaled.", **known)
        if self.how == "stretch":
            return words.say(
                "{name} says how far {column} has come through stretch {number} of {count}.",
                number=words.whole(self.number),
                count=words.whole(self.count),
                **known,
            )
        if self.how == "missing":
            return words.say("{name} is 1 where {column} is missing.", **known)
        return words.say("{name} is 1 where {column} is {value}.", value=self.value, **known)


@dataclass(frozen=True)
class Looked:
    """A table of learned numbers, a row a category: ``parameter`` is its name.

    ``categories`` are those of codes 1, 2, …; code 0 is any other, the next one a missing cell.
    """

    parameter: str
    column: str
    categories: tuple[str, ...]
    count: int

    def told(self, name: str, code: int, words: Words) -> str:
        """Say what a number of the row of this code stands for."""
        if 0 < code <= len(self.categories):
            what = words.say("{column}: {cell}", column=self.column, cell=self.categories[code - 1])
        elif code:
            what = words.say("{column}: missing", column=self.column)
        else:
            what = words.say("{column}: another category", column=self.column)
        return words.say(
            "{name} is one of the {count} numbers that stand for a category, {category}.",
            name=name,
            count=words.whole(self.count),
            category=what,
        )


@dataclass(frozen=True)
class Legend:
    """What the numbers of a table's network stand for, on one row of it.

    Attributes
    ----------
    source, row, line
        The table, the row counted from 1, and its line where the table is text.
    inputs
        What x1, x2, … are.
    made, looked
        What a1, a2, … are, the numbers of the first layer (None for one that is looked up), and
        where those are looked up.
    target, cell
        The target's column, and what stands there.
    classes
        The labels, by their numbers; none for a target of numbers.
    centre, scale
        The network learns (target − centre) / scale.
    """

    source: str
    row: int
    inputs: tuple[Given, ...]
    target: str
    cell: str
    made: tuple[Made | None, ...] = ()
    looked: tuple[Looked, ...] = ()
    line: int | None = None
    classes: tuple[str, ...] = ()
    centre: float = 0.0
    scale: float = 1.0

    def meaning(self, name: str, words: Words) -> str | None:
        """Say what the number of a name stands for; None for one that is no column's."""
        letter, number = name[:1], name[1:]
        place = int(number) - 1 if number.isascii() and number.isdigit() else -1
        if letter == "x" and 0 <= place < len(self.inputs):
            told = self.inputs[place].told(words)
            return words.say("{name} is the column {column}.", name=name, column=told)
        if letter == "a" and 0 <= place < len(self.made):
            made = self.made[place]
            return None if made is None else made.told(name, words)
        found = re.fullmatch(r"(.+)\[(\d+), \d+\]", name)
        for looked in self.looked:
            if found is not None and found[1] == looked.parameter:
                return looked.told(name, int(found[2]), words)
        return None

    def blocks(self, facts: Facts, words: Words, digits: int) -> Iterator[Block]:
        """Tell what the row holds, what the target means, and what the network answers."""
        yield Heading(words.say("What the network is given"), 1)
        known = {"row": words.whole(self.row), "source": self.source}
        if self.line is None:
            yield Paragraph(words.say("Row {row} of {source}.", **known))
        else:
            line = words.whole(self.line)
            yield Paragraph(words.say("Row {row} of {source} (line {line}).", line=line, **known))
        yield self._listing(facts, words)
        left = len(self.inputs) - _MOST
        if len(self.inputs) > _ALL:
            yield Paragraph(
                words.plural(
                    "Those whose x · ∂L/∂x is largest; {n} more input is left out.",
                    "Those whose x · ∂L/∂x is largest; {n} more inputs are left out.",
                    left,
                )
            )
        yield from self._answer(facts, words, digits)

    def _listing(self, facts: Facts, words: Words) -> Listing:
        names = facts.names.of_kind("input")
        lines = []
        for place in self._listed(facts, names):
            cell = facts.names.find(names[place])
            value = facts.cells.value(cell)
            given = Equation(Symbol(names[place], value, names[place]), Number(value), value)
            slope = facts.by(cell)
            changes = self.inputs[place].part != "code" and slope.number == slope.number
            change = Equation(slope, Number(slope.number), slope.number)
            told = self.inputs[place].told(words)
            lines.append((given, told, change if changes and slope.number else None))
        for name in facts.names.of_kind("target"):
            value = facts.cells.value(facts.names.find(name))
            known = self.cell if self.classes else words.number(float(self.cell), 17)
            told = words.say("{column}: {cell}", column=self.target, cell=known)
            lines.append((Equation(Symbol(name, value, name), Number(value), value), told, None))
        return Listing(tuple(lines))

    def _listed(self, facts: Facts, names: Sequence[str]) -> list[int]:
        places = range(len(self.inputs))
        if len(places) <= _ALL:
            return list(places)
        cells = [facts.names.find(name) for name in names]
        sizes = [abs(facts.cells.value(cell) * facts.derivative(cell)) for cell in cells]
        ranked = sorted(places, key=lambda i: (not sizes[i] > 0, -sizes[i]))
        return sorted(ranked[:_MOST])

    def _answer(self, facts: Facts, words: Words, digits: int) -> Iterator[Block]:
        outputs = facts.names.of_kind("output")
        values = [facts.cells.value(facts.names.find(name)) for name in outputs]
        if len(self.classes) == 2 and len(outputs) == 1:
            chances = [1 - values[0], values[0]]
            other, one = self.classes
            told = words.say("ŷ is the probability of {one}.", one=one)
            if (other, one) != ("0", "1"):
                coded = words.say("y is 1 for {one} and 0 for {other}.", one=one, other=other)
                told = f"{coded} {told}"
            yield Paragraph(told)
        elif self.classes:
            chances = values
            named = [f"{name}: {label}" for name, label in zip(outputs, self.classes, strict=True)]
            more = ", …" if len(named) > _CLASSES else ""
            told = words.say(
                "The outputs are the probabilities of the classes: {classes}.",
                classes=", ".join(named[:_CLASSES]) + more,
            )
            if len(facts.names.of_kind("target")) == 1:
                told = f"{words.say('y is the number of the class, counted from 0.')} {told}"
            yield Paragraph(told)
        else:
            if (self.centre, self.scale) != (0, 1):
                yield from self._scaled(values[0], words)
            return
        best = max(range(len(chances)), key=chances.__getitem__)
        yield Paragraph(
            words.say(
                "The network answers {answer}, with a probability of {share}.",
                answer=self.classes[best],
                share=words.number(chances[best], digits),
            )
        )

    def _scaled(self, value: float, words: Words) -> Iterator[Block]:
        yield Paragraph(
            words.say(
                "The network learns {target} scaled: its mean in training taken away, divided by "
                "its standard deviation. Back in its own unit, ŷ is the last of these.",
                target=self.target,
            )
        )
        centre, scale = Number(self.centre), Number(self.scale)
        learned = Quotient(plus([Symbol(self.target, float(self.cell)), minus(centre)]), scale)
        answer = plus([times([scale, Symbol("ŷ", value, "ŷ")]), centre])
        yield Formulas(
            (
                Equation(Symbol("y", learned.value, "y"), learned, learned.value),
                Equation(Symbol(self.target, answer.value), answer, answer.value),
            )
        )
