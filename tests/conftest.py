"""What all tests share: where the data lies, and the reproducible profile of hypothesis."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("limpide", deadline=None, derandomize=True)
settings.load_profile("limpide")

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def spambase_path() -> Path:
    path = DATA / "spambase.csv"
    if not path.exists():
        pytest.skip("the Spambase table is not at ../shared/data/spambase.csv")
    return path
