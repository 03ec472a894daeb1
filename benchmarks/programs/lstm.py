"""An LSTM that reads 12,800 images of MNIST row by row, in plain Keras."""

import keras
import numpy as np
from measure import Run, epoch_clock

run = Run(epochs=5)
with np.load(run.data) as data:
    x_train, y_train = data["x_train"][:12800].astype("float32"), data["y_train"][:12800]
    x_test, y_test = data["x_test"].astype("float32"), data["y_test"]
x_train /= 255
x_test /= 255

keras.utils.set_random_seed(run.seed)
model = keras.Sequential(
    [
        keras.Input((28, 28)),
        keras.layers.LSTM(128),
        keras.layers.Dense(10, activation="softmax"),
    ]
)
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(
    x_train,
    y_train,
    epochs=run.epochs,
    batch_size=run.batch_size,
    callbacks=[epoch_clock(keras, run)],
    verbose=0,
)
run.finish(*model.evaluate(x_test, y_test, batch_size=run.batch_size, verbose=0))
