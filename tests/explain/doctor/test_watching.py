"""The doctor as a callback: since when, what diverged, and that a run is the same with it."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import limpide as lp
from limpide.errors import ArgumentError
from limpide.explain.doctor import Case, look

RNG = np.random.default_rng(5)
X = RNG.normal(size=(200, 3))
LINE = X @ [1.0, -2.0, 0.5]
Y = (LINE > 0) * 1.0


def network(**settings: Any) -> lp.Network:
    return lp.Network([3, 8, 1], **{"output": "sigmoid", "seed": 0, **settings})


class Kill(lp.Callback):
    """Push the biases of some neurons so far down, at the end of an epoch, that they die."""

    def __init__(self, epoch: int, places: list[int]) -> None:
        self.epoch, self.places = epoch, places

    def epoch_end(self, run: lp.Run) -> None:
        if run.epoch + 1 == self.epoch:
            run.params["hidden1.bias"][self.places] = -1000


def test_it_says_since_which_epoch_a_neuron_is_dead() -> None:
    doctor = lp.Doctor()
    network().fit(X, Y, epochs=6, callbacks=[Kill(2, [0, 4]), Kill(5, [6]), doctor])
    (finding,) = doctor.diagnosis.of("dead_neurons")
    assert finding.where["neurons"] == ["h1", "h5", "h7"]
    assert finding.figures["since_epoch"] == {"h1": 2, "h5": 2, "h7": 5}
    assert finding.where["epochs"] == [2]
    assert finding.seen("en").endswith("Since epoch 2.")


def test_it_looks_every_so_often_and_at_the_last_epoch() -> None:
    doctor = lp.Doctor(every=3)
    network().fit(X, Y, epochs=7, callbacks=[Kill(2, [0]), Kill(7, [1]), doctor])
    (finding,) = doctor.diagnosis.of("dead_neurons")
    assert finding.figures["since_epoch"] == {"h1": 3, "h2": 7}


def test_a_neuron_that_wakes_is_no_longer_named() -> None:
    class Wake(lp.Callback):
        def epoch_end(self, run: lp.Run) -> None:
            if run.epoch == 3:
                run.params["hidden1.bias"][:] = 0

    doctor = lp.Doctor()
    network().fit(X, Y, epochs=6, callbacks=[Kill(2, [0, 1, 2]), Wake(), doctor])
    assert doctor.diagnosis.healthy


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize("optimizer", [lp.SGD(0.1), lp.Adam(0.01)])
def test_the_run_is_the_same_bit_for_bit(engine: str, optimizer: lp.Optimizer) -> None:
    settings: dict[str, Any] = {"epochs": 4, "optimizer": optimizer, "engine": engine}
    plain, watched = (lp.Network([3, 8, lp.Dropout(0.2), 1], seed=0) for _ in range(2))
    before = plain.fit(X, LINE, **settings)
    after = watched.fit(X, LINE, callbacks=lp.Doctor(), **settings)
    assert after.loss == before.loss
    for name, array in plain.params.items():
        assert array.tobytes() == watched.params[name].tobytes()


@pytest.mark.parametrize("engine", ["native", "reference"])
def test_after_divergence_it_names_step_number_and_chain(engine: str) -> None:
    doctor, net = lp.Doctor(), network(output="linear")
    with pytest.raises(lp.DivergenceError) as caught:
        net.fit(X * 3, LINE, optimizer=lp.SGD(10), epochs=5, callbacks=doctor, engine=engine)
    bad, rate = doctor.diagnosis.findings[:2]
    assert (bad.kind, rate.kind) == ("not_finite", "rate_too_high")
    assert bad.figures["step"] == caught.value.step
    assert bad.figures["epoch"] == 1
    assert bad.figures["chain"]
    first = bad.figures["chain"][0]
    assert not np.isfinite(first["value"])
    assert all(np.isfinite(term["value"]) for term in first["terms"])
    assert 0 <= bad.where["rows"][0] < 200
    # Its remedy works.
    better = lp.SGD(bad.figures["better_rate"])
    watched = lp.Doctor()
    history = network(output="linear").fit(
        X * 3, LINE, optimizer=better, epochs=5, callbacks=watched, engine=engine
    )
    assert history.loss[-1] < 0.1 * history.loss[0]
    assert watched.diagnosis.of("not_finite") == watched.diagnosis.of("rate_too_high") == ()


def test_divergence_is_the_same_error_with_and_without_it() -> None:
    def diverged(**settings: Any) -> tuple[str, dict[str, bytes]]:
        net = network(output="linear")
        with pytest.raises(lp.DivergenceError) as caught:
            net.fit(X * 3, LINE, optimizer=lp.SGD(10), epochs=5, **settings)
        return str(caught.value), {name: a.tobytes() for name, a in net.params.items()}

    assert diverged() == diverged(callbacks=lp.Doctor())


def test_the_rows_and_values_of_a_chain_are_those_of_the_step() -> None:
    doctor, net = lp.Doctor(), lp.Network([3, 1], dtype="float64", seed=0)
    net.params["output.weights"][:] = [[1e200], [0], [0]]
    net.params["output.bias"][:] = 0
    with pytest.raises(lp.DivergenceError):
        net.fit(X, LINE, optimizer=lp.SGD(0.1), epochs=1, batch_size=4, callbacks=doctor)
    (bad,) = doctor.diagnosis.of("not_finite")
    product = bad.figures["chain"][-1]
    row = bad.where["rows"][0]
    assert {"name": "x1", "value": X[row, 0]} in product["terms"]
    assert {"name": "w1", "value": 1e200} in product["terms"]


def test_the_row_of_an_ensembles_member_is_the_row_of_the_table() -> None:
    from limpide.members import MemberInput, MemberOutput

    net = lp.Network([3, MemberInput(4, 8, "tanh"), MemberOutput(4, 1, lp.exp)], seed=0)
    net.params["output.bias"][2] = 1e6
    doctor = lp.Doctor()
    with pytest.raises(lp.DivergenceError):
        net.fit(X, LINE, loss="mse", epochs=1, batch_size=5, shuffle=False, callbacks=doctor)
    (bad,) = doctor.diagnosis.of("not_finite")
    assert bad.where["rows"] == [0]


def test_a_loss_that_is_high() -> None:
    doctor = lp.Doctor()
    history = network(output="linear").fit(
        X, LINE, optimizer=lp.RMSProp(3.0), epochs=6, callbacks=doctor
    )
    (finding,) = doctor.diagnosis.of("rate_too_high")
    figures = finding.figures
    assert (figures["first_loss"], figures["last_loss"]) == (history.loss[0], history.loss[-1])
    assert figures["lowest_loss"] == min(history.loss)
    # Its first steps threw the loss to millions, and it is falling from there.
    assert min(history.loss) == history.loss[-1] > 100 * LINE.var()
    assert finding.where["epochs"] == [1]


def test_a_loss_that_stands_still() -> None:
    doctor = lp.Doctor()
    history = network().fit(X, Y, optimizer=lp.SGD(1e-8), epochs=4, callbacks=doctor)
    (finding,) = doctor.diagnosis.findings
    assert (finding.kind, finding.where) == ("rate_too_low", {"epochs": [1]})
    better = lp.SGD(finding.figures["better_rate"])
    watched = lp.Doctor()
    after = network().fit(X, Y, optimizer=better, epochs=4, callbacks=watched)
    assert after.loss[-1] < 0.95 * history.loss[-1]
    assert watched.diagnosis.healthy


def test_vanishing_gradients_have_their_first_epoch() -> None:
    doctor = lp.Doctor()
    net = lp.Network([3, *[8] * 10, 1], activation="sigmoid", output="sigmoid", seed=0)
    net.fit(X, Y, optimizer=lp.SGD(0.1), epochs=3, callbacks=doctor)
    (finding,) = doctor.diagnosis.of("vanishing_gradients")
    assert finding.where["epochs"] == [1]


def test_rows_of_ones_own_and_those_that_are_held_out() -> None:
    held = lp.Doctor(X[:50], Y[:50])
    sampled = lp.Doctor()
    network().fit(X, Y, epochs=2, validation=0.25, callbacks=[held, sampled])
    assert (held.diagnosis.rows, sampled.diagnosis.rows) == (50, 150)


def test_it_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    network().fit(X, Y, epochs=3, callbacks=[Kill(1, [0, 1]), lp.Doctor()], progress=False)
    assert capsys.readouterr() == ("", "")


def test_before_a_run_it_has_nothing_to_say() -> None:
    with pytest.raises(ArgumentError, match="watched no run yet"):
        _ = lp.Doctor().diagnosis
    with pytest.raises(ArgumentError, match="X and y together"):
        lp.Doctor(X)


def test_a_run_that_was_broken_off_remembers_since_when(tmp_path: Path) -> None:
    class Stop(lp.Callback):
        def epoch_end(self, run: lp.Run) -> None:
            if run.epoch == 2:
                raise KeyboardInterrupt

    path = tmp_path / "run.safetensors"
    kill = [Kill(2, [0, 4])]
    keep = lp.Checkpoint(path, every=1)
    settings: dict[str, Any] = {"epochs": 5, "optimizer": lp.SGD(0.01)}
    with pytest.raises(KeyboardInterrupt):
        network().fit(X, Y, callbacks=[*kill, lp.Doctor(), Stop()], checkpoint=keep, **settings)
    doctor = lp.Doctor()
    again = lp.Checkpoint(path, resume=True)
    network().fit(X, Y, callbacks=[*kill, doctor], checkpoint=again, **settings)
    (finding,) = doctor.diagnosis.of("dead_neurons")
    assert finding.figures["since_epoch"] == {"h1": 2, "h5": 2}


def test_what_a_case_shows_is_what_the_network_computes() -> None:
    net = network()
    case = Case(net.placed, net.params, net.state, X.astype("f"), Y.astype("f")[:, None], lp.bce)
    seen = look(case)
    assert seen.loss == pytest.approx(net.evaluate(X, Y)["loss"], rel=1e-6)
    np.testing.assert_allclose(seen.output, net.predict(X), rtol=1e-5)
    z = X @ net.params["hidden1.weights"].astype(float) + net.params["hidden1.bias"]
    np.testing.assert_allclose(seen.hidden[0].z, z, rtol=1e-4, atol=1e-6)


def test_a_doctor_is_pickled_and_copied_with_what_it_saw() -> None:
    doctor = lp.Doctor(every=2)
    network().fit(X, Y, epochs=4, callbacks=[Kill(2, [0, 1, 2]), doctor])
    for other in (pickle.loads(pickle.dumps(doctor)), copy.deepcopy(doctor)):
        assert other.diagnosis == doctor.diagnosis
        assert other.diagnosis.of("dead_neurons")
        assert other.every == 2
        network().fit(X, Y, epochs=1, callbacks=other)
        assert other.diagnosis.healthy
