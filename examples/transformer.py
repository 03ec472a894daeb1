"""A transformer that writes: letter by letter it continues a text in the manner of Python's documentation.

The text that it learns from comes with Python: the pages behind `help("for")`, half a million letters.
"""

import argparse
import pydoc_data.topics

import kerasflow  # noqa: F401  (before keras)
import keras
import numpy as np
from keras import layers, ops

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--plot", metavar="FILE", help="draw what it wrote into this picture")
options = parser.parse_args()

CONTEXT, WIDTH, LENGTH = 64, 64, 560
text = "".join(filter(str.isascii, "\n".join(pydoc_data.topics.topics.values())))
letters = sorted(set(text))
codes = np.searchsorted(letters, list(text)).astype("int32")
split = int(0.95 * len(codes))

keras.utils.set_random_seed(0)
seen = keras.Input((CONTEXT,), dtype="int32")
x = layers.Embedding(len(letters), WIDTH)(seen) + layers.Embedding(CONTEXT, WIDTH)(ops.arange(CONTEXT))
for _ in range(2):
    y = layers.LayerNormalization()(x)
    x = x + layers.MultiHeadAttention(4, WIDTH // 4)(y, y, use_causal_mask=True)
    y = layers.LayerNormalization()(x)
    x = x + layers.Dense(WIDTH)(layers.Dense(4 * WIDTH, activation="gelu")(y))
model = keras.Model(seen, layers.Dense(len(letters))(layers.LayerNormalization()(x)))


def windows(part, every):
    """Stretches of a text, and for each letter of them the next one."""
    starts = np.arange(0, len(part) - CONTEXT, every)[:, None] + np.arange(CONTEXT)
    return part[starts], part[starts + 1]


model.compile(
    keras.optimizers.AdamW(keras.optimizers.schedules.CosineDecay(3e-3, 2 * 1724)),
    keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
model.fit(
    *windows(codes[:split], 8),
    batch_size=32,
    epochs=2,
    validation_data=windows(codes[split:], CONTEXT),
    verbose=2,
)

rng = np.random.default_rng(0)
written, sure = list(np.searchsorted(letters, list("The statement "))), []
while len(written) < LENGTH:
    last = written[-CONTEXT:]
    window = np.array([last + [0] * (CONTEXT - len(last))], "int32")  # what comes later is not looked at
    chances = np.exp(model.predict_on_batch(window)[0, len(last) - 1] / 0.6)  # 0.6: bolder than it is
    chances /= chances.sum()
    written.append(rng.choice(len(letters), p=chances))
    sure.append(chances[written[-1]])
print("".join(letters[code] for code in written))

if options.plot:
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(9, 3))
    row, column = 0, 0
    for code, chance in zip(written, [1] * (len(written) - len(sure)) + sure, strict=True):
        if letters[code] == "\n" or column == 80:
            row, column = row + 1, 0
        place = 0.01 + column * 0.0122, 0.92 - row * 0.085
        figure.text(*place, letters[code].strip(), family="monospace", color=plt.cm.RdYlBu(chance))
        column += letters[code] != "\n"
    figure.savefig(options.plot, dpi=100)
