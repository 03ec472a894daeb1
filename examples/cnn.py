"""A small convolutional network on handwritten digits."""

import argparse

import kerasflow  # before keras
import keras
import numpy as np
from keras import layers

from kerasflow.datasets import mnist

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--plot", metavar="FILE", help="draw what it misread into this picture")
options = parser.parse_args()

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

probabilities = model.predict(x_test, batch_size=500, verbose=0)
read = probabilities.argmax(axis=1)
confusion = np.zeros((10, 10), int)
np.add.at(confusion, (y_test, read), 1)
print("rows: right, columns: read\n", confusion)

if options.plot:
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(9, 3.4), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(1, 2))
    axes = left.subplots()
    axes.imshow(confusion**0.3, cmap="Blues")  # rare mistakes are seen, too
    axes.set(xlabel="read", ylabel="right", xticks=range(10), yticks=range(10))
    wrong = np.flatnonzero(read != y_test)
    surest = wrong[np.argsort(-probabilities[wrong].max(axis=1))]
    right.suptitle(f"accuracy {accuracy:.1%}; the mistakes it was surest of")
    for axes, i in zip(right.subplots(3, 7).flat, surest, strict=False):
        axes.imshow(x_test[i, ..., 0], cmap="gray_r")
        axes.set_title(f"{y_test[i]}, read {read[i]}", fontsize=8)
        axes.axis("off")
    figure.savefig(options.plot, dpi=100)
