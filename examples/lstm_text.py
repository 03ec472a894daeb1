"""Text classification with an LSTM: is a line of a Python file code or prose?

The data are Python's own standard library: lines of code, and lines of its docstrings and comments.
"""

import argparse
import io
import sysconfig
import tokenize
from pathlib import Path

import kerasflow  # noqa: F401  (before keras)
import keras
import numpy as np
from keras import layers


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--plot", metavar="FILE", help="draw lines that it has not seen into this picture")
options = parser.parse_args()


def lines_of(path):
    """The lines of a file with more than ten letters, and for each whether it is prose."""
    source = path.read_text(encoding="utf-8")
    prose = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT and token.line.lstrip().startswith("#"):
            prose.add(token.start[0])
        elif token.type == tokenize.STRING and token.line.lstrip().startswith(('"""', "'''", 'r"""')):
            prose.update(range(token.start[0], token.end[0] + 1))
    for number, line in enumerate(source.splitlines(), 1):
        text = line.strip().strip("#\"' ")  # What marks prose would give it away.
        if sum(map(str.isalpha, text)) > 10:
            yield text, number in prose


folder = Path(sysconfig.get_paths()["stdlib"])
names = (
    "argparse ast calendar configparser datetime difflib doctest enum functools inspect optparse pathlib pdb pickle "
    "pydoc shutil statistics subprocess tarfile textwrap typing"
).split()
files = [folder / f"{name}.py" for name in names]
pairs = [pair for file in files if file.exists() for pair in lines_of(file)]
texts = np.array([text[:64] for text, _ in pairs])
labels = np.array([label for _, label in pairs], "float32")
print(f"{len(texts)} lines, {labels.mean():.0%} of them prose")

keras.utils.set_random_seed(0)
order = np.random.default_rng(0).permutation(len(texts))
texts, labels = texts[order], labels[order]
letters = layers.TextVectorization(split="character", standardize=None, output_sequence_length=64)
letters.adapt(texts)
x = np.asarray(letters(texts))

model = keras.Sequential(
    [
        keras.Input((64,), dtype="int32"),
        layers.Embedding(letters.vocabulary_size(), 16, mask_zero=True),
        layers.Bidirectional(layers.LSTM(32)),
        layers.Dense(1, activation="sigmoid"),
    ]
)
model.compile(optimizer=keras.optimizers.Adam(3e-3), loss="binary_crossentropy", metrics=["accuracy"])
model.fit(x, labels, batch_size=128, epochs=4, validation_split=0.1)  # the last tenth is not learned from

for line in ["for key in sorted(table):", "The result is a list of all keys.", "return self._name"]:
    score = float(model.predict(np.asarray(letters([line])), verbose=0)[0, 0])
    print(f"{score:5.0%} prose: {line}")

if options.plot:
    import matplotlib.pyplot as plt

    colours = np.where(labels[-16:] > 0, "tab:orange", "tab:blue")
    figure, axes = plt.subplots(figsize=(9, 3.6), layout="constrained")
    axes.barh(range(16), model.predict(x[-16:], verbose=0)[:, 0], color=colours, alpha=0.6)
    axes.set(xlim=(0, 1), xlabel="probability that the line is prose (it is: orange; it is code: blue)")
    axes.set_yticks(range(16), texts[-16:], family="monospace", fontsize=7, parse_math=False)
    figure.savefig(options.plot, dpi=100)
