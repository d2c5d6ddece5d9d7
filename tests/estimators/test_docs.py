"""The page on estimators runs as it stands, text and vectorisers included."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parents[2] / "docs" / "estimators.md"


def test_the_page_runs():
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    names: dict[str, Any] = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    assert names["accuracy"] > 0.93
    assert names["shop"].predict(names["people"]).tolist() == names["buys"]
    assert len(names["watched"].history_.metrics["f1_score"]) == names["watched"].n_iter_
    assert names["stream"].score(names["X_test"], names["y_test"]) > 0.9
    mail = names["mail"]
    assert mail.predict(["cheap offer, win now", "noon with Ana"]).tolist() == ["spam", "ham"]
    assert mail[-1].model_.preprocessing.width == 11
