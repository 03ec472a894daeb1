"""Handwritten digits: the tutorial's program, with `kerasflow` where it says `keras`.

With `from keras …` in the three imports it runs unchanged too: `python -m kerasflow mnist.py`.
"""

from kerasflow.utils import to_categorical

from kerasflow import layers, models
from kerasflow.datasets import mnist

(train_images, train_labels), (test_images, test_labels) = mnist.load_data()

train_images = train_images.reshape((60000, 28 * 28)).astype("float32") / 255
test_images = test_images.reshape((10000, 28 * 28)).astype("float32") / 255
train_labels = to_categorical(train_labels)
test_labels = to_categorical(test_labels)

x_val, partial_x_train = train_images[:1000], train_images[1000:]
y_val, partial_y_train = train_labels[:1000], train_labels[1000:]

model = models.Sequential()
model.add(layers.Dense(512, activation="relu", input_shape=(28 * 28,)))
model.add(layers.Dropout(0.5))
model.add(layers.Dense(10, activation="softmax"))
model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])

history = model.fit(
    partial_x_train, partial_y_train, epochs=20, batch_size=128, validation_data=(x_val, y_val)
)
print("validation accuracy by epoch:", [round(x, 4) for x in history.history["val_accuracy"]])

test_loss, test_acc = model.evaluate(test_images, test_labels)
print(f"test loss {test_loss:.4f}, test accuracy {test_acc:.4f}")

digits = model.predict(test_images[:10]).argmax(axis=1)
print("read:", *digits, "  right:", *test_labels[:10].argmax(axis=1))
