"""The MNIST workflow in plain Keras: it knows nothing of what runs it."""

import keras
import numpy as np
from measure import Run, epoch_clock

run = Run()


def pixels(images: np.ndarray) -> np.ndarray:
    """Images as rows of numbers from 0 to 1, scaled in place: a second copy would hide what the engine needs."""
    x = images.reshape(-1, 784).astype("float32")
    x /= 255
    return x


with np.load(run.data) as data:
    x_train, x_test = pixels(data["x_train"]), pixels(data["x_test"])
    y_train, y_test = (keras.utils.to_categorical(data[name], 10) for name in ("y_train", "y_test"))

keras.utils.set_random_seed(run.seed)
model = keras.Sequential(
    [
        keras.Input((784,)),
        keras.layers.Dense(512, activation="relu"),
        keras.layers.Dropout(0.5),
        keras.layers.Dense(10, activation="softmax"),
    ]
)
model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
model.fit(
    x_train[1000:],
    y_train[1000:],
    epochs=run.epochs,
    batch_size=run.batch_size,
    validation_data=(x_train[:1000], y_train[:1000]),
    callbacks=[epoch_clock(keras, run)],
    verbose=0,
)
run.finish(*model.evaluate(x_test, y_test, batch_size=run.batch_size, verbose=0))
