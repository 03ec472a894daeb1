"""`kerasflow.profile`: it finds what is slow, adds up, and leaves the model as it is."""

import keras
import numpy as np
import pytest

import kerasflow
from kerasflow.compiler import current_backend, running_on
from kerasflow.errors import ProfileError

L = keras.layers


class Heavy(L.Layer):
    """Takes long for what it does."""

    def call(self, x):
        wide = np.concatenate([x] * 200, axis=-1)
        for _ in range(8):
            wide = np.arctan(wide * 1.01)
        return np.mean(wide, axis=-1, keepdims=True) + x


def network(*layers, inputs=8, **compiled):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((inputs,)), *layers, L.Dense(3)])
    model.compile(
        **{"optimizer": keras.optimizers.Adam(name="adam"), "loss": "mse", "metrics": ["mae"], **compiled}
    )
    return model


def batch(n=64):
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, 8)), rng.normal(size=(n, 3))


@pytest.fixture(scope="module")
def report():
    model = network(L.Dense(8, "relu", name="light"), Heavy(name="heavy"), L.Dropout(0.5, name="dropout"))
    return kerasflow.profile(model, *batch(), repeats=8)


def test_the_slow_layer_and_its_lines_are_found(report):
    heavy = report.layers[0]
    assert heavy.layer.endswith("/heavy")
    assert heavy.seconds > 0.5 * report.measured
    assert heavy.forward > 0 and heavy.gradient > 0 and heavy.update == 0
    assert report.hottest[0].scope.endswith("/heavy")
    assert report.hottest[0].seconds == max(line.seconds for line in report.lines)


def test_lines_layers_and_total_agree(report):
    assert sum(cost.seconds for cost in report.layers) == pytest.approx(report.measured)
    assert sum(cost.calls for cost in report.layers) == sum(line.calls for line in report.lines)
    assert report.peak == max(cost.held for cost in report.layers)
    # With a clock it is the same program: about as long, on whatever machine.
    assert report.seconds / 3 < report.measured < report.seconds * 3


def test_phases(report):
    costs = {cost.layer.split("/")[-1]: cost for cost in report.layers}
    assert costs["adam"].update > 0 and costs["adam"].forward == costs["adam"].gradient == 0
    for name in ("light", "dropout", "mse"):
        assert costs[name].forward > 0 and costs[name].gradient > 0 and costs[name].update == 0
    assert costs["metrics"].forward > 0 and costs["metrics"].gradient == 0


def test_memory(report):
    weights = 4 * (8 * 8 + 8 + 8 * 3 + 3)
    assert report.state >= 3 * weights  # with Adam's two moments
    assert report.inputs == 4 * (64 * 8 + 64 * 3)
    assert report.peak >= 4 * 64 * 8 * 200  # the wide array


def test_it_is_shown_as_text_html_and_a_picture(report):
    text = str(report)
    assert report.title in text
    for cost in report.layers:
        assert cost.layer in text
    assert report.hottest[0].line[:40] in text
    page = report._repr_html_()
    assert page.count("<table>") == 2 and page.count("<tr>") == page.count("</tr>") > len(report.layers)
    figure = report.plot()
    bars, memory = figure.axes
    assert [label.get_text() for label in bars.get_yticklabels()] == [cost.layer for cost in report.layers]
    lengths = [sum(bar.get_width() for bar in row) for row in zip(*bars.containers, strict=True)]
    np.testing.assert_allclose(lengths, [1e3 * cost.seconds for cost in report.layers])
    heights = [bar.get_height() for container in memory.containers for bar in container]
    assert max(heights) == report.peak / 1e6
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_html_is_escaped():
    from kerasflow.text import html_table

    assert '<td style="text-align: left">a &lt; b</td>' in html_table([["x"], ["a < b"]])


def snapshot(model):
    return [np.array(v) for v in [*model.variables, *model.optimizer.variables, *model.metrics_variables]]


def test_the_model_stays_as_it_is():
    def trained(profiled):
        keras.utils.set_random_seed(0)  # of the layers, which are made before the network
        model = network(L.Dense(16, "relu"), L.BatchNormalization(), L.Dropout(0.5))
        x, y = batch(96)
        model.fit(x, y, epochs=2, verbose=0)
        if profiled:
            before = snapshot(model)
            for labels in (y, None):
                kerasflow.profile(model, x, labels, repeats=2)
            for ours, theirs in zip(snapshot(model), before, strict=True):
                assert ours.tobytes() == theirs.tobytes()
        model.fit(x, y, epochs=1, verbose=0)
        return snapshot(model)

    for ours, theirs in zip(trained(True), trained(False), strict=True):
        assert ours.tobytes() == theirs.tobytes()


def test_a_prediction():
    model = keras.Sequential([L.Dense(4), Heavy()])  # neither built nor compiled
    report = kerasflow.profile(model, batch()[0], repeats=2)
    assert "prediction" in report.title and "64 samples" in report.title
    assert all(cost.gradient == cost.update == 0 for cost in report.layers)
    assert report.layers[0].layer.endswith("heavy")
    test = kerasflow.profile(network(), *batch(), of="test", repeats=2)
    assert "test step" in test.title and all(cost.gradient == cost.update == 0 for cost in test.layers)


def test_lists_of_numbers_are_arrays():
    x, y = batch()
    report = kerasflow.profile(network(), x.tolist(), y.tolist(), repeats=1)
    assert "64 samples" in report.title
    assert report.inputs == 4 * (64 * 8 + 64 * 3)
    model, twin = network(), network()  # The batch methods take them as well.
    assert model.train_on_batch(x.tolist(), y.tolist()) == twin.train_on_batch(x, y)
    np.testing.assert_array_equal(model.predict_on_batch(x.tolist()), twin.predict_on_batch(x))


def test_what_cannot_be_profiled():
    x, y = batch()
    with pytest.raises(ProfileError, match="run_eagerly=True: there is no program"):
        kerasflow.profile(network(run_eagerly=True), x, y)
    lookup = L.Dense(3)
    lookup.supports_jit = False  # as layers that look strings up
    with pytest.raises(ProfileError, match=r"operation by operation.* cannot be compiled"):
        kerasflow.profile(network(lookup), x, y)
    warped = keras.Sequential([L.RandomElasticTransform(), L.Flatten(), L.Dense(3)])
    warped.compile("sgd", "mse")
    with pytest.raises(ProfileError, match=r"operation by operation.* cannot be compiled"):
        kerasflow.profile(warped, np.ones((2, 8, 8, 1), "float32"), y[:2])
    with pytest.raises(ValueError, match="must call `compile"):
        kerasflow.profile(keras.Sequential([L.Dense(3)]), x, y)
    with pytest.raises(ValueError, match="incompatible with the layer"):
        kerasflow.profile(network(), x[:, :5], y)
    with pytest.raises(ValueError, match="same number of samples"):
        kerasflow.profile(network(), x, y[:10])
    with pytest.raises(ValueError, match="the step is one of train, test, predict"):
        kerasflow.profile(network(), x, y, of="fit")
    with pytest.raises(TypeError, match=r"takes a Keras model; received 'm' .*explain"):
        kerasflow.profile("m", x, y)
    with pytest.raises(ValueError, match="repeats is at least 1; received 0"):
        kerasflow.profile(network(), x, y, repeats=0)


def test_a_backend_whose_programs_are_not_measured():
    class Plain:
        """The NumPy backend with programs that are functions."""

        name, numpy = "plain", current_backend("numpy")
        primitives, from_host, to_host = numpy.primitives, numpy.from_host, numpy.to_host

        def compile(self, graph):
            program = self.numpy.compile(graph)
            return lambda state, inputs: program(state, inputs)

    with running_on(Plain()), pytest.raises(ProfileError, match="'plain' cannot measure its programs"):
        kerasflow.profile(network(), *batch())


def test_a_small_program_is_drawn_in_kilobytes():
    memory = kerasflow.profile(network(), *(part[:2] for part in batch())).plot().axes[1]
    assert memory.get_ylabel() == "kB held for results"
    (peak,) = memory.texts
    assert "kB in " in peak.get_text() and float(peak.get_text().split()[0]) > 0
