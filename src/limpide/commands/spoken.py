"""Commands whose help is shown in the reader's language.

Answers for ``@command``, ``@group``, the options that all of them have, and for which sentences
their help holds (``translations/update.py`` asks). Not for: looking sentences up
(``limpide.languages``), nor for what a command prints when it runs.

Click takes help as it is written; here it is looked up when it is shown, a paragraph at a time.
"""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import click

from limpide import program
from limpide.languages import LANGUAGES, Words, words_in

_VERBATIM = "\b"  # click's mark of a paragraph whose lines stay lines
_PLACEHOLDER = re.compile(r"[A-Z]{2,}")  # DATA, [OPTIONS]: what stands for a word of the reader's
_EXAMPLE = re.compile(r"( +\S.*?)(?:(  +)(\S.*))?")  # a command, and what it is for

Say = Callable[[str], str]


def _words(context: click.Context) -> Words:
    session = context.find_object(program.Session)
    return session.words if session is not None else words_in("en")


def _said(text: str, say: Say) -> str:
    """Give a help text with each of its sentences put through ``say``."""
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(_paragraph(paragraph, say) for paragraph in paragraphs)


def _paragraph(text: str, say: Say) -> str:
    """Say a paragraph; of one that keeps its lines only what is no command."""
    first, *lines = text.split("\n")
    if first != _VERBATIM:
        return say(" ".join(text.split()))
    return "\n".join([first, *(_line(line, say) for line in lines)])


def _line(line: str, say: Say) -> str:
    found = _EXAMPLE.fullmatch(line)
    if found is None:
        return say(line)
    typed, gap, purpose = found.groups()
    return f"{typed}{gap}{say(purpose)}" if purpose else typed


def _placeholders(text: str, say: Say) -> str:
    return _PLACEHOLDER.sub(lambda found: say(found[0]), text)


class Command(click.Command):
    """A command with ``--language`` and ``--traceback``, and with help in the reader's language."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.params += [_language_option(), _traceback_option()]

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        words = _words(ctx)
        pieces = _placeholders(" ".join(self.collect_usage_pieces(ctx)), words.say)
        formatter.write_usage(ctx.command_path, pieces, prefix=f"{words.say('Usage:')} ")

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text(_said(self.help or "", _words(ctx).say))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        words = _words(ctx)
        options = [each for each in self.get_params(ctx) if isinstance(each, click.Option)]
        with formatter.section(words.say("Options")):
            formatter.write_dl([_record(option, ctx, words) for option in options])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        if self.epilog:
            formatter.write_paragraph()
            with formatter.indentation():
                formatter.write_text(_said(self.epilog, _words(ctx).say))

    def purpose(self, words: Words, most: int) -> str:
        """Give the first sentence of the help, in so many letters."""
        text = _said(self.help or "", words.say).partition("\n\n")[0]
        first = re.split(r"(?<=\.)\s", text)[0]
        return first if len(first) <= most else textwrap.shorten(first, most, placeholder="...")


class Group(Command, click.Group):
    """Commands in the order in which a newcomer needs them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_options(ctx, formatter)
        self.format_commands(ctx, formatter)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        words = _words(ctx)
        most = formatter.width - 6 - max(map(len, self.commands))
        told = [
            (name, one.purpose(words, most))
            for name, one in self.commands.items()
            if isinstance(one, Command)
        ]
        with formatter.section(words.say("Commands")):
            formatter.write_dl(told)


command = partial(click.command, cls=Command)
group = partial(click.group, cls=Group)


def _record(option: click.Option, ctx: click.Context, words: Words) -> tuple[str, str]:
    """Give an option's names, and what it does."""
    names = (option.get_help_record(ctx) or ("",))[0]
    told = words.say(option.help or "")
    if option.required:
        told += f"  [{words.say('required')}]"
    elif option.show_default:  # as it is typed, so with a decimal point
        told += f"  [{words.say('default: {value}', value=option.default)}]"
    return _placeholders(names, words.say), told


def _language_option() -> click.Option:
    return click.Option(
        ["--language"],
        metavar="CODE",
        type=program.Choice(list(LANGUAGES)),
        is_eager=True,
        expose_value=False,  # `program.run` has looked for it: --help before it speaks it too
        help="en, fr or uk: what is said, and this help; else as the system.",
    )


def _traceback_option() -> click.Option:
    def note_it(context: click.Context, option: click.Parameter, value: bool) -> None:
        context.obj.traceback = context.obj.traceback or value

    return click.Option(
        ["--traceback"],
        is_flag=True,
        is_eager=True,
        expose_value=False,
        callback=note_it,
        help="Show where in the code an error came from.",
    )


def sentences(one: click.Command, parent: click.Context | None = None) -> Iterator[str]:
    """Give every sentence and placeholder that the help of a command and of its own holds."""
    context = click.Context(one, parent, info_name=one.name, **one.context_settings)
    found: list[str] = []

    def note(sentence: str) -> str:
        found.append(sentence)
        return sentence

    for text in (one.help, one.epilog):
        _said(text or "", note)
    _placeholders(" ".join(one.collect_usage_pieces(context)), note)
    for option in one.get_params(context):
        if isinstance(option, click.Option):
            note(option.help or "")
            _placeholders((option.get_help_record(context) or ("",))[0], note)
    yield from filter(None, found)
    for below in one.commands.values() if isinstance(one, click.Group) else ():
        yield from sentences(below, context)
