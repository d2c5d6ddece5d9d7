"""What all tests share: where the data lies, a cache of their own, hypothesis made reproducible."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("limpide", deadline=None, derandomize=True)
settings.load_profile("limpide")

# A shell lets what it starts with & ignore Ctrl-C, and limpide would, too: tests break runs off.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# What limpide says is compared in English, whatever the system of who runs the tests speaks.
os.environ["LANGUAGE"] = "en"

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def spambase_path() -> Path:
    path = DATA / "spambase.csv"
    if not path.exists():
        pytest.skip("the Spambase table is not at ../shared/data/spambase.csv")
    return path


@pytest.fixture
def reference_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiled use runs on the reference engine, which gives the bits of eager use."""
    monkeypatch.setenv("LIMPIDE_ENGINE", "reference")


@pytest.fixture(scope="session", autouse=True)
def _no_users_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep compiled code in a folder of this run: the user's is neither read nor written."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIMPIDE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
