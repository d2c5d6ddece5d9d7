"""A sweep over joblib's Dask backend: what one process finds, two workers find, to the bit."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import FitFailedWarning
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import limpide as lp
from limpide.engines import cache

distributed = pytest.importorskip("distributed")

X, y = load_breast_cancer(return_X_y=True)
GRID = {"hidden": [(8,), (16,)], "learning_rate": [0.003, 0.01]}


def classifier(**settings: Any) -> lp.Classifier:
    return lp.Classifier(**{"random_state": 0, "epochs": 4, **settings})


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of compiled code that both workers share; it is empty when they start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIMPIDE_CACHE", str(tmp_path_factory.mktemp("cache")))
        folder = cache.folder()
        assert folder is not None
        yield Path(folder)


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory, compiled: Path) -> Iterator[Any]:
    """Two workers, each a process of its own, that listen to this machine alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("OMP_NUM_THREADS", raising=False)  # which Dask would leave as it is
        cluster = distributed.LocalCluster(
            n_workers=2,
            processes=True,
            threads_per_worker=1,
            host="127.0.0.1",
            dashboard_address=None,
            local_directory=str(tmp_path_factory.mktemp("workers")),
        )
    with cluster, distributed.Client(cluster) as client:
        yield client


def check_sweep(near: GridSearchCV, far: GridSearchCV) -> None:
    """Find both searches equal, but for the time that they took."""
    for name, values in near.cv_results_.items():
        if not name.endswith("_time"):
            np.testing.assert_array_equal(np.asarray(far.cv_results_[name]), np.asarray(values))
    assert far.best_params_ == near.best_params_
    assert far.best_score_ == near.best_score_


def test_the_same_bits_as_in_one_process(client: Any) -> None:
    far, near = (GridSearchCV(classifier(), GRID, cv=3, n_jobs=n) for n in (None, 1))
    with joblib.parallel_config("dask"):
        far.fit(X, y)
    check_sweep(near.fit(X, y), far)
    assert len(set(near.cv_results_["mean_test_score"])) > 1
    np.testing.assert_array_equal(far.predict_proba(X), near.predict_proba(X))


def test_workers_share_compiled_code(client: Any, compiled: Path) -> None:
    def entries() -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in compiled.iterdir()}

    others = GridSearchCV(classifier(), {"hidden": [(5,), (7,)]}, cv=3, refit=False)
    before = set(entries())
    with joblib.parallel_config("dask"):
        others.fit(X, y)
    kept = entries()
    assert set(kept) > before
    # Whole, and nothing beside them that a worker began and another finished.
    assert all(re.fullmatch(r"[0-9a-f]{64}", name) for name in kept)
    others.set_params(n_jobs=1).fit(X, y)
    assert entries() == kept  # this process found there what it would have compiled


def test_each_fit_was_made_by_a_worker(client: Any) -> None:
    with joblib.parallel_config("dask"):
        made_by = GridSearchCV(classifier(), GRID, cv=3, scoring=_process, refit=False).fit(X, y)
    splits = [made_by.cv_results_[f"split{i}_test_score"] for i in range(3)]
    seen = {int(number) for number in np.concatenate(splits)}
    assert seen <= set(client.run(os.getpid).values())


def _process(estimator: Any, X: Any, y: Any) -> int:
    return os.getpid()


def test_a_worker_takes_no_more_threads_than_dask_gives_it(client: Any) -> None:
    def most() -> int:
        from limpide import threads

        return threads.most()

    assert list(client.run(most).values()) == [1, 1]


def test_what_is_the_users_own_travels(client: Any, tmp_path: Path) -> None:
    """A frame, a pipeline, a loss, a metric, a callback and early stopping, written in here."""
    frame = pd.DataFrame(X[:, :6], columns=list("abcdef"))
    frame["size"] = pd.Categorical(np.where(X[:, 0] > 14, "large", "small"))

    def focal(y: Any, probability: Any) -> Any:
        hit = y * probability + (1 - y) * (1 - probability)
        return -lp.square(1 - hit) * lp.log(hit + 1e-7)

    def cost(y: Any, foretold: Any) -> float:
        return float(np.mean((y == 0) & (foretold == 1)))

    own = classifier(
        loss=focal,
        metric={"cost_loss": cost},
        callbacks=[lambda run: (tmp_path / str(os.getpid())).touch()],
        early_stopping=lp.EarlyStopping(2, "cost_loss"),
    )
    steps = make_pipeline(StandardScaler(), own)
    grid = {"classifier__hidden": [(4,), (8,)]}
    with joblib.parallel_config("dask"):
        far = GridSearchCV(steps, grid, cv=2).fit(frame.drop(columns="size"), y)
        rows = cross_val_predict(own, frame, y, cv=2, method="predict_proba")
    called = {int(path.name) for path in tmp_path.iterdir()}
    workers = set(client.run(os.getpid).values())
    assert called & workers
    assert called <= workers | {os.getpid()}  # the last fit, with what was best, is made in here
    check_sweep(GridSearchCV(steps, grid, cv=2).fit(frame.drop(columns="size"), y), far)
    np.testing.assert_array_equal(
        cross_val_predict(own, frame, y, cv=2, method="predict_proba"), rows
    )


@pytest.mark.filterwarnings("ignore:One or more of the test scores are non-finite:UserWarning")
def test_the_message_of_a_fit_that_failed_arrives(client: Any) -> None:
    numbers = {"learning_rate": [0.003, 1e30]}
    search = GridSearchCV(lp.Regressor(hidden=[4], epochs=2, random_state=0), numbers, cv=2)
    with joblib.parallel_config("dask"):
        with pytest.warns(FitFailedWarning, match=r"DivergenceError: Training diverged: the loss"):
            search.fit(X, X[:, 0])
        assert search.best_params_ == {"learning_rate": 0.003}
        search.error_score = "raise"
        with pytest.raises(lp.DivergenceError, match=r"Lower the rate") as raised:
            search.fit(X, X[:, 0])
        assert raised.value.step > 0
        wrong = GridSearchCV(classifier(), {"activation": ["rellu"]}, cv=2, error_score="raise")
        with pytest.raises(lp.ArgumentError, match="Did you mean 'relu'"):
            wrong.fit(X, y)


def test_xla_in_workers(client: Any) -> None:
    pytest.importorskip("jax")
    grid = {"hidden": [(4,)], "n_ensemble": [1]}
    far = GridSearchCV(classifier(engine="xla", epochs=2), grid, cv=2, refit=False)
    near = GridSearchCV(classifier(engine="xla", epochs=2), grid, cv=2, refit=False, n_jobs=1)
    with joblib.parallel_config("dask"):
        far.fit(X, y)
    check_sweep(near.fit(X, y), far)
