"""Advice: why each finding matters and what to do, sentence by sentence.

Answers for reasons and remedies in the reader's language. Not for: what was seen (``wording``),
nor code (``cures``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from limpide.languages import Words

if TYPE_CHECKING:
    from limpide.explain.doctor.findings import Finding


def why(finding: Finding, words: Words) -> str:
    """Say why it matters."""
    return (_why_of_units(words) | _why_of_rates(words) | _why_of_data(words))[finding.kind]


def remedy(finding: Finding, words: Words) -> str:
    """Say what to do."""
    if finding.kind in ("rate_too_high", "rate_too_low"):
        return _remedy_rate(finding, words)
    if finding.kind == "not_finite":
        return _remedy_bad(finding, words)
    return (_remedies_of_networks(words) | _remedies_of_data(words))[finding.kind]


# Why it matters ----------------------------------------------------------------------------------


def _why_of_units(words: Words) -> dict[str, str]:
    return {
        "dead_neurons": words.say(
            "Without a slope no gradient passes, so their weights never move: they answer the same "
            "whatever comes in, and training cannot wake them."
        ),
        "saturated_neurons": words.say(
            "On the plateau a change of the sum changes nothing, so hardly any gradient passes: "
            "the network is still wrong, and these neurons cannot help it to learn."
        ),
        "saturated_output": words.say(
            "The answer is surely wrong, and the loss has no gradient there: the rows that need to "
            "be learned most teach nothing."
        ),
        "large_weights": words.say(
            "Steps that were too large have thrown the weights far from where anything is learned, "
            "and no step of a useful size brings them back."
        ),
        "vanishing_gradients": words.say(
            "Each layer passes back less than it gets. The first layers keep their first weights "
            "while only the last ones learn."
        ),
        "exploding_gradients": words.say(
            "Each layer passes back more than it gets. A rate that suits the last layer throws the "
            "first ones far off, and one that suits these leaves the last standing."
        ),
        "symmetric_neurons": words.say(
            "What is equal and gets equal gradients stays equal for ever: however many there are, "
            "they do the work of one."
        ),
    }


def _why_of_rates(words: Words) -> dict[str, str]:
    return {
        "rate_too_high": words.say(
            "Each step goes beyond the bottom of the valley and up its other side, so the loss "
            "rises instead of falling."
        ),
        "rate_too_low": words.say(
            "At this pace, halving the loss takes more than 70,000 steps; the network is not done "
            "learning, it hardly begins."
        ),
        "not_finite": words.say(
            "Infinity and NaN spread to all that is computed from them: one is enough to make the "
            "loss and every weight useless."
        ),
    }


def _why_of_data(words: Words) -> dict[str, str]:
    return {
        "unscaled_inputs": words.say(
            "A weight's gradient goes with the size of its input: a rate that is right for the "
            "large columns leaves the small ones standing, and one that suits these diverges."
        ),
        "class_imbalance": words.say(
            "Calling every row the common class is nearly always right, so the loss hardly asks "
            "for the rare one; the accuracy looks good and says nothing."
        ),
        "constant_columns": words.say(
            "It tells nothing, but its weights act as second biases, and where it changes later "
            "they answer with what they never learned."
        ),
        "duplicate_columns": words.say(
            "The network has the same fact twice: their weights share one effect in any way they "
            "like, so that neither weight says what its column does."
        ),
        "leaking_columns": words.say(
            "So good a column is often written down after the target was known, and will not be "
            "there when it is to be predicted: then the network knows nothing."
        ),
        "row_numbers": words.say(
            "A number of the row tells where it stands in the table, not what it is: a network "
            "that learns from it fails on new rows."
        ),
        "unsound_data": words.say(
            "Whatever a row with such a number meets becomes NaN, and fit refuses it. The rest of "
            "this diagnosis is of the other rows."
        ),
    }


# Remedies ----------------------------------------------------------------------------------------


def _remedies_of_networks(words: Words) -> dict[str, str]:
    return {
        "dead_neurons": words.say(
            "Build the network anew with an activation that keeps a slope (or with other first "
            "weights: he, biases 0), and train it at a lower rate on inputs of size about 1."
        ),
        "saturated_neurons": words.say(
            "Build the network anew with small first weights (glorot, the default), and scale the "
            "inputs to about 1."
        ),
        "saturated_output": words.say(
            "Use the loss that belongs to the output, which has a gradient wherever the answer is "
            "wrong: bce for sigmoid, cross_entropy for softmax."
        ),
        "large_weights": words.say(
            "Build the network anew and train it at a tenth of the rate or less; scale X (and y) "
            "to about 1 first. The callback lp.Doctor() says which rate was right."
        ),
        "vanishing_gradients": words.say(
            "Use relu in the hidden layers, whose first weights (he, the default) keep gradients "
            "their size, or fewer layers, or lp.LayerNorm() between them."
        ),
        "exploding_gradients": words.say(
            "Leave the first weights to the default (he for relu, glorot else), which keeps "
            "gradients their size, or put lp.LayerNorm() between the layers."
        ),
        "symmetric_neurons": words.say(
            "Start from random weights, the default; only biases may start at 0."
        ),
    }


def _remedies_of_data(words: Words) -> dict[str, str]:
    return {
        "unscaled_inputs": words.say(
            "Standardise the columns: take each one's mean away and divide by its standard "
            "deviation, and do the same with what is predicted later. lp.train does it by itself."
        ),
        "class_imbalance": words.say(
            "Let each class weigh the same in training, and judge by figures of each class."
        ),
        "constant_columns": words.say("Drop the column, or find out why it never changes."),
        "duplicate_columns": words.say("Keep one of each group and drop the others."),
        "leaking_columns": words.say(
            "Find out when the column is written. If it is not known before the target is, drop it."
        ),
        "row_numbers": words.say("Drop the column."),
        "unsound_data": words.say(
            "Drop these rows, or fill the numbers in; lp.train(data, target=…) treats missing "
            "numbers itself."
        ),
    }


def _remedy_rate(f: Finding, words: Words) -> str:
    return words.say(
        "Train with a learning rate of about {rate}.", rate=words.number(f.figures["better_rate"])
    )


def _remedy_bad(f: Finding, words: Words) -> str:
    better = f.figures.get("better_rate")
    if better is not None:
        return words.say(
            "Build the network anew and train with a learning rate of about {rate}: the weights "
            "grew until a sum was too large.",
            rate=words.number(better),
        )
    if f.figures["op"] == "input" and f.where.get("parameters"):
        return words.say("Build the network anew: a weight of it is no number any more.")
    return words.say(
        "Make what the chain begins with smaller: scale X (and y) to about 1 and build the "
        "network anew with the default first weights; or look at the loss, if it is your own."
    )
