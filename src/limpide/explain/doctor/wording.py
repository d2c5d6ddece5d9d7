"""Wording: what each finding is called and what was seen, in the reader's language.

Answers for titles, severities, what is seen. Not for: figures, which findings bring, nor why it
matters and what helps (``advice``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from limpide.explain.doctor.chains import told_chain
from limpide.languages import Words

if TYPE_CHECKING:
    from limpide.explain.doctor.findings import Finding

_MOST_NAMES = 8

Said = Callable[["Finding", Words], str]


def severity(name: str, words: Words) -> str:
    """Name a severity."""
    return {
        "serious": words.say("serious"),
        "warning": words.say("warning"),
        "note": words.say("note"),
    }[name]


def title(kind: str, words: Words) -> str:
    """Name an illness."""
    return {
        "dead_neurons": words.say("Dead neurons"),
        "saturated_neurons": words.say("Saturated neurons"),
        "saturated_output": words.say("Outputs saturated on the wrong side"),
        "large_weights": words.say("Weights that have flown off"),
        "vanishing_gradients": words.say("Vanishing gradients"),
        "exploding_gradients": words.say("Exploding gradients"),
        "rate_too_high": words.say("Learning rate too high"),
        "rate_too_low": words.say("Learning rate too low"),
        "symmetric_neurons": words.say("Neurons that are all alike"),
        "unscaled_inputs": words.say("Inputs that are not scaled"),
        "class_imbalance": words.say("A rare class is overlooked"),
        "constant_columns": words.say("Constant columns"),
        "duplicate_columns": words.say("Repeated columns"),
        "leaking_columns": words.say("Columns that know the target"),
        "row_numbers": words.say("Columns that number the rows"),
        "not_finite": words.say("A number that is not finite"),
        "unsound_data": words.say("Data that are not finite"),
    }[kind]


def seen(finding: Finding, words: Words) -> str:
    """Say what was seen, and since when where a run was watched."""
    said = _SEEN[finding.kind](finding, words)
    since = finding.where.get("epochs")
    if since:
        return f"{said} {words.say('Since epoch {epoch}.', epoch=words.whole(since[0]))}"
    return said


def _names(names: Sequence[str], words: Words) -> str:
    if len(names) <= _MOST_NAMES:
        return ", ".join(names)
    rest = words.plural("and {n} more", "and {n} more", len(names) - _MOST_NAMES)
    return f"{', '.join(names[:_MOST_NAMES])} {rest}"


def _percent(share: float, words: Words) -> str:
    return f"{words.number(100 * share, 3)} %"


# What is seen ------------------------------------------------------------------------------------


def _seen_dead(f: Finding, words: Words) -> str:
    g = f.figures
    return words.plural(
        "{n} of {all} neurons of {layer} ({activation}) has no slope on any row: {names}. Its "
        "largest sum there is {most}.",
        "{n} of {all} neurons of {layer} ({activation}) have no slope on any row: {names}. Their "
        "largest sum there is {most}.",
        g["neurons"],
        all=words.whole(g["of_neurons"]),
        layer=f.where["layer"],
        activation=g["activation"],
        names=_names(f.where["neurons"], words),
        most=words.number(g["largest_sum"], 3),
    )


def _seen_saturated(f: Finding, words: Words) -> str:
    g = f.figures
    return words.plural(
        "{n} of {all} neurons of {layer} ({activation}) lies on its plateau on {share} of the "
        "rows: {names}. Its sums go from {least} to {most}.",
        "{n} of {all} neurons of {layer} ({activation}) lie on their plateau on {share} of the "
        "rows: {names}. Their sums go from {least} to {most}.",
        g["neurons"],
        all=words.whole(g["of_neurons"]),
        layer=f.where["layer"],
        activation=g["activation"],
        share=_percent(g["share_of_rows"], words),
        names=_names(f.where["neurons"], words),
        least=words.number(g["smallest_sum"], 3),
        most=words.number(g["largest_sum"], 3),
    )


def _seen_output(f: Finding, words: Words) -> str:
    g = f.figures
    return words.plural(
        "On {n} row ({share} of the answers) the output is wrong by {error}, and the gradient that "
        "should correct it is at most {gradient}.",
        "On {n} rows ({share} of the answers) the output is wrong by {error} on average, and the "
        "gradient that should correct it is at most {gradient}.",
        g["rows"],
        share=_percent(g["share_of_outputs"], words),
        error=words.number(g["mean_error"], 3),
        gradient=words.number(g["largest_gradient"], 2),
    )


def _by_layer(f: Finding, words: Words) -> str:
    sizes = f.figures["gradient_by_layer"]
    return ", ".join(f"{name} {words.number(size, 3)}" for name, size in sizes.items())


def _seen_large(f: Finding, words: Words) -> str:
    g = f.figures
    return words.say(
        "The loss is {loss}, where one number for all rows would have {constant}; a weight of "
        "{layer} has the size {largest}.",
        loss=words.number(g["loss"], 4),
        constant=words.number(g["constant_loss"], 4),
        layer=f.where["layer"],
        largest=words.number(g["largest_weight"], 3),
    )


def _seen_vanishing(f: Finding, words: Words) -> str:
    return words.say(
        "The gradient that reaches {layer} is {ratio} of that of the last layer (root mean square "
        "of dL/dz by layer: {sizes}).",
        layer=f.where["layer"],
        ratio=words.number(f.figures["ratio"], 2),
        sizes=_by_layer(f, words),
    )


def _seen_exploding(f: Finding, words: Words) -> str:
    return words.say(
        "The gradient that reaches {layer} is {ratio} times that of the last layer (root mean "
        "square of dL/dz by layer: {sizes}).",
        layer=f.where["layer"],
        ratio=words.number(f.figures["ratio"], 3),
        sizes=_by_layer(f, words),
    )


def _seen_rate(f: Finding, words: Words) -> str:
    g = f.figures
    parts = []
    if "first_loss" in g:
        parts.append(
            words.say(
                "The loss of the run went from {first} to {last} (lowest {lowest}).",
                first=words.number(g["first_loss"], 4),
                last=words.number(g["last_loss"], 4),
                lowest=words.number(g["lowest_loss"], 4),
            )
        )
    parts.append(
        words.say(
            "{steps} steps of {optimizer} at {rate} take the loss from {before} to {after}; at "
            "{better} they take it to {reached}.",
            steps=words.whole(g["steps"]),
            optimizer=g["optimizer"],
            rate=words.number(g["rate"], 4),
            before=words.number(g["loss_before"], 4),
            after=words.number(g["loss_after"], 4),
            better=words.number(g["better_rate"], 4),
            reached=words.number(g["loss_at_better_rate"], 4),
        )
    )
    return " ".join(parts)


def _seen_symmetric(f: Finding, words: Words) -> str:
    g = f.figures
    counted = words.plural(
        "{n} of {all} neurons of {layer} has a twin with the same weights, in and out, and the "
        "same gradients: {names}.",
        "{n} of {all} neurons of {layer} have twins with the same weights, in and out, and the "
        "same gradients: {names}.",
        g["neurons"],
        all=words.whole(g["of_neurons"]),
        layer=f.where["layer"],
        names=" · ".join(" = ".join(_short(group)) for group in g["groups"][:_MOST_NAMES]),
    )
    return f"{counted} {words.say('Their weights are all 0.')}" if g["all_zero"] else counted


def _short(names: Sequence[str]) -> list[str]:
    return [*names] if len(names) <= 4 else [*names[:2], "…", names[-1]]


def _seen_unscaled(f: Finding, words: Words) -> str:
    g = f.figures
    return words.say(
        "The numbers of {most} are about {large} in size, those of {least} about {small}: a "
        "ratio of {ratio}. Columns to be scaled: {names}.",
        most=g["largest_column"],
        large=words.number(g["largest"], 3),
        least=g["smallest_column"],
        small=words.number(g["smallest"], 3),
        ratio=words.number(g["ratio"], 3),
        names=_names(f.where["columns"], words),
    )


def _seen_classes(f: Finding, words: Words) -> str:
    g = f.figures
    rare = g["rare_class"]
    return words.plural(
        "Class {rare} has {n} row ({share}), and the network finds {found} of them.",
        "Class {rare} has {n} rows ({share}), and the network finds {found} of them.",
        g["counts"][g["rare_class"]],
        rare=words.whole(rare) if isinstance(rare, int) else rare,
        share=_percent(g["share_of_rows"], words),
        found=_percent(g["found"][g["rare_class"]], words),
    )


def _seen_constant(f: Finding, words: Words) -> str:
    values = f.figures["values"]
    listed = [f"{name} = {words.number(value, 4)}" for name, value in values.items()]
    return words.plural(
        "{n} column never changes: {names}.",
        "{n} columns never change: {names}.",
        len(values),
        names=_names(listed, words),
    )


def _seen_duplicates(f: Finding, words: Words) -> str:
    groups = [" = ".join(_short(group)) for group in f.figures["groups"]]
    count = len(f.where["columns"])
    if f.figures["exact"]:
        return words.plural(
            "{n} column is the copy of another: {names}.",
            "{n} columns are copies of others: {names}.",
            count,
            names=_names(groups, words),
        )
    return words.plural(
        "{n} column is another one in other units: {names}.",
        "{n} columns are others in other units: {names}.",
        count,
        names=_names(groups, words),
    )


def _seen_leaking(f: Finding, words: Words) -> str:
    listed = []
    for measure, figures in f.figures.items():
        for name, figure in figures.items():
            sign = {"auc": words.say("AUC"), "r2": "R²", "order": words.say("order")}[measure]
            listed.append(f"{name} ({sign} {words.number(figure, 6)})")
    return words.plural(
        "{n} column alone decides the target: {names}.",
        "{n} columns each decide the target alone: {names}.",
        len(listed),
        names=_names(listed, words),
    )


def _seen_numbers(f: Finding, words: Words) -> str:
    columns = f.where["columns"]
    return words.plural(
        "{n} column holds whole numbers that each occur once, with none left out: {names}.",
        "{n} columns hold whole numbers that each occur once, with none left out: {names}.",
        len(columns),
        names=_names(columns, words),
    )


def _seen_bad(f: Finding, words: Words) -> str:
    g, parts = f.figures, []
    if "step" in g:
        loss = words.number(g["step_loss"], 4)
        step, epoch = words.whole(g["step"]), words.whole(g["epoch"])
        parts.append(
            words.say(
                "At step {step} (epoch {epoch}) the loss became {loss}.",
                step=step,
                epoch=epoch,
                loss=loss,
            )
        )
    if g["chain"]:
        chain = told_chain(g["chain"], words)
        parts.append(words.say("The first bad number and where it came from: {chain}", chain=chain))
    if f.where.get("rows"):
        parts.append(words.say("It is in row {row}.", row=words.whole(f.where["rows"][0])))
    return " ".join(parts)


def _seen_unsound(f: Finding, words: Words) -> str:
    g = f.figures
    return words.plural(
        "{name} holds {n} number that is not finite: {value} in row {row}, column {column}.",
        "{name} holds {n} numbers that are not finite, the first {value} in row {row}, column "
        "{column}.",
        g["count"],
        name=g["array"],
        value=words.number(g["first_value"]),
        row=words.whole(g["first_row"]),
        column=g["first_column"],
    )


_SEEN: Mapping[str, Said] = {
    "dead_neurons": _seen_dead,
    "saturated_neurons": _seen_saturated,
    "saturated_output": _seen_output,
    "large_weights": _seen_large,
    "vanishing_gradients": _seen_vanishing,
    "exploding_gradients": _seen_exploding,
    "rate_too_high": _seen_rate,
    "rate_too_low": _seen_rate,
    "symmetric_neurons": _seen_symmetric,
    "unscaled_inputs": _seen_unscaled,
    "class_imbalance": _seen_classes,
    "constant_columns": _seen_constant,
    "duplicate_columns": _seen_duplicates,
    "leaking_columns": _seen_leaking,
    "row_numbers": _seen_numbers,
    "not_finite": _seen_bad,
    "unsound_data": _seen_unsound,
}
KINDS = tuple(_SEEN)
"""Every kind of finding."""
