"""KerasHub's `generate` as one program: the tokens of a run operation by operation, seeds, what is traced anew."""

from __future__ import annotations

import importlib
import importlib.util
import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from graphs import installed_backends
from keras import ops
from text_generation import LENGTH, Beam, Greedy, Sampler, TopK, prompts, text_model

import kerasflow
from kerasflow.errors import TracingError

SAMPLERS = {"greedy": Greedy, "beam": Beam, "top k": lambda: TopK(seed=5, temperature=0.8)}


@pytest.fixture(scope="module")
def hub() -> Iterator[Any]:
    """The stand-in for KerasHub; where KerasHub itself is loaded, that is put aside."""
    kept = {
        name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] == "keras_hub"
    }
    sys.path.insert(0, str(Path(__file__).with_name("hub")))
    importlib.invalidate_caches()
    try:
        yield importlib.import_module
    finally:
        sys.path.pop(0)
        for name in list(sys.modules):
            if name.partition(".")[0] == "keras_hub":
                del sys.modules[name]
        sys.modules.update(kept)


@pytest.fixture
def model(hub: Any) -> Any:
    return text_model(hub("keras_hub.src.models.causal_lm").CausalLM)


def entries(model: Any) -> list[Any]:
    return list(model.generate_function.compiled.entries.values())


def tokens(model: Any, batch: int = 3, **kwargs: Any) -> np.ndarray:
    result = model.generate(prompts(batch), **kwargs)
    assert all(ops.is_tensor(x) for x in result.values())
    return np.asarray(result["token_ids"])


@pytest.mark.parametrize("stop", [None, (3, 8), [2]])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_as_operation_by_operation(model: Any, sampler: str, stop: Any) -> None:
    model.compile(sampler=SAMPLERS[sampler](), run_eagerly=True)
    expected = [tokens(model, stop_token_ids=stop) for _ in range(2)]
    assert entries(model) == []
    model.compile(sampler=SAMPLERS[sampler]())
    found = [tokens(model, stop_token_ids=stop) for _ in range(2)]
    np.testing.assert_array_equal(found, expected)
    (entry,) = entries(model)
    assert sum(node.primitive.name == "while_loop" for node in entry.graph.nodes) == 1
    given = prompts()
    np.testing.assert_array_equal(found[0][given["padding_mask"]], given["token_ids"][given["padding_mask"]])


def test_it_ends_where_all_have_stopped(model: Any) -> None:
    model.compile(sampler=Greedy())
    whole = tokens(model, batch=1)
    places = range(2, LENGTH)
    assert len(set(whole[0, 2:])) > 2, "a test of nothing"
    for stop in set(whole[0, 2:].tolist()):
        end = next(i for i in places if whole[0, i] == stop) + 1
        expected = np.where(np.arange(LENGTH) < end, whole, 0)
        np.testing.assert_array_equal(tokens(model, batch=1, stop_token_ids=(stop,)), expected)


def test_the_cache_is_updated_in_place(model: Any) -> None:
    model.compile(sampler=Greedy())
    tokens(model)
    program = entries(model)[0].program
    _, loop, body = program.source.partition("while True:")
    assert loop and "concatenate" not in body
    assert body.count("# float32[3,2,2,12,8]") == 4, "the keys and values of two layers"


@pytest.mark.parametrize("backend", [*installed_backends()])
def test_on_every_backend(model: Any, backend: str) -> None:
    for sampler in (Greedy, Beam):
        model.compile(sampler=sampler(), run_eagerly=True)
        expected = tokens(model, stop_token_ids=(3, 8))
        model.compile(sampler=sampler())
        model.kerasflow_backend = backend
        np.testing.assert_array_equal(tokens(model, stop_token_ids=(3, 8)), expected)
        assert entries(model)[0].backend is installed_backends()[backend]


def test_draws_are_the_seeds(model: Any) -> None:
    def drawn(**options: Any) -> list[Any]:
        model.compile(sampler=TopK(**options))
        return [tokens(model).tolist() for _ in range(2)]

    first = drawn(seed=1)
    assert drawn(seed=1) == first and first[0] != first[1] and drawn(seed=2)[0] != first[0]
    assert drawn(seed=1, temperature=9.0) != first
    cold = drawn(seed=1, temperature=1e-4)
    model.compile(sampler=Greedy())
    assert cold == [tokens(model).tolist()] * 2


def test_one_program_for_each_kind(model: Any) -> None:
    model.compile(sampler=Greedy())
    for batch, stop, programs in (
        (3, None, 1),
        (3, None, 1),
        (2, None, 2),
        (3, (1,), 3),
        (3, [1], 4),
        (2, None, 4),
    ):
        tokens(model, batch=batch, stop_token_ids=stop)
        assert len(entries(model)) == programs


def test_what_changes_is_seen(model: Any) -> None:
    """Weights that are assigned, a sampler that is set, variables that are added: as on JAX, and as uncompiled."""
    model.compile(sampler=Greedy())

    def agrees() -> Any:
        found = tokens(model)
        model.run_eagerly = True
        np.testing.assert_array_equal(found, tokens(model))
        model.run_eagerly = False
        return found.tolist()

    seen = [agrees()]
    model.heads.bias.assign(np.random.default_rng(2).normal(0, 3, 30))
    seen.append(agrees())
    assert len(entries(model)) == 1
    model.heads.enable_lora(2)
    model.heads.lora_kernel_b.assign(np.random.default_rng(3).normal(0, 30, (2, 30)))
    seen.append(agrees())
    model.sampler = Least()
    seen.append(agrees())
    assert all(a != b for a, b in itertools.pairwise(seen))


class Least(Sampler):
    def choose(self, scores: Any, prompt: Any, cache: Any) -> Any:
        return prompt, cache, ops.argmin(scores, axis=-1)


class Undecided(Sampler):
    """Chooses by an `if` on values."""

    def choose(self, scores: Any, prompt: Any, cache: Any) -> Any:
        best = ops.argmax(scores, axis=-1)
        if best[0] > 3:
            best = best - 1
        return prompt, cache, best


def test_a_sampler_that_needs_values_is_an_error(model: Any) -> None:
    model.compile(sampler=Undecided())
    with pytest.raises(TracingError, match=r"test_generation\.py"):
        tokens(model)
    model.compile(sampler=Undecided(), run_eagerly=True)
    assert tokens(model).shape == (3, LENGTH)


def test_layers_that_cannot_be_compiled(model: Any) -> None:
    model.compile(sampler=Greedy())
    expected = tokens(model)
    model.compile(sampler=Greedy())
    model.heads.supports_jit = False
    np.testing.assert_array_equal(tokens(model), expected)
    assert entries(model) == []


def test_a_tape_does_not_see_it(model: Any) -> None:
    model.compile(sampler=Greedy())
    expected = tokens(model)
    with kerasflow.GradientTape():
        np.testing.assert_array_equal(tokens(model), expected)
    assert len(entries(model)) == 1


def test_numbers_of_steps_are_data(hub: Any) -> None:
    """Of diffusion, any number of steps is the same program; what is None is known."""

    class Picture(hub("keras_hub.src.models.text_to_image").TextToImage):
        def __init__(self) -> None:
            super().__init__()
            self.factor = self.add_weight(shape=(), initializer="ones")

        def generate_step(self, latents: Any, num_steps: Any, guidance_scale: Any) -> Any:
            scale = self.factor * (1.0 if guidance_scale is None else guidance_scale)
            return ops.fori_loop(0, num_steps, lambda i, x: x + scale * ops.cast(i, "float32"), latents)

    model = Picture()
    latents = np.zeros((1, 2, 2, 3), "float32")
    for steps in (3, 5, 0):
        np.testing.assert_array_equal(model.generate(latents, steps), latents + sum(range(steps)))
    assert len(entries(model)) == 1
    np.testing.assert_array_equal(model.generate(latents, 3, 7.5), latents + 22.5)
    np.testing.assert_array_equal(model.generate(latents, 3, 2.5), latents + 7.5)
    assert len(entries(model)) == 2


# -- KerasHub itself ----------------------------------------------------------------------------------------

needs_hub = pytest.mark.skipif(
    importlib.util.find_spec("keras_hub") is None, reason="keras_hub is not installed"
)
WHOLE = """
import sys
import numpy as np
{before}
import keras_hub

sizes = dict(vocabulary_size=50, num_layers=2, num_heads=2, hidden_dim=16, intermediate_dim=32, max_sequence_length=16)
ids = np.zeros((2, 16), "int32")
ids[:, :4] = [[3, 4, 5, 0], [9, 8, 7, 6]]
of_words = dict(token_ids=ids, padding_mask=ids > 0)
begun = np.zeros((2, 16), "int32")
begun[:, 0] = 2
pairs = dict(
    encoder_token_ids=ids, encoder_padding_mask=ids > 0, decoder_token_ids=begun, decoder_padding_mask=begun > 0
)
models = keras_hub.models
for model, given in (
    (models.GPT2CausalLM(backbone=models.GPT2Backbone(**sizes), preprocessor=None), of_words),
    (models.BartSeq2SeqLM(backbone=models.BartBackbone(**sizes), preprocessor=None), pairs),
):
    draw = np.random.default_rng(0)
    for weight in model.weights:
        weight.assign(draw.normal(1 if "gamma" in weight.path else 0, 0.3, weight.shape))
    for sampler in ("greedy", "beam", "contrastive"):
        for stop in (None, (7, 11)):
            model.compile(sampler=sampler, run_eagerly={eagerly})
            for name, found in model.generate(dict(given), stop_token_ids=stop).items():
                print("found", name, np.asarray(found).astype(int).tolist())
"""


def generated(before: str, eagerly: bool = False, **environment: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", WHOLE.format(before=before, eagerly=eagerly)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return [line for line in done.stdout.splitlines() if line.startswith("found")]


@needs_hub
def test_kerashubs_tasks_give_the_tokens_of_a_run_operation_by_operation() -> None:
    found = generated("import kerasflow")
    assert len(found) == 24 and found == generated("import kerasflow", eagerly=True)


@needs_hub
@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("jax") is None, reason="JAX is not installed")
def test_kerashubs_tasks_give_the_tokens_of_stock_keras() -> None:
    assert generated("import kerasflow") == generated("", KERAS_BACKEND="jax")
