"""A small model of text with a cache, and samplers, as KerasHub has them, of Keras's operations alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import layers, ops

WORDS, LENGTH, WIDTH, LAYERS = 30, 12, 8, 2


class Sampler:
    """Writes tokens behind the prompts, one a step, until all of them have produced a token to stop at."""

    def __call__(
        self, next_logits: Callable[..., Any], prompt: Any, cache: Any, index: Any, mask: Any, stop: Any
    ) -> Any:
        def go_on(prompt: Any, cache: Any, index: Any, *_: Any) -> Any:
            return True if stop is None else ops.logical_not(ops.all(stopped(prompt, mask, stop)))

        first = self.begin(prompt, cache)
        mask = ops.repeat(mask, first[0].shape[0] // mask.shape[0], axis=0)

        def step(prompt: Any, cache: Any, index: Any, *own: Any) -> Any:
            logits, cache = next_logits(prompt, cache, index)
            prompt, cache, token, *own = self.choose(ops.log_softmax(logits), prompt, cache, *own)
            token = ops.where(mask[:, index], prompt[:, index], ops.cast(token, prompt.dtype))
            return (ops.slice_update(prompt, [0, index], token[:, None]), cache, index + 1, *own)

        state = (first[0], first[1], index, *first[2:])
        prompt, _, _, *own = ops.while_loop(go_on, step, state, maximum_iterations=LENGTH - index)
        return self.end(prompt, *own)

    def begin(self, prompt: Any, cache: Any) -> tuple[Any, ...]:
        return prompt, cache

    def choose(self, scores: Any, prompt: Any, cache: Any) -> Any:
        raise NotImplementedError

    def end(self, prompt: Any) -> Any:
        return prompt


def stopped(prompt: Any, mask: Any, stop: Any) -> Any:
    """For each prompt whether it has a token to stop at among the new ones."""
    places = ops.equal(prompt, stop[0])
    for token in stop[1:]:
        places = ops.logical_or(places, ops.equal(prompt, token))
    mask = ops.repeat(mask, prompt.shape[0] // mask.shape[0], axis=0)
    return ops.any(ops.logical_and(places, ops.logical_not(mask)), axis=-1)


class Greedy(Sampler):
    def choose(self, scores: Any, prompt: Any, cache: Any) -> Any:
        return prompt, cache, ops.argmax(scores, axis=-1)


class TopK(Sampler):
    def __init__(self, k: int = 5, temperature: float = 1.0, seed: int | None = None) -> None:
        self.k, self.temperature = k, temperature
        self.seed = keras.random.SeedGenerator(seed)

    def choose(self, scores: Any, prompt: Any, cache: Any) -> Any:
        best, places = ops.top_k(scores / self.temperature, self.k, sorted=False)
        drawn = keras.random.categorical(best, 1, dtype="int32", seed=self.seed)
        return prompt, cache, ops.take_along_axis(places, drawn, axis=-1)[:, 0]


class Beam(Sampler):
    def __init__(self, beams: int = 3) -> None:
        self.beams = beams

    def begin(self, prompt: Any, cache: Any) -> tuple[Any, ...]:
        scores = np.tile(np.array([0.0] + [-1e9] * (self.beams - 1), "float32"), prompt.shape[0])
        return ops.repeat(prompt, self.beams, axis=0), ops.repeat(cache, self.beams, axis=0), scores

    def choose(self, scores: Any, prompt: Any, cache: Any, total: Any) -> Any:
        n, words = self.beams, scores.shape[-1]
        total, places = ops.top_k(ops.reshape(scores + total[:, None], (-1, n * words)), n)
        beams = places // words

        def gathered(x: Any) -> Any:
            apart = ops.reshape(x, (-1, n, *x.shape[1:]))
            own = ops.reshape(beams, (*beams.shape, *(1 for _ in x.shape[1:])))
            return ops.reshape(ops.take_along_axis(apart, own, axis=1), x.shape)

        return (
            gathered(prompt),
            gathered(cache),
            ops.reshape(places % words, (-1,)),
            ops.reshape(total, (-1,)),
        )

    def end(self, prompt: Any, total: Any) -> Any:
        best = ops.argmax(ops.reshape(total, (-1, self.beams)), axis=-1)
        own = ops.reshape(best, (-1, 1, 1))
        apart = ops.reshape(prompt, (-1, self.beams, prompt.shape[-1]))
        return ops.take_along_axis(apart, own, axis=1)[:, 0]


def text_model(task: type, seed: int = 0) -> Any:
    """A causal model of text, a subclass of `task`."""

    class Text(task):  # type: ignore[misc, valid-type]
        def __init__(self) -> None:
            super().__init__()
            self.words, self.places = layers.Embedding(WORDS, WIDTH), layers.Embedding(LENGTH, WIDTH)
            self.takes = [layers.Dense(3 * WIDTH) for _ in range(LAYERS)]
            self.gives = [layers.Dense(WIDTH, activation="tanh") for _ in range(LAYERS)]
            self.heads = layers.Dense(WORDS)

        def call(self, tokens: Any, cache: Any = None, index: Any = 0) -> Any:
            """Logits and the new cache, of shape (batch, layers, 2, length, width)."""
            n = tokens.shape[1]
            if cache is None:
                cache = ops.zeros((tokens.shape[0], LAYERS, 2, LENGTH, WIDTH))
            at = ops.arange(n) + index
            x, caches = self.words(tokens) + self.places(at), []
            for i in range(LAYERS):
                query, key, value = ops.split(self.takes[i](x), 3, axis=-1)
                keys = ops.slice_update(cache[:, i, 0], [0, index, 0], key)
                values = ops.slice_update(cache[:, i, 1], [0, index, 0], value)
                seen = ops.arange(LENGTH)[None] <= at[:, None]
                scores = ops.einsum("bqd,bkd->bqk", query, keys) / np.float32(WIDTH**0.5)
                weights = ops.softmax(ops.where(seen, scores, -1e9))
                x = x + self.gives[i](ops.einsum("bqk,bkd->bqd", weights, values))
                caches.append(ops.stack([keys, values], axis=1))
            return self.heads(x), ops.stack(caches, axis=1)

        def generate_step(self, inputs: Any, stop_token_ids: Any = None) -> Any:
            tokens, mask = inputs["token_ids"], inputs["padding_mask"]
            _, cache = self(tokens)
            index = ops.min(ops.sum(ops.cast(mask, "int32"), axis=-1))

            def next_logits(prompt: Any, cache: Any, index: Any) -> Any:
                last = ops.slice(prompt, [0, index - 1], [prompt.shape[0], 1])
                logits, cache = self(last, cache, index - 1)
                return logits[:, 0], cache

            tokens = self.sampler(next_logits, tokens, cache, index, mask, stop_token_ids)
            return {"token_ids": tokens, "padding_mask": ops.cast(ops.ones_like(tokens), "bool")}

    model = Text()
    model(np.zeros((1, LENGTH), "int32"))
    draw = np.random.default_rng(seed)
    for weight in model.weights:
        weight.assign(draw.normal(0, 0.7, weight.shape))
    return model


def prompts(batch: int = 3) -> dict[str, Any]:
    """Prompts of different lengths, padded."""
    lengths = np.array([2, 4, 3, 5])[:batch, None]
    mask = np.arange(LENGTH) < lengths
    words = np.random.default_rng(1).integers(1, WORDS, mask.shape)
    return {"token_ids": np.where(mask, words, 0).astype("int32"), "padding_mask": mask}
