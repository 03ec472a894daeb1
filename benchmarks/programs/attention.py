"""A transformer encoder (two blocks, width 64, four heads) over the tiles of 6,400 images of MNIST, in plain Keras."""

import keras
import numpy as np
from measure import Run, epoch_clock

WIDTH, HEADS = 64, 4
layers = keras.layers
run = Run(epochs=5, batch_size=64)


def tiles(images: np.ndarray) -> np.ndarray:
    """Images as 49 tokens, each a tile of 4 by 4 pixels."""
    x = images.reshape(-1, 7, 4, 7, 4).swapaxes(2, 3).reshape(-1, 49, 16).astype("float32")
    x /= 255
    return x


def block(x):
    """A pre-norm transformer block."""
    y = layers.LayerNormalization()(x)
    x = layers.Add()([x, layers.MultiHeadAttention(HEADS, WIDTH // HEADS)(y, y)])
    y = layers.LayerNormalization()(x)
    y = layers.Dense(2 * WIDTH, activation="gelu")(y)
    return layers.Add()([x, layers.Dense(WIDTH)(y)])


with np.load(run.data) as data:
    x_train, y_train = tiles(data["x_train"][:6400]), data["y_train"][:6400]
    x_test, y_test = tiles(data["x_test"]), data["y_test"]

keras.utils.set_random_seed(run.seed)
inputs = keras.Input((49, 16))
x = layers.Dense(WIDTH)(inputs)
for _ in range(2):
    x = block(x)
x = layers.GlobalAveragePooling1D()(layers.LayerNormalization()(x))
model = keras.Model(inputs, layers.Dense(10, activation="softmax")(x))
model.compile(
    optimizer=keras.optimizers.AdamW(1e-3), loss="sparse_categorical_crossentropy", metrics=["accuracy"]
)
model.fit(
    x_train,
    y_train,
    epochs=run.epochs,
    batch_size=run.batch_size,
    callbacks=[epoch_clock(keras, run)],
    verbose=0,
)
run.finish(*model.evaluate(x_test, y_test, batch_size=run.batch_size, verbose=0))
