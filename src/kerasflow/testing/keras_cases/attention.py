"""Attention layers: value, scores, gradients; masks of every kind."""

import keras
import numpy as np

from .case import Case, normal
from .layer_use import Use, use_cases

L = keras.layers

QUERY, VALUE, KEY = normal(2, 5, 6), normal(2, 7, 6, seed=1), normal(2, 7, 6, seed=2)
QVK = (QUERY, VALUE, KEY)
SEEN = np.array([[True] * 5 + [False] * 2, [True] * 7])
ASKED = np.array([[True] * 4 + [False], [True] * 5])
PAIRS = np.abs(normal(2, 5, 7, seed=3)) < 1.2
PAIRS[:, :, 0] = True  # each query sees something
IMAGES = normal(2, 3, 4, 6)


class Split(keras.layers.Layer):
    """Calls a layer with the elements of its list of inputs as arguments."""

    def __init__(self, layer: keras.layers.Layer) -> None:
        super().__init__()
        self.layer = layer

    def call(self, inputs, **kwargs):  # type: ignore[no-untyped-def]
        return self.layer(*inputs, **kwargs)


def heads(**kwargs) -> Split:  # type: ignore[no-untyped-def]
    return Split(L.MultiHeadAttention(**{"num_heads": 2, "key_dim": 3} | kwargs))


def grouped(**kwargs) -> Split:  # type: ignore[no-untyped-def]
    return Split(
        L.GroupQueryAttention(**{"head_dim": 3, "num_query_heads": 4, "num_key_value_heads": 2} | kwargs)
    )


CAUSAL = (("use_causal_mask", True),)
KNOWN = (("query_mask", ASKED), ("value_mask", SEEN))

USES: dict[str, dict[str, Use]] = {
    "Attention": {
        "": Use(L.Attention, QVK),
        "scaled": Use(lambda: L.Attention(use_scale=True), (QUERY, VALUE)),
        "concat": Use(
            lambda: L.Attention(score_mode="concat", use_scale=True),
            QVK,
            vanishing=("gradient of input 0",),
        ),
        "masked": Use(L.Attention, QVK, call=(("mask", [ASKED, SEEN, SEEN]),)),
        "causal": Use(L.Attention, QVK, call=CAUSAL),
        "dropout": Use(lambda: L.Attention(dropout=0.3), QVK, random=True),
    },
    "AdditiveAttention": {
        "": Use(L.AdditiveAttention, QVK),
        "plain, masked": Use(
            lambda: L.AdditiveAttention(use_scale=False), QVK, call=(("mask", [ASKED, SEEN, SEEN]),)
        ),
    },
    "MultiHeadAttention": {
        # The bias of the keys moves all scores alike, which changes nothing.
        "": Use(heads, QVK, vanishing=("gradient of weight 3",)),
        "itself": Use(lambda: heads(use_bias=False), (QUERY, QUERY), call=CAUSAL),
        "value size, no bias": Use(
            lambda: heads(value_dim=4, output_shape=5, use_bias=False), (QUERY, VALUE)
        ),
        "masks": Use(lambda: heads(use_bias=False), QVK, call=KNOWN),
        "mask of pairs": Use(lambda: heads(use_bias=False), QVK, call=(("attention_mask", PAIRS),)),
        "over two axes": Use(lambda: heads(attention_axes=(1, 2), use_bias=False), (IMAGES, IMAGES)),
        "window": Use(lambda: heads(sliding_window=2, use_bias=False), (QUERY, QUERY)),
        "gate": Use(lambda: heads(use_gate=True, use_bias=False), (QUERY, VALUE)),
        "dropout": Use(lambda: heads(dropout=0.3), QVK, random=True),
    },
    "GroupedQueryAttention": {
        "": Use(grouped, QVK, vanishing=("gradient of weight 3",)),
        "of one": Use(lambda: grouped(num_key_value_heads=1, use_bias=False), (QUERY, VALUE)),
        "causal": Use(lambda: grouped(use_bias=False), (QUERY, QUERY), call=CAUSAL),
        "masks": Use(lambda: grouped(use_bias=False), QVK, call=KNOWN),
        "dropout": Use(lambda: grouped(dropout=0.3), QVK, random=True),
    },
}


def cases() -> list[Case]:
    return use_cases(USES)
