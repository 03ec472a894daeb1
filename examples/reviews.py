"""A classifier of film reviews that takes raw strings: the vocabulary is learned, saved and exported with the model.

The reviews are made here, by a small grammar: nothing is downloaded, and what a network can learn of them is little.
One in ten clauses says the opposite of its review, so that nobody, knowing the grammar, is always right.
"""

import argparse
import importlib.util
import random
import tempfile
from pathlib import Path

import kerasflow
import keras
import numpy as np
from keras import layers


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--save", metavar="FOLDER", help="keep the model here, as Keras's file and as Python")
options = parser.parse_args()

NOUNS = "film plot cast music ending dialogue hero villain first half|last scene camera work".split()
PRAISE = "good great moving clever funny wonderful gripping fine beautiful".split()
BLAME = "bad boring dull stupid tedious awful predictable poor ugly".split()
CLAUSES = ["The {noun} was {word}", "the {noun}: {word}", "{word}, this {noun}", "I found the {noun} {word}"]
DENIALS = ["The {noun} was not {word}", "the {noun} was never {word}", "I did not find the {noun} {word}"]
draw = random.Random(0)


def clause(good):
    """A clause that says so, in one word of three by denying the opposite."""
    denied = draw.random() < 1 / 3
    words = PRAISE if good != denied else BLAME
    text = draw.choice(DENIALS if denied else CLAUSES)
    return text.format(noun=draw.choice(NOUNS).replace("|", " "), word=draw.choice(words))


def review(good):
    clauses = [clause(good if draw.random() < 0.9 else not good) for _ in range(draw.randint(2, 5))]
    return draw.choice([". ", "! ", ", and ", " ... "]).join(clauses) + draw.choice([".", "!", "?", ""])


labels = np.array([draw.random() < 0.5 for _ in range(4000)])
texts = np.array([review(good) for good in labels])
print(f"{len(texts)} reviews, for example: {texts[0]}")

keras.utils.set_random_seed(0)
words = layers.TextVectorization(output_sequence_length=40)
words.adapt(texts[:3000])
model = keras.Sequential(
    [
        keras.Input((), dtype="string"),
        words,
        layers.Embedding(words.vocabulary_size(), 16),
        layers.Conv1D(32, 4, activation="relu"),  # sees "was not dull" at once
        layers.GlobalAveragePooling1D(),
        layers.Dense(1, activation="sigmoid"),
    ]
)
model.compile(optimizer=keras.optimizers.Adam(3e-3), loss="binary_crossentropy", metrics=["accuracy"])
model.fit(texts[:3000], labels[:3000], epochs=6, verbose=2)
print(f"accuracy on new reviews: {model.evaluate(texts[3000:], labels[3000:], verbose=0)[1]:.3f}")

new = np.array(["A WONDERFUL film!", "The music was good, the plot was not.", "never boring", "dull", "???"])
scores = model.predict(new, verbose=0)[:, 0]
for text, score in zip(new, scores, strict=True):
    print(f"{score:5.0%} good: {text}")

with tempfile.TemporaryDirectory() as scratch:
    folder = Path(options.save or scratch)
    model.save(folder / "reviews.keras")  # the vocabulary with it; stock Keras on TensorFlow reads it too
    again = keras.saving.load_model(folder / "reviews.keras")
    assert np.array_equal(again.predict(new, verbose=0)[:, 0], scores)
    kerasflow.export_numpy(model, folder / "reviews.py", embed=True)  # needs NumPy alone
    spec = importlib.util.spec_from_file_location("reviews", folder / "reviews.py")
    exported = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(exported)
    print(f"exported: {np.abs(exported.predict(new)[:, 0] - scores).max():.0e} apart")
