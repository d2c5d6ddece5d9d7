"""Experiments of the courses as functions: each runs in seconds and says in words what is seen.

Answers for gathering them under one name, ``limpide.experiments``. Not for: training itself, which
each experiment leaves to networks and engines. See docs/experiments.md.

>>> import limpide as lp
>>> lp.experiments.bias(epochs=100).without_bias.at_zero
0.5
"""

from __future__ import annotations

from limpide.experiments.first_weights import InitializationResult, Start, initialization
from limpide.experiments.landscape import LandscapeResult, WeightPath, loss_landscape
from limpide.experiments.rates import LearningRatesResult, RateRun, learning_rates
from limpide.experiments.result import Experiment
from limpide.experiments.with_and_without import BiasResult, NeuronRun, bias
from limpide.experiments.xor_starts import Plateau, XorResult, XorShare, xor

__all__ = [
    "BiasResult",
    "Experiment",
    "InitializationResult",
    "LandscapeResult",
    "LearningRatesResult",
    "NeuronRun",
    "Plateau",
    "RateRun",
    "Start",
    "WeightPath",
    "XorResult",
    "XorShare",
    "bias",
    "initialization",
    "learning_rates",
    "loss_landscape",
    "xor",
]
