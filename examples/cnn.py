"""A small convolutional network on handwritten digits."""

import kerasflow  # before keras
import keras
import numpy as np
from keras import layers

from kerasflow.datasets import mnist

keras.utils.set_random_seed(0)
(x_train, y_train), (x_test, y_test) = mnist.load_data()
x_train, x_test = (x[..., None].astype("float32") / 255 for x in (x_train, x_test))

model = keras.Sequential(
    [
        keras.Input((28, 28, 1)),
        layers.Conv2D(16, 3, activation="relu"),
        layers.MaxPooling2D(),
        layers.Conv2D(32, 3, activation="relu"),
        layers.MaxPooling2D(),
        layers.Flatten(),
        layers.Dropout(0.3),
        layers.Dense(10, activation="softmax"),
    ]
)
model.summary()
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(
    x_train,
    y_train,
    batch_size=128,
    epochs=3,
    validation_split=0.1,
    callbacks=[keras.callbacks.EarlyStopping(patience=2, restore_best_weights=True)],
)
loss, accuracy = model.evaluate(x_test, y_test, batch_size=500, verbose=0)
print(f"backend {kerasflow.backend()}: test loss {loss:.4f}, test accuracy {accuracy:.4f}")

confusion = np.zeros((10, 10), int)
np.add.at(confusion, (y_test, model.predict(x_test, batch_size=500, verbose=0).argmax(axis=1)), 1)
print("rows: right, columns: read\n", confusion)
