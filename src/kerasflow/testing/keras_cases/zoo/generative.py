"""Networks with a training step of their own: a variational autoencoder, and a Wasserstein GAN with gradient penalty.

Both draw random numbers in the step. For comparisons between engines, whose random numbers differ, the numbers can
come with the data instead (`exact`).
"""

from typing import Any

import keras
import numpy as np
from keras import ops

from . import data
from .task import Task, gradient_tape

L = keras.layers


class Pair(keras.Model):
    """A model of two networks, which a file has to be told of: the names of the arguments that they are."""

    networks: tuple[str, str]

    def get_config(self) -> dict[str, Any]:
        networks = {name: keras.saving.serialize_keras_object(getattr(self, name)) for name in self.networks}
        return {**super().get_config(), **networks}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        networks = {
            name: keras.saving.deserialize_keras_object(config[name], custom_objects) for name in cls.networks
        }
        return cls(**{**config, **networks})


@keras.saving.register_keras_serializable("zoo")
class VariationalAutoencoder(Pair):
    """Learns codes of images, and to draw an image from a code (Kingma and Welling 2013)."""

    networks = ("encoder", "decoder")

    def __init__(self, encoder: Any, decoder: Any, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.encoder, self.decoder = encoder, decoder
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.trackers = {name: keras.metrics.Mean(name) for name in ("loss", "likelihood", "divergence")}

    @property
    def metrics(self) -> list[Any]:
        return list(self.trackers.values())

    def call(self, images: Any) -> Any:
        """The images drawn from the middle of what their codes may be."""
        mean, _ = ops.split(self.encoder(images), 2, axis=-1)
        return ops.sigmoid(self.decoder(mean))

    def train_step(self, batch: Any) -> dict[str, Any]:
        x, _, _ = keras.utils.unpack_x_y_sample_weight(batch)
        images, noise = x if isinstance(x, (tuple, list)) else (x, None)
        with gradient_tape() as tape:
            mean, log_variance = ops.split(self.encoder(images), 2, axis=-1)
            if noise is None:
                noise = keras.random.normal(ops.shape(mean), seed=self.seed_generator)
            logits = self.decoder(mean + ops.exp(log_variance / 2) * noise)
            wrong = ops.binary_crossentropy(images, logits, from_logits=True)
            likelihood = ops.mean(ops.sum(wrong, axis=(1, 2, 3)))
            divergence = -ops.mean(
                ops.sum(1 + log_variance - ops.square(mean) - ops.exp(log_variance), axis=-1) / 2
            )
            loss = likelihood + divergence
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply(gradients, self.trainable_variables)
        for tracker, value in zip(self.metrics, (loss, likelihood, divergence), strict=True):
            tracker.update_state(value)
        return {name: tracker.result() for name, tracker in self.trackers.items()}


def variational_autoencoder(exact: bool = False) -> Task:
    """Digits from eight numbers each. The score is the share of the pixels' variance that the drawn images explain."""
    size = 8
    encoder = keras.Sequential(
        [L.Input((14, 14, 1)), L.Flatten(), L.Dense(128, activation="relu"), L.Dense(2 * size)]
    )
    decoder = keras.Sequential(
        [L.Input((size,)), L.Dense(128, activation="relu"), L.Dense(196), L.Reshape((14, 14, 1))]
    )
    model = VariationalAutoencoder(encoder, decoder)
    model.compile(keras.optimizers.Adam(3e-3), jit_compile=False)
    images, _, test, _ = data.digits(2000, 500, 14)

    def score(model: Any) -> float:
        unexplained = np.square(model.predict(test, verbose=0) - test).sum()
        return float(1 - unexplained / np.square(test - images.mean(0)).sum())

    noise = data.rng(3).standard_normal((len(images), size)).astype("float32")
    train = ([images, noise],) if exact else (images,)
    return Task(model, train, score, pass_mark=0.4, blind=0.0, epochs=10)


@keras.saving.register_keras_serializable("zoo")
class WassersteinGAN(Pair):
    """A generator against a critic whose slope is held to one (Gulrajani et al. 2017).

    The critic's loss contains the gradient of its output with respect to its input, so that training it takes second
    derivatives.
    """

    critic_steps = 3
    penalty = 1.0

    networks = ("generator", "critic")

    def __init__(self, generator: Any, critic: Any, size: int, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.generator, self.critic, self.size = generator, critic, size
        self.seed_generator = keras.random.SeedGenerator(seed)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "size": self.size}

    def compile(self, generator_optimizer: Any, critic_optimizer: Any) -> None:
        super().compile(generator_optimizer, jit_compile=False)
        self.critic_optimizer = critic_optimizer
        # A file brings back the state of an optimizer that has been built, and for the variables that it was built for.
        generator_optimizer.build(self.generator.trainable_variables)
        critic_optimizer.build(self.critic.trainable_variables)

    def get_compile_config(self) -> dict[str, Any]:
        optimizers = (self.optimizer, self.critic_optimizer)
        return {"optimizers": [keras.saving.serialize_keras_object(optimizer) for optimizer in optimizers]}

    def compile_from_config(self, config: dict[str, Any]) -> None:
        self.compile(*(keras.saving.deserialize_keras_object(c) for c in config["optimizers"]))

    def call(self, codes: Any) -> Any:
        return self.generator(codes)

    def train_step(self, batch: Any) -> dict[str, Any]:
        x, _, _ = keras.utils.unpack_x_y_sample_weight(batch)
        real, codes, shares = x if isinstance(x, (tuple, list)) else (x, *self.draw(ops.shape(x)[0]))
        for i in range(self.critic_steps):
            loss = self.train_critic(real, codes[:, i], shares[:, i])
        weights = self.generator.trainable_variables
        with gradient_tape() as tape:
            generator_loss = -ops.mean(self.critic(self.generator(codes[:, -1])))
        self.optimizer.apply(tape.gradient(generator_loss, weights), weights)
        return {"loss": loss, "generator_loss": generator_loss}

    def draw(self, n: Any) -> tuple[Any, Any]:
        """Codes (n, critic steps + 1, size), and how much of a real point is in each mixture, (n, critic steps, 1)."""
        codes = keras.random.normal((n, self.critic_steps + 1, self.size), seed=self.seed_generator)
        return codes, keras.random.uniform((n, self.critic_steps, 1), seed=self.seed_generator)

    def train_critic(self, real: Any, codes: Any, shares: Any) -> Any:
        weights = self.critic.trainable_variables
        fake = self.generator(codes)
        mixed = shares * real + (1 - shares) * fake
        with gradient_tape() as tape:
            with gradient_tape() as inner:
                inner.watch(mixed)
                judged = self.critic(mixed)
            slope = inner.gradient(judged, mixed)
            steepness = ops.sqrt(ops.sum(ops.square(slope), axis=-1) + 1e-12)
            loss = ops.mean(self.critic(fake)) - ops.mean(self.critic(real))
            loss += self.penalty * ops.mean(ops.square(steepness - 1))
        self.critic_optimizer.apply(tape.gradient(loss, weights), weights)
        return loss


def wasserstein_gan(exact: bool = False) -> Task:
    """Points on a circle, in heaps.

    The score compares the energy distance of the generated points from real ones with that of a normal distribution
    with the mean and covariance of the real ones: 0 is as bad as that, 1 is perfect.
    """
    size = 4
    generator = keras.Sequential(
        [L.Input((size,)), L.Dense(64, activation="relu"), L.Dense(64, activation="relu"), L.Dense(2)]
    )
    critic = keras.Sequential([L.Input((2,))])
    for _ in range(2):
        critic.add(L.Dense(64))
        critic.add(L.LeakyReLU(0.25))
    critic.add(L.Dense(1))
    model = WassersteinGAN(generator, critic, size)
    n, epochs, batch_size = 2560, 30, 64
    steps = epochs * n // batch_size
    rates: list[Any] = [3e-3, 3e-3]
    if not exact:  # TensorFlow computes a schedule in float32 whatever the model's dtype
        rates = [keras.optimizers.schedules.CosineDecay(3e-3, k * steps) for k in (1, model.critic_steps)]
    model.compile(*(keras.optimizers.Adam(rate, beta_1=0.5, beta_2=0.9) for rate in rates))
    points, test, random = data.ring(n, 1), data.ring(600, 2), data.rng(3)
    smooth = random.multivariate_normal(test.mean(0), np.cov(test.T), len(test))
    codes = random.standard_normal((len(test), size)).astype("float32")

    def score(model: Any) -> float:
        return 1 - energy_distance(model.predict(codes, verbose=0), test) / energy_distance(smooth, test)

    noise = random.standard_normal((n, model.critic_steps + 1, size)).astype("float32")
    shares = random.random((n, model.critic_steps, 1), "float32")
    train = ([points, noise, shares],) if exact else (points,)
    return Task(model, train, score, pass_mark=0.6, blind=0.0, epochs=epochs, batch_size=batch_size)


def energy_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Of two samples of points (Székely and Rizzo 2013): 0 if they are distributed alike."""

    def apart(x: np.ndarray, y: np.ndarray) -> float:
        return float(np.linalg.norm(x[:, None] - y[None], axis=-1).mean())

    return 2 * apart(a, b) - apart(a, a) - apart(b, b)
