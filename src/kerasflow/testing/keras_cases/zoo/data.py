"""The data of the zoo: rendered images, sentences of a small grammar, sequences, expressions, points.

Drawn by NumPy alone, from fixed seeds, so that every engine gets the same.
"""

import functools
import runpy
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray


def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


# -- images -------------------------------------------------------------------------------------------------


@functools.cache
def digits(train: int, test: int, side: int = 28) -> tuple[Array, Array, Array, Array]:
    """Handwritten-looking digits: images float32 (n, side, side, 1) from 0 to 1, labels int32 (n,).

    The stand-in for MNIST that kerasflow draws; its file is loaded without the package, which stock Keras must not see.
    """
    file = Path(__file__).parents[3] / "datasets" / "standin.py"
    load_data = runpy.run_path(str(file))["load_data"]
    (x, y), (x_test, y_test) = load_data(train, test)
    return _pixels(x, side), y.astype("int32"), _pixels(x_test, side), y_test.astype("int32")


def _pixels(images: Array, side: int) -> Array:
    """Scaled to 0..1, and made smaller by averaging whole blocks."""
    n, k = len(images), 28 // side
    blocks = images.reshape(n, side, k, side, k).astype("float32")
    return blocks.mean(axis=(2, 4))[..., None] / np.float32(255)


def coloured(images: Array, seed: int) -> Array:
    """Grey images (n, h, w, 1) in ink of a random light colour on paper of a random dark one: (n, h, w, 3)."""
    ink, paper = rng(seed).random((2, len(images), 1, 1, 3)).astype("float32")
    return images * (1 + ink) / 2 + (1 - images) * paper / 2


def shapes(n: int, seed: int, side: int = 24) -> tuple[Array, Array]:
    """Discs and crosses of the same grey on noise: images (n, side, side, 1), and of each pixel its class.

    The classes are 0 paper, 1 disc, 2 cross: a pixel's grey does not tell a disc from a cross, what is around it does.
    """
    random = rng(seed)
    y, x = np.mgrid[:side, :side]
    masks = np.zeros((n, side, side), "int32")
    for kind in (1, 2):
        row, column = random.uniform(4, side - 4, (2, n, 1, 1))
        radius = random.uniform(3.5, 5.5, (n, 1, 1))
        across, down = np.abs(x - column), np.abs(y - row)
        cross = (np.minimum(across, down) < radius / 3) & (np.maximum(across, down) < radius)
        masks = np.where(
            (across**2 + down**2 < radius**2 if kind == 1 else cross) & (masks == 0), kind, masks
        )
    images = 0.7 * (masks > 0) + random.normal(0.1, 0.1, masks.shape)
    return images.astype("float32")[..., None], masks


def pairs(images: Array, labels: Array, n: int, seed: int) -> tuple[list[Array], Array]:
    """Pairs of images, and whether both show the same digit; half of them do."""
    random = rng(seed)
    first = random.integers(0, len(images), n)
    same = np.arange(n) % 2
    second = np.empty(n, int)
    for i in range(n):
        others = np.flatnonzero((labels == labels[first[i]]) == bool(same[i]))
        second[i] = random.choice(others)
    return [images[first], images[second]], same.astype("float32")[:, None]


# -- sequences ----------------------------------------------------------------------------------------------

DETERMINER, ADJECTIVE, NOUN, VERB, ADVERB, PREPOSITION = range(6)
# Of each class of words those that belong to it alone; then words that are nouns as well as verbs, and so on.
WORDS = {DETERMINER: 3, ADJECTIVE: 6, NOUN: 6, VERB: 6, ADVERB: 4, PREPOSITION: 3}
AMBIGUOUS = {(NOUN, VERB): 12, (ADJECTIVE, ADVERB): 6, (ADJECTIVE, NOUN): 6}
VOCABULARY = 1 + sum(WORDS.values()) + sum(AMBIGUOUS.values())


def _lexicon() -> dict[int, Array]:
    """The words (numbers from 1) of each class."""
    found: dict[int, list[int]] = {tag: [] for tag in WORDS}
    word = 0
    for tags, count in [*(((tag,), count) for tag, count in WORDS.items()), *AMBIGUOUS.items()]:
        for _ in range(count):
            word += 1
            for tag in tags:
                found[tag].append(word)
    return {tag: np.array(words) for tag, words in found.items()}


def sentences(n: int, seed: int, length: int = 16) -> tuple[Array, Array]:
    """Sentences and the class of each word: int32 (n, length), words from 1, padded at the end with 0.

    Most words belong to two classes; which, the words before and after say.
    """
    random, lexicon = rng(seed), _lexicon()

    def noun_phrase() -> list[int]:
        return [DETERMINER] * (random.random() < 0.6) + [ADJECTIVE] * random.integers(0, 3) + [NOUN]

    words, tags = np.zeros((2, n, length), "int32")
    for i in range(n):
        sentence = noun_phrase() + [ADVERB] * (random.random() < 0.4) + [VERB]
        sentence += noun_phrase() if random.random() < 0.7 else [ADVERB]
        if random.random() < 0.5:
            sentence += [PREPOSITION, *noun_phrase()]
        k = min(len(sentence), length)
        tags[i, :k] = sentence[:k]
        words[i, :k] = [random.choice(lexicon[tag]) for tag in sentence[:k]]
    return words, tags


def reversals(n: int, seed: int, length: int = 5, symbols: int = 8) -> tuple[list[Array], Array]:
    """Sequences of symbols from 1, and the same backwards.

    Returns `[sequence, shifted], reversed`, int32 (n, length) each; `shifted` is what a decoder has written before each
    symbol of the result: 0, then the result.
    """
    x = rng(seed).integers(1, symbols + 1, (n, length)).astype("int32")
    y = x[:, ::-1].copy()
    return [x, np.pad(y, ((0, 0), (1, 0)))[:, :-1]], y


def counted(n: int, seed: int, length: int = 12, symbols: int = 6) -> tuple[Array, Array]:
    """Sequences of symbols from 1, padded with 0, and at each place how often its symbol occurs: int32 (n, length)."""
    random = rng(seed)
    x = random.integers(1, symbols + 1, (n, length)).astype("int32")
    x[np.arange(length) >= random.integers(length // 2, length + 1, (n, 1))] = 0
    return x, ((x[:, :, None] == x[:, None, :]).sum(-1) * (x > 0)).astype("int32")


# -- trees and points ---------------------------------------------------------------------------------------

OPERATORS: tuple[Any, ...] = (np.maximum, np.minimum, lambda a, b: a, lambda a, b: b)


def expressions(n: int, seed: int, depth: int = 3, numbers: int = 5) -> tuple[Array, Array]:
    """Binary expressions of maximum, minimum, "the left one" and "the right one", and their values.

    A tree is a heap: the children of node i are the nodes 2i + 1 and 2i + 2. A token is a number below `numbers`, an
    operator (`numbers` + its index), or -1 where the tree has no node.

    Returns:
        tokens int32 (n, 2**(depth + 1) - 1), values int32 (n,).
    """
    random = rng(seed)
    size, inner = 2 ** (depth + 1) - 1, 2**depth - 1
    leaves = random.integers(0, numbers, (n, size))
    operators = random.integers(0, len(OPERATORS), (n, size))
    is_operator = (np.arange(size) < inner) & (random.random((n, size)) < 0.8)
    is_operator[:, 0] = True
    there = np.ones((n, size), bool)
    for i in range(1, size):
        there[:, i] = there[:, (i - 1) // 2] & is_operator[:, (i - 1) // 2]
    tokens = np.where(there, np.where(is_operator, numbers + operators, leaves), -1)
    values = leaves.copy()
    for i in reversed(range(inner)):
        left, right = values[:, 2 * i + 1], values[:, 2 * i + 2]
        results = np.stack([operator(left, right) for operator in OPERATORS])
        values[:, i] = np.where(is_operator[:, i], results[operators[:, i], np.arange(n)], leaves[:, i])
    return tokens.astype("int32"), values[:, 0].astype("int32")


def ring(n: int, seed: int, modes: int = 8) -> Array:
    """Points in as many heaps on a circle: float32 (n, 2)."""
    random = rng(seed)
    angle = 2 * np.pi * random.integers(0, modes, n) / modes
    return (np.stack([np.cos(angle), np.sin(angle)], -1) + random.normal(0, 0.05, (n, 2))).astype("float32")
