"""scikit-learn's own checks of an estimator, every one of them, with nothing expected to fail."""

from __future__ import annotations

from sklearn.utils.estimator_checks import parametrize_with_checks

import limpide as lp


@parametrize_with_checks([lp.Classifier(), lp.Regressor()])
def test_it_is_an_estimator(estimator, check):
    check(estimator)
