"""One computation has one result, however it is run: at once, on a tape, as a program, in a model's step.

Everything in Keras's tables (`testing/keras_cases`), in double precision, where rounding explains nothing that is
larger than `TOLERANCE`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import keras
import numpy as np
import pytest

import kerasflow
from kerasflow.errors import TracingError
from kerasflow.testing.keras_cases import case, losses, metrics, optimizers, preprocessing
from kerasflow.testing.keras_cases.case import known, normal, public_classes, rng, set_weights
from kerasflow.testing.keras_cases.layer_use import Use, layer_results
from kerasflow.testing.keras_cases.layers import EXCLUDED
from kerasflow.testing.keras_cases.tables import all_cases

TOLERANCE = 1e-9
Found = dict[str, Any]


@pytest.fixture(autouse=True)
def double_precision() -> Iterator[None]:
    policy, floatx = keras.config.dtype_policy(), keras.config.floatx()
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    keras.utils.set_random_seed(0)
    yield
    keras.config.set_floatx(floatx)
    keras.config.set_dtype_policy(policy)


def assert_same(found: Found, expected: Found, what: str) -> None:
    """The same names, shapes and dtypes; the same numbers, up to a part of the largest one of their kind."""
    assert list(found) == list(expected), what
    largest: dict[str, float] = {}
    for name, wanted in expected.items():
        if wanted is not None and np.asarray(wanted).dtype.kind in "fc":
            numbers = np.abs(wanted, dtype="float64")
            numbers = numbers.max(initial=0.0, where=np.isfinite(numbers))
            largest[_kind(name)] = max(numbers, largest.get(_kind(name), 0.0))
    for name, wanted in expected.items():
        place, got = f"{what}: {name}", found[name]
        assert _described(got) == _described(wanted), place
        if wanted is not None:
            atol = TOLERANCE * largest.get(_kind(name), 0.0)
            np.testing.assert_allclose(np.asarray(got), np.asarray(wanted), rtol=0, atol=atol, err_msg=place)


def _kind(name: str) -> str:
    return name.split()[0]


def _described(x: Any) -> str:
    return "no gradient" if x is None else f"{np.asarray(x).dtype}{list(np.shape(x))}"


def numbered(kind: str, values: Any) -> Found:
    return {f"{kind} {i}": x for i, x in enumerate(keras.tree.flatten(values))}


def in_double(x: Any) -> Any:
    return keras.tree.map_structure(lambda a: a.astype("float64") if a.dtype.kind == "f" else a, x)


class State:
    """What a computation changes: variables, and Python's and NumPy's generators."""

    def __init__(self, variables: Iterable[Any]) -> None:
        self.variables = list(variables)
        self.before = [v.numpy() for v in self.variables]

    def reset(self) -> None:
        keras.utils.set_random_seed(0)
        for variable, value in zip(self.variables, self.before, strict=True):
            variable.assign(value)

    def now(self) -> Found:
        return {f"variable {i} {v.path}": v.numpy() for i, v in enumerate(self.variables)}


def with_gradients(function: Callable[..., Any], variables: Iterable[Any] = ()) -> Callable[..., Any]:
    """A function of tensors that gives what `function` does, a loss and more, and the loss's gradients.

    Those with respect to the tensors that are floats, and to the variables.
    """

    def program(*args: Any) -> Any:
        tensors = [x for x in keras.tree.flatten(args) if x.dtype.kind == "f"]
        with kerasflow.GradientTape() as tape:
            tape.watch(tensors)
            loss, *others = function(*args)
        return loss, others, tape.gradient(loss, [*tensors, *variables])

    return program


# -- layers -------------------------------------------------------------------------------------------------


class Around(keras.Model):
    """A model of one layer. Its loss is a weighted sum of what the layer gives, and the layer's own losses."""

    def __init__(self, use: Use) -> None:
        super().__init__()
        self.layer = use.make()
        self.arguments = dict(use.call)

    def call(self, inputs: Any) -> Any:
        return self.layer(inputs, **self.arguments)

    def compute_loss(self, x: Any = None, y: Any = None, y_pred: Any = None, *_: Any, **__: Any) -> Any:
        total = keras.ops.zeros(())
        for result in keras.tree.flatten(y_pred):
            weights = in_double(normal(*result.shape, seed="loss"))
            total += keras.ops.sum(keras.ops.cast(result, "float64") * weights)
        for term in self.losses:
            total += term
        return total


LAYERS: dict[str, Use] = {
    name: case.run.args[0]  # type: ignore[attr-defined]
    for name, case in all_cases().items()
    if getattr(case.run, "func", None) is layer_results
}
BOXES = {"boxes": preprocessing.BOXES, "labels": preprocessing.LABELS}
LAYERS |= {
    f"layer/{name} with boxes": Use(make, {"images": preprocessing.PICTURES, "bounding_boxes": BOXES})
    for name, make in preprocessing.WITH_BOXES.items()
}
# What a layer in training cannot be a program for.
WITHOUT_PROGRAM = {"RandomElasticTransform": "`sigma`, which sets the size of a filter"}


def modes_of_layer(model: Around, inputs: Any) -> None:
    state = State(model.variables)

    def values(inputs: Any) -> Any:
        return model(inputs)

    def loss(inputs: Any) -> Any:
        outputs = model(inputs)
        return model.compute_loss(y_pred=outputs), outputs

    def forward(function: Callable[[Any], Any]) -> Found:
        state.reset()
        return numbered("result", function(inputs)) | state.now()

    def backward(function: Callable[[Any], Any]) -> Found:
        state.reset()
        loss, outputs, gradients = function(keras.tree.map_structure(keras.ops.convert_to_tensor, inputs))
        found = numbered("result", outputs) | state.now() | {"loss": loss}
        return found | {f"gradient {i}": g for i, g in enumerate(gradients)}

    def step(eagerly: bool) -> Found:
        state.reset()
        model.compile(keras.optimizers.SGD(0.01), run_eagerly=eagerly, jit_compile=False)
        loss = model.train_on_batch(inputs, np.zeros(len(keras.tree.flatten(inputs)[0])))
        return {"loss": np.asarray(loss)} | state.now()

    gradients = with_gradients(loss, model.trainable_variables)
    at_once, on_tape = forward(values), backward(gradients)
    assert_same({name: on_tape[name] for name in at_once}, at_once, "with a tape")
    assert_same(step(eagerly=False), step(eagerly=True), "a training step")
    reason = WITHOUT_PROGRAM.get(type(model.layer).__name__)
    if reason and model.arguments["training"]:
        with pytest.raises(TracingError, match=reason):
            kerasflow.jit(values)(inputs)
        return
    assert_same(forward(kerasflow.jit(values)), at_once, "a program")
    assert_same(backward(kerasflow.jit(gradients)), on_tape, "a program with a tape")


def first_of_each_class(names: Iterable[str]) -> list[Any]:
    """Further ways to use a class are slow tests."""
    seen: set[str] = set()
    found = []
    for name in names:
        found.append(pytest.param(name, marks=pytest.mark.slow if name.split()[0] in seen else ()))
        seen.add(name.split()[0])
    return found


@pytest.mark.parametrize("name", first_of_each_class(LAYERS))
def test_layers(name: str) -> None:
    use = LAYERS[name]
    model = Around(use)
    inputs = in_double(list(use.inputs) if isinstance(use.inputs, tuple) else use.inputs)
    model(inputs)  # builds
    for variable in model.variables:
        if "seed" not in variable.path:
            variable.assign(rng(variable.path.split("/")[-1]).uniform(0.2, 1.0, variable.shape))
    set_weights(model.trainable_variables)
    for training in (False, True) if model.layer._call_has_training_arg else (None,):
        if training is not None:
            model.arguments["training"] = training
        modes_of_layer(model, inputs)


def test_every_layer_is_among_them() -> None:
    """That every class has a case is tested in `test_every_class.py`."""
    names = set(public_classes(keras.layers, keras.layers.Layer)) - set(EXCLUDED)
    assert names == {name.removeprefix("layer/").split()[0] for name in LAYERS} & names


# -- losses, metrics, optimizers ----------------------------------------------------------------------------


def options(tables: dict[str, Iterable[dict[str, Any]]]) -> list[Any]:
    """Each class with each of its options."""
    return [
        pytest.param(name, kwargs, id=f"{name} {number}")
        for name, several in tables.items()
        for number, kwargs in enumerate(several)
    ]


class Given(keras.Model):
    """A model that predicts what it is given."""

    def call(self, inputs: Any) -> Any:
        return keras.ops.convert_to_tensor(inputs)


def nothing(true: Any, predictions: Any) -> Any:
    """A loss for a step whose metrics alone matter."""
    return keras.ops.zeros(len(predictions))


def modes_of_step(batches: Any, state: State | None = None, **compiled: Any) -> Found:
    """What a test step finds for batches of predictions, true values and weights; compiled, and the same eagerly."""
    found = []
    predictions, true, weights = map(np.concatenate, zip(*batches, strict=True))
    for eagerly in (True, False):
        model = Given()
        model.compile(run_eagerly=eagerly, jit_compile=False, **compiled)
        if state is not None:
            state.reset()
        logs = model.evaluate(predictions, true, len(batches[0][0]), 0, weights, return_dict=True)
        results = {f"{name} of step": np.asarray(x) for name, x in logs.items()}
        found.append(results | (state.now() if state else {}))
    assert_same(found[1], found[0], "a test step")
    return found[0]


LOSSES = known(losses.LOSSES, public_classes(keras.losses, keras.losses.Loss))


@pytest.mark.parametrize(
    ("name", "kwargs"), options({name: ({}, *losses.LOSSES[name][2].values()) for name in LOSSES})
)
def test_losses(name: str, kwargs: dict[str, Any]) -> None:
    loss = LOSSES[name](**kwargs)
    true = in_double(losses.LOSSES[name][0]()[:8])
    predictions = rng(name).uniform(0.05, 0.3, (8, *losses.network(name, None).output_shape[1:]))
    weights = rng("weights").uniform(0.2, 2.0, 8)

    def values(predictions: Any, true: Any, weights: Any) -> Any:
        return (
            loss(true, predictions, sample_weight=weights),
            loss(true, predictions),
            loss.call(true, predictions),
        )

    def results(function: Callable[..., Any]) -> Found:
        tensors = map(keras.ops.convert_to_tensor, (predictions, true, weights))
        value, others, gradients = function(*tensors)
        return numbered("value", (value, others)) | {f"gradient {i}": g for i, g in enumerate(gradients)}

    at_once = numbered("value", values(predictions, true, weights))
    on_tape = results(with_gradients(values))
    assert_same({name: on_tape[name] for name in at_once}, at_once, "with a tape")
    assert_same(results(kerasflow.jit(with_gradients(values))), on_tape, "a program")
    step = modes_of_step([(predictions, true, weights)], loss=loss)
    assert_same({"value": step["loss of step"]}, {"value": at_once["value 0"]}, "a test step")


METRICS = known(metrics.METRICS, public_classes(keras.metrics, keras.metrics.Metric))


@pytest.mark.parametrize(("name", "kwargs"), options({name: metrics.METRICS[name][2] for name in METRICS}))
def test_metrics(name: str, kwargs: dict[str, Any]) -> None:
    true, predicted, _ = metrics.METRICS[name]
    batches = [
        in_double(
            [
                predicted(i + 1),
                *([] if true is None else [true(i)]),
                rng(f"weight {i}").uniform(0, 2, metrics.N),
            ]
        )
        for i in range(2)
    ]
    metric = METRICS[name](**kwargs)

    def update(*arrays: Any) -> Any:
        *values, weights = arrays
        metric.update_state(*reversed(values), sample_weight=weights)
        return metric.result()

    update(*batches[0])  # builds
    metric.reset_state()
    state = State(metric.variables)

    def results(function: Callable[..., Any]) -> Found:
        state.reset()
        return numbered("result", [function(*batch) for batch in batches]) | state.now()

    at_once = results(update)
    assert_same(results(kerasflow.jit(update)), at_once, "a program")
    if true is not None:
        step = modes_of_step(batches, state, loss=nothing, weighted_metrics=[metric])
        names = list(state.now())
        assert_same(
            {name: step[name] for name in names}, {name: at_once[name] for name in names}, "a test step"
        )


OPTIMIZERS = public_classes(keras.optimizers, keras.optimizers.Optimizer)
MADE: dict[str, Callable[[], Any]] = {
    f"{name} {option}": partial(cls, learning_rate=0.02, **kwargs)
    for name, cls in OPTIMIZERS.items()
    if name not in optimizers.APART - {"ScheduleFreeAdamW"}
    for option, kwargs in (optimizers.COMMON | optimizers.OWN.get(name, {})).items()
    if kwargs == case.options(cls, **kwargs)
} | {
    "LossScaleOptimizer": partial(optimizers.loss_scale, initial_scale=4.0, dynamic_growth_steps=2),
    "LossScaleOptimizer overflowing": partial(optimizers.loss_scale, initial_scale=2.0**1023),
    "MultiOptimizer": optimizers.multi,
}


@pytest.mark.parametrize("name", first_of_each_class(MADE))
def test_optimizers(name: str) -> None:
    found = {}
    x, y = in_double(normal(6, 10)), in_double(normal(6, 5))
    for mode in ("tape", "program", "eager step", "compiled step"):
        model = optimizers.network()
        set_weights(model.trainable_variables)
        model.compile(MADE[name](), "mse", run_eagerly=mode == "eager step", jit_compile=False)
        model.optimizer.build(model.trainable_variables)

        def step(x: Any, y: Any, model: Any = model) -> Any:
            with kerasflow.GradientTape() as tape:
                loss = model.optimizer.scale_loss(model.compute_loss(y=y, y_pred=model(x)))
            model.optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)

        run = {"tape": step, "program": kerasflow.jit(step)}.get(mode, model.train_on_batch)
        for _ in range(4):
            run(x, y)
        found[mode] = numbered(
            "variable", [v.numpy() for v in model.variables[:4] + model.optimizer.variables]
        )
    for mode, variables in found.items():
        assert_same(variables, found["tape"], mode)
