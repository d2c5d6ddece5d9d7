"""The commands, a file for each or for a small family of them.

Answers for what each is called with, its options and its help; ``limpide.cli`` lists them. Not for:
streams, errors and exit statuses (``limpide.program``).

Rooms that load more than click are reached as ``limpide.model`` and so on, which loads them when
they are first used: ``limpide --help`` loads none of them.
"""
