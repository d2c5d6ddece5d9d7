"""Thresholds: from which figure on something is an illness, each with its reason.

Answers for the one table of them. Not for: taking the figures (the modules beside).
"""

from __future__ import annotations

from typing import NamedTuple


class Threshold(NamedTuple):
    """A figure, and why it is that one."""

    value: float
    reason: str


_TABLE: dict[str, Threshold] = {
    "dead share": Threshold(
        0.25,
        "of a layer's neurons for the first hidden layer, and 0.05 more for each further one, half "
        "at most. Some neurons are dead by chance: 3 of 128 after an epoch on digits, 46 of 256 in "
        "the network that lp.train builds for Spambase, and at first weights about 0.05 of a layer "
        "for each layer before it (measured on 10 layers of 16 to 64; Lu et al. 2019, 'Dying ReLU "
        "and initialization', say why). The others do the work.",
    ),
    "rows for dead": Threshold(
        3.0,
        "rows, before a neuron is said to be dead: a relu is off on half of all rows, so on one or "
        "two of them many are off by chance.",
    ),
    "flat slope": Threshold(
        0.01,
        "of the steepest slope: there (|z| above 6 for sigmoid, 3 for tanh) a step moves a weight "
        "a hundredth as far as it could. Glorot and Bengio (2010) draw these plateaus.",
    ),
    "saturated rows": Threshold(
        0.9, "of the rows: a unit that leaves its plateau more often than that can still learn."
    ),
    "still wrong": Threshold(
        0.5,
        "of the loss of the best constant answer. Below it a network has learned; flat units are "
        "then how it says yes and no, and a small step is what the end of training looks like.",
    ),
    "stuck outputs": Threshold(
        0.05, "of the outputs: wrong by more than a half, and with no gradient to correct them."
    ),
    "vanishing": Threshold(
        1e-3,
        "of the last layer's gradient (root mean square of dL/dz). He or Glorot weights keep it "
        "within about a tenth of that; sigmoid layers lose a factor of 4 or more each "
        "(Hochreiter 1991; Glorot and Bengio 2010).",
    ),
    "exploding": Threshold(
        1e3,
        "times the last layer's gradient, going back: the other side of the same measure "
        "(Pascanu, Mikolov and Bengio 2013). One rate cannot serve both ends.",
    ),
    "large weights": Threshold(
        100.0,
        "root mean square of a layer's weights times the square root of its inputs: He's and "
        "Glorot's rules start with 1.4 at most.",
    ),
    "far off": Threshold(
        10.0,
        "times the loss of the best constant answer: with weights so large that is no learning, "
        "but a run that has flown off.",
    ),
    "loss rises": Threshold(
        0.1,
        "of the loss, or of that of the best constant answer where this is more, in 20 steps: "
        "steps on some of the rows are noisy, and make it rise by a few hundredths.",
    ),
    "loss stands": Threshold(
        2e-4,
        "of the loss in 20 steps. At this pace, halving it takes 70,000 steps.",
    ),
    "faster by": Threshold(
        0.05,
        "of the loss in 20 steps, at a rate up to a million times as high: a loss that no rate "
        "brings down is not a matter of the rate.",
    ),
    "large column": Threshold(
        100.0,
        "root mean square (of the numbers that are not 0). The curvature along a weight goes with "
        "the square of its input, so a rate that suits inputs of about 1 is 10,000 times too high "
        "(LeCun, Bottou, Orr and Müller 1998, 'Efficient BackProp', 4.3).",
    ),
    "column ratio": Threshold(
        100.0,
        "between the largest and the smallest column, by the same measure: the valley is then "
        "10,000 times as steep in one direction as in the other.",
    ),
    "rare column": Threshold(
        0.01, "of the rows must differ from the commonest value before a column is compared."
    ),
    "class ratio": Threshold(
        10.0,
        "between the commonest and the rarest class. There, calling every row the common one is "
        "right nine times in ten (He and Garcia 2009).",
    ),
    "rare class found": Threshold(
        0.5,
        "of the rare class's rows: unequal classes are an illness only where the network "
        "overlooks one.",
    ),
    "looks good": Threshold(
        0.9,
        "of the share of the commonest class is right: a network that answers worse than that has "
        "not learned yet, and which class it misses is chance.",
    ),
    "sparse table": Threshold(
        0.5,
        "of all numbers are 0: pixels and counts of words. A column of zeros is ordinary there, "
        "and its weights are never used.",
    ),
    "same column": Threshold(
        1e-9, "of a column's spread, after scaling: what rounding leaves between two copies."
    ),
    "leaking area": Threshold(
        0.999,
        "area under the ROC curve of one column alone (for numbers: R² of 0.9999). Honest columns "
        "rarely come near; Kaufman et al. (2012), 'Leakage in data mining', begin by looking.",
    ),
    "leaking R²": Threshold(0.9999, "the same for a target of numbers, along a straight line."),
    "rows to judge": Threshold(
        20.0,
        "rows of each class, or of numbers: among a handful of rows some column always decides "
        "the target, by chance.",
    ),
    "epochs to judge": Threshold(3.0, "epochs, before a curve is said to rise or to stand still."),
}
THRESHOLDS: dict[str, Threshold] = _TABLE
"""By name; docs/doctor.md shows the table, and a test holds it to this one."""


def limit(name: str) -> float:
    """Give the figure of a threshold."""
    return THRESHOLDS[name].value
