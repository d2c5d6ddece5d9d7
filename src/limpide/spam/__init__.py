"""From e-mails to the 57 features of Spambase, so that a model trained on it judges messages.

Answers for gathering the three steps under one name, ``limpide.spam``: file, text, numbers.
Not for: training or judging; that is any Model's work.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from limpide.spam.counts import FEATURES, features
from limpide.spam.folder import (
    LabelledMessages,
    message_files,
    named_like_message,
    read_folder,
    read_message,
)
from limpide.spam.message import message_text

__all__ = [
    "FEATURES",
    "LabelledMessages",
    "features",
    "message_features",
    "message_files",
    "message_text",
    "named_like_message",
    "read_folder",
    "read_message",
]


def message_features(raw: bytes | str) -> NDArray[np.float64]:
    """Count the features of an e-mail as it was received: ``features(message_text(raw))``.

    Parameters
    ----------
    raw : bytes or str
        As for `message_text`.

    Returns
    -------
    f64[57]
        In the order of ``FEATURES``.

    Raises
    ------
    ArgumentTypeError
        ``raw`` is neither bytes nor str.

    Examples
    --------
    >>> counted = message_features(b"Subject: Free money\\n\\nFree, isn't it?")
    >>> counted[FEATURES.index("word_freq_free")].item()
    33.333333333333336
    """
    return features(message_text(raw))
