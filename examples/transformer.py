"""A transformer that writes: letter by letter it continues a text in the manner of Python's documentation.

The text that it learns from comes with Python: the pages behind `help("for")`, half a million letters.
"""

import argparse
import pydoc_data.topics
import textwrap

import kerasflow  # noqa: F401  (before keras)
import keras
import numpy as np
from keras import layers, ops

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--plot", metavar="FILE", help="draw what it wrote into this picture")
options = parser.parse_args()

CONTEXT, WIDTH, LENGTH = 64, 64, 560
text = "".join(filter(str.isascii, "\n".join(pydoc_data.topics.topics.values())))
text = " ".join(text.split())  # one long line
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


x, y = windows(codes[:split], 8)
model.compile(
    keras.optimizers.AdamW(keras.optimizers.schedules.CosineDecay(3e-3, 2 * len(x) // 32)),
    keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    metrics=["accuracy"],
)
model.fit(x, y, batch_size=32, epochs=2, validation_data=windows(codes[split:], CONTEXT), verbose=2)

rng = np.random.default_rng(0)
written, sure = list(np.searchsorted(letters, list("The statement "))), []
while len(written) < LENGTH:
    last = written[-CONTEXT:]
    window = np.array([last + [0] * (CONTEXT - len(last))], "int32")  # what comes later is not looked at
    chances = np.exp(model.predict_on_batch(window)[0, len(last) - 1] / 0.5)  # 0.5: bolder than it is
    chances /= chances.sum()
    written.append(rng.choice(len(letters), p=chances))
    sure.append(chances[written[-1]])
lines = textwrap.wrap("".join(letters[code] for code in written), 80, break_on_hyphens=False)
print(*lines, sep="\n")

if options.plot:
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(9, 2))
    chances = iter([1] * (len(written) - len(sure)) + sure)
    for row, line in enumerate(lines):
        for column, (letter, chance) in enumerate(zip(line + " ", chances, strict=False)):
            place = 0.01 + 0.0122 * column, 0.88 - 0.12 * row
            figure.text(*place, letter, family="monospace", color=plt.cm.plasma(0.8 * (1 - chance)))
    figure.savefig(options.plot, dpi=100)
