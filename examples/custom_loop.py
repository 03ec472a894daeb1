"""A training loop of one's own: a tape, gradients, an optimizer, metrics; compiled with one line."""

import time

import kerasflow  # before keras
import keras
import numpy as np
from keras import layers

from kerasflow.datasets import mnist

keras.utils.set_random_seed(0)
(x_train, y_train), (x_test, y_test) = mnist.load_data()
x_train, x_test = (x.reshape(-1, 784).astype("float32") / 255 for x in (x_train, x_test))

model = keras.Sequential(
    [keras.Input((784,)), layers.Dense(256, activation="relu"), layers.Dropout(0.3), layers.Dense(10)]
)
optimizer = keras.optimizers.Adam()
loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
accuracy = keras.metrics.SparseCategoricalAccuracy()


@kerasflow.jit  # Without it the same runs step by step: good for looking at values.
def step(x, y):
    with kerasflow.GradientTape() as tape:
        logits = model(x, training=True)
        loss = loss_of(y, logits)
    gradients = tape.gradient(loss, model.trainable_variables)
    norm = sum(keras.ops.sum(g * g) for g in gradients) ** 0.5
    optimizer.apply([g / keras.ops.maximum(norm, 1.0) for g in gradients], model.trainable_variables)
    accuracy.update_state(y, logits)
    return loss


optimizer.build(model.trainable_variables)
for epoch in range(keras.config.max_epochs() or 3):
    begun, losses = time.perf_counter(), []
    order = np.random.default_rng(epoch).permutation(len(x_train))
    steps = keras.config.max_steps_per_epoch() or len(order) // 128
    for batch in order[: 128 * steps].reshape(steps, 128):
        losses.append(float(step(x_train[batch], y_train[batch])))
    print(
        f"epoch {epoch + 1}: loss {sum(losses) / len(losses):.4f}, accuracy {float(accuracy.result()):.4f}, "
        f"{time.perf_counter() - begun:.1f} s"
    )
    accuracy.reset_state()

read = model.predict(x_test, batch_size=500, verbose=0).argmax(axis=1)
print(f"test accuracy {(read == y_test).mean():.4f}")
