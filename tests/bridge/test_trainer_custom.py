"""Models with steps, losses and metrics of their own, compiled and with `run_eagerly=True`."""

from __future__ import annotations

import kerasflow  # isort: skip  (before Keras)
import keras
import numpy as np
import pytest
from keras import layers, ops

RNG = np.random.default_rng(1)
X = RNG.normal(size=(40, 3)).astype("float32")
Y = X @ np.array([[1.0], [-2.0], [0.5]], "float32")
MODES = pytest.mark.parametrize("eagerly", [False, True], ids=["compiled", "eagerly"])


class Small(keras.Model):
    """A subclassed model that is built by its first step."""

    def __init__(self):
        super().__init__()
        self.hidden = layers.Dense(
            6, activation="tanh", kernel_initializer=keras.initializers.GlorotUniform(seed=1)
        )
        self.head = layers.Dense(1, kernel_initializer=keras.initializers.GlorotUniform(seed=2))

    def call(self, x):
        return self.head(self.hidden(x))


def train(model, **kwargs):
    history = model.fit(
        X, Y, **{"batch_size": 8, "epochs": 3, "shuffle": False, "verbose": 0, **kwargs}
    ).history
    return history, model.get_weights()


def compiled(model_class, eagerly=False, **kwargs):
    model = model_class()
    model.compile(
        **{"optimizer": keras.optimizers.SGD(0.05), "loss": "mse", "run_eagerly": eagerly, **kwargs}
    )
    return model


def assert_same_training(model, reference):
    history, weights = train(model)
    expected_history, expected = train(reference)
    np.testing.assert_allclose(history["loss"], expected_history["loss"], rtol=1e-5)
    for a, b in zip(weights, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


class WithTrainStep(Small):
    def train_step(self, data):
        x, y = data
        with kerasflow.GradientTape() as tape:
            loss = self.compute_loss(x=x, y=y, y_pred=self(x, training=True))
        weights = self.trainable_weights
        self.optimizer.apply(tape.gradient(loss, weights), weights)
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss, sample_weight=x.shape[0])
        return {m.name: m.result() for m in self.metrics}

    def test_step(self, data):
        x, y = data
        return {"distance": ops.max(ops.absolute(y - self(x, training=False)))}

    def predict_step(self, data):
        return {"twice": 2 * self(data, training=False)}


class WithComputeLoss(Small):
    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return ops.mean(ops.square(y - y_pred))

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        return {**super().compute_metrics(x, y, y_pred, sample_weight), "one": 1.0}


class NumpyEverywhere(Small):
    """The same model in plain NumPy."""

    def call(self, x):
        h = np.tanh(x @ self.hidden.kernel + self.hidden.bias)
        return h @ self.head.kernel + self.head.bias

    def build(self, shape):
        self.hidden.build(shape)
        self.head.build((None, 6))


def own_loss(y_true, y_pred):
    return np.mean((y_true - y_pred) ** 2, axis=-1)


@MODES
@pytest.mark.parametrize("model_class", [Small, WithTrainStep, WithComputeLoss, NumpyEverywhere])
def test_every_way_to_write_it_trains_the_same(model_class, eagerly):
    assert_same_training(compiled(model_class, eagerly), compiled(Small))


@MODES
def test_own_loss_and_metric(eagerly):
    class Largest(keras.metrics.Metric):
        def __init__(self):
            super().__init__(name="largest")
            self.most = self.add_variable((), "zeros", name="most")

        def update_state(self, y_true, y_pred, sample_weight=None):
            self.most.assign(np.maximum(self.most, np.max(np.abs(y_true - y_pred))))

        def result(self):
            return self.most

    model = compiled(Small, eagerly, loss=own_loss, metrics=[Largest()])
    assert_same_training(model, compiled(Small))
    found = model.evaluate(X, Y, verbose=0, return_dict=True)
    assert found["largest"] == pytest.approx(np.abs(Y - model.predict(X, verbose=0)).max(), rel=1e-5)


@MODES
def test_own_test_and_predict_steps(eagerly):
    model = compiled(WithTrainStep, eagerly)
    predicted = model.predict(X, verbose=0)["twice"]
    np.testing.assert_allclose(predicted, 2 * np.asarray(model(X)), rtol=1e-5)
    found = model.evaluate(X[:8], Y[:8], verbose=0, return_dict=True)
    assert found["distance"] == pytest.approx(np.abs(Y[:8] - predicted[:8] / 2).max(), rel=1e-4)


@MODES
def test_add_loss_and_regularizers(eagerly):
    class Penalty(layers.Layer):
        def call(self, x):
            self.add_loss(0.1 * ops.mean(ops.square(x)))
            return x

    outputs = Penalty()(
        layers.Dense(1, kernel_regularizer=keras.regularizers.L2(0.01))(inputs := keras.Input((3,)))
    )
    model = keras.Model(inputs, outputs)
    model.compile("sgd", "mse", run_eagerly=eagerly)
    y_pred = model.predict(X, verbose=0)
    expected = (
        np.mean((Y - y_pred) ** 2) + 0.1 * np.mean(y_pred**2) + 0.01 * np.sum(model.get_weights()[0] ** 2)
    )
    assert model.evaluate(X, Y, verbose=0, batch_size=40) == pytest.approx(expected, rel=1e-5)


def test_values_are_visible_with_run_eagerly(capsys):
    seen = []

    class Curious(Small):
        def call(self, x):
            print("mean", float(np.mean(x)))
            while ops.sum(ops.square(x)) > 1.0:
                x = x / 2
            return super().call(x)

        def train_step(self, data):
            x, y = data
            with kerasflow.GradientTape() as tape:
                loss = ops.mean(ops.square(self(x) - y))
            if loss > 0:
                seen.append(loss.item())
            gradients = tape.gradient(loss, self.trainable_weights)
            assert all(np.isfinite(g).all() for g in gradients)
            self.optimizer.apply(gradients, self.trainable_weights)
            print(x[0, 0])
            return self.compute_metrics(x, y, self(x))

    def positive(y_true, y_pred):
        return ops.mean(y_pred) if y_pred[0, 0] > 0 else ops.zeros(())

    model = compiled(Curious, True, metrics=[positive])
    history, _ = train(model, epochs=1)
    assert len(seen) == 5
    assert set(history) == {"loss", "positive"}
    printed = capsys.readouterr().out
    assert f"mean {float(X[:8].mean()):.5f}"[:9] in printed
    assert repr(X[0, 0].item())[:6] in printed


def test_with_values_every_numpy_function_works():
    class Sorted(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(1)

        def call(self, x):
            kernel = np.convolve(np.asarray(x)[:, 0], [0.5, 0.5], "same")
            return self.dense(x) + kernel[:, None].astype("float32")

    assert len(train(compiled(Sorted, True))[0]["loss"]) == 3
    with pytest.raises(kerasflow.errors.TracingError, match="run_eagerly"):
        train(compiled(Sorted))


@MODES
def test_dropout_and_batch_normalization_agree(eagerly):
    def build():
        keras.utils.set_random_seed(3)
        model = keras.Sequential(
            [layers.Dense(8), layers.BatchNormalization(), layers.Dropout(0.5), layers.Dense(1)]
        )
        # Not Adam: it makes steps of the noise that is the gradient of a bias before the normalization.
        model.compile("sgd", "mse", run_eagerly=eagerly)
        return model

    history, weights = train(build())
    other = build()
    other.run_eagerly = False
    expected_history, expected = train(other)
    np.testing.assert_allclose(history["loss"], expected_history["loss"], rtol=1e-4)
    for a, b in zip(weights, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)


@MODES
def test_what_building_assigns_is_assigned_once(eagerly):
    class Scaled(layers.Layer):
        def build(self, shape):
            self.scale = self.add_weight(name="scale", shape=())
            self.scale.assign(3.0)
            self.twice = 2 * self.scale

        def call(self, x):
            return x * self.scale + self.twice

    class Slowing(keras.optimizers.SGD):
        def build(self, variables):
            super().build(variables)
            self.past = keras.Variable(0.0, name="past")
            self.past.assign(10.0)

        def update_step(self, gradient, variable, learning_rate):
            self.past.assign(self.past + 1.0)
            super().update_step(gradient, variable, learning_rate / self.past)

    def run(built):
        model = keras.Sequential([Scaled()])
        model.compile(Slowing(0.1), "mse", run_eagerly=eagerly)
        if built:
            model.build((None, 3))
            model.optimizer.build(model.trainable_variables)
        history, (scale,) = train(model)
        assert model.optimizer.past.numpy() == 10.0 + 15
        assert model.layers[0].twice == 6.0
        return history["loss"], scale

    (losses, scale), (expected_losses, expected) = run(False), run(True)
    assert losses == expected_losses
    assert scale == expected != 3.0


@MODES
def test_two_networks_two_optimizers(eagerly):
    """A generative adversarial network, with a penalty on the gradient with respect to the inputs."""

    class Gan(keras.Model):
        def __init__(self):
            super().__init__()
            self.generator = keras.Sequential([layers.Dense(8, activation="relu"), layers.Dense(3)])
            self.critic = keras.Sequential([layers.Dense(8, activation="tanh"), layers.Dense(1)])
            self.seed_generator = keras.random.SeedGenerator(5)

        def compile(self, **kwargs):
            super().compile(**kwargs)
            self.other_optimizer = keras.optimizers.Adam(0.001)

        def train_step(self, real):
            noise = keras.random.normal((real.shape[0], 2), seed=self.seed_generator)
            with kerasflow.GradientTape() as tape:
                fake = self.generator(noise)
                with kerasflow.GradientTape() as inner:
                    inner.watch(fake)
                    scores = self.critic(fake)
                slopes = inner.gradient(scores, fake)
                penalty = ops.mean(ops.square(ops.norm(slopes, axis=-1) - 1))
                critic_loss = ops.mean(scores) - ops.mean(self.critic(real)) + penalty
            weights = self.critic.trainable_weights
            self.optimizer.apply(tape.gradient(critic_loss, weights), weights)
            with kerasflow.GradientTape() as tape:
                loss = -ops.mean(self.critic(self.generator(noise)))
            weights = self.generator.trainable_weights
            self.other_optimizer.apply(tape.gradient(loss, weights), weights)
            return {"critic": critic_loss, "generator": loss, "penalty": penalty}

    keras.utils.set_random_seed(0)
    model = Gan()
    model.compile(optimizer=keras.optimizers.Adam(0.001), run_eagerly=eagerly)
    history = model.fit(X, batch_size=8, epochs=2, verbose=0).history
    assert np.isfinite(list(history.values())).all()
    kernels = [w for w in model.trainable_weights if w.name == "kernel"]
    before = [w.numpy() for w in kernels]
    model.fit(X, batch_size=8, verbose=0)
    assert len(kernels) == 4
    assert all((a != w.numpy()).any() for a, w in zip(before, kernels, strict=True))


def test_trainable_counts_from_the_next_compilation():
    model = compiled(Small)
    train(model)
    model.hidden.trainable = False
    model.compile("sgd", "mse")
    before = model.get_weights()
    train(model)
    changed = [(a != b).any() for a, b in zip(before, model.get_weights(), strict=True)]
    assert [bool(c) for c in changed] == [w.trainable for w in model.weights]


def test_run_eagerly_can_be_switched():
    model, reference = compiled(Small), compiled(Small)
    for eagerly in (True, False, True):
        model.run_eagerly = eagerly
        assert_same_training(model, reference)


def test_a_model_inside_a_tape_block_predicts_as_ever():
    model = compiled(Small)
    expected = model.predict(X, verbose=0)
    with kerasflow.GradientTape():
        assert type(model.predict(X, verbose=0)) is np.ndarray
        np.testing.assert_array_equal(model.predict_on_batch(X[:32]), expected[:32])
        model.fit(X, Y, verbose=0)


@pytest.mark.parametrize("built", [True, False])
def test_the_scale_of_the_loss_follows_its_variable_in_a_step_of_the_users_own(built):
    class Own(keras.Sequential):
        def train_step(self, data):
            x, y = data[:2]
            with kerasflow.GradientTape() as tape:
                loss = keras.ops.mean(keras.ops.square(self(x, training=True) - y))
                scaled = self.optimizer.scale_loss(loss)
            weights = self.trainable_weights
            self.optimizer.apply(tape.gradient(scaled, weights), weights)
            return {"loss": loss}

    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((8, 3)).astype("float32"), rng.standard_normal((8, 1)).astype("float32")

    def train(optimizer, wrapped):
        keras.utils.set_random_seed(0)
        model = Own([keras.layers.Dense(4, activation="tanh"), keras.layers.Dense(1)])
        if built:
            model.build((None, 3))
        model.compile(optimizer=wrapped(optimizer))
        for _ in range(6):
            model.train_on_batch(x, y)
        return model.get_weights()

    # Powers of two change no bit of the gradients.
    scaled = train(
        keras.optimizers.SGD(0.1),
        lambda inner: keras.optimizers.LossScaleOptimizer(inner, initial_scale=8.0, dynamic_growth_steps=2),
    )
    plain = train(keras.optimizers.SGD(0.1), lambda inner: inner)
    for a, b in zip(scaled, plain, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


def test_random_crops_are_parts_of_the_images():
    """Where they begin is drawn in the program; all images of a batch begin there."""
    model = keras.Sequential([keras.Input((7, 9, 2)), keras.layers.RandomCrop(4, 5, seed=1)])
    images = np.random.default_rng(0).random((3, 7, 9, 2), "float32")
    crop = kerasflow.jit(lambda x: model(x, training=True))
    places = set()
    for _ in range(20):
        found = np.asarray(crop(images))
        fits = [
            (i, j)
            for i in range(4)
            for j in range(5)
            if np.array_equal(found, images[:, i : i + 4, j : j + 5])
        ]
        places |= {fits[0]} if len(fits) == 1 else set()
        assert len(fits) == 1
    assert len({i for i, _ in places}) > 1 and len({j for _, j in places}) > 1


def test_a_model_with_a_filter_of_random_size_trains():
    model = keras.Sequential(
        [
            keras.Input((12, 12, 1)),
            keras.layers.RandomElasticTransform(),
            keras.layers.RandomCrop(8, 8),
            keras.layers.Flatten(),
            keras.layers.Dense(1),
        ]
    )
    model.compile(keras.optimizers.SGD(0.01), "mse")
    images = np.random.default_rng(0).random((16, 12, 12, 1), "float32")
    losses = model.fit(images, np.ones((16, 1)), epochs=6, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
