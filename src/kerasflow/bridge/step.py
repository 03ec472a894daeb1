"""One step of a model (train, test, predict) as a compiled program, or eagerly with values; the batches for it."""

from __future__ import annotations

import functools
import inspect
import itertools
import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Self

import numpy as np
from keras.src import tree
from keras.src.backend import config
from keras.src.backend.common import global_state
from keras.src.layers.preprocessing.image_preprocessing.random_elastic_transform import (
    RandomElasticTransform,
)
from keras.src.optimizers.loss_scale_optimizer import LossScaleOptimizer
from keras.src.trainers.compile_utils import CompileMetrics
from keras.src.trainers.data_adapters import data_adapter_utils
from keras.src.trainers.data_adapters.generator_data_adapter import GeneratorDataAdapter
from keras.src.trainers.epoch_iterator import EpochIterator
from numpy.typing import NDArray

from kerasflow.bridge.compiled import ModelFunction, is_text_array
from kerasflow.bridge.generators import random_state, set_random_state
from kerasflow.bridge.host import declines
from kerasflow.bridge.ops.sparse import sparse_tensor
from kerasflow.bridge.sparse_rows import of_floatx
from kerasflow.bridge.versions import LAYOUT
from kerasflow.compiler import Entry, current_backend, running_on
from kerasflow.compiler.interrupts import all_or_nothing, undisturbed
from kerasflow.compiler.nans import scaled_gradients
from kerasflow.compiler.ranks import given_rows
from kerasflow.errors import KerasflowError, RankError, TracingError
from kerasflow.tracing import Trace, Tracer, adopted, recording, suspended
from kerasflow.tracing.sparse import SparseTensor
from kerasflow.tracing.tensor import tensors


class Step(ModelFunction):
    """A model's step method as a function of one batch of NumPy arrays.

    Compiled once for each combination of shapes and dtypes; with
    `run_eagerly=True` run anew each time on arrays that carry their values. Layers that cannot be compiled, and what is
    done with text, run on the host before the program. Where that cannot be (what they are given depends on weights,
    say) the step runs with values too, as does one whose layers cannot be compiled and have variables.

    Args:
        model: the Keras model.
        method: `"train_step"`, `"test_step"` or `"predict_step"`.

    Raises:
        TracingError: if the method takes something else than a batch.
    """

    def __init__(self, model: Any, method: str) -> None:
        super().__init__(model, self.run)
        self.compiled.shares = True
        if method == "train_step":
            self.compiled.weights = lambda: sum(math.prod(v.shape) for v in model.trainable_variables)
        self.method = method
        _require_one_argument(model, method)

    @functools.cached_property
    def declining(self) -> list[Any]:
        """The layers that cannot be compiled. One of Keras's does not say so: it draws a filter's size in training."""
        draws: tuple[type, ...] = (RandomElasticTransform,) if self.method == "train_step" else ()
        return [x for x in self.model._flatten_layers() if isinstance(x, draws) or declines(x)]

    def run(self, batch: Any) -> Any:
        """What the step computes, by whichever way it is called: traced, or with values."""
        # Behind a scaled loss gradients overflow on purpose.
        with scaled_gradients(_scale(getattr(self.model, "optimizer", None))):
            result = getattr(self.model, self.method)(batch)
        _require_variables(self.model.metrics)
        return result

    def prepare(self) -> None:
        """Build the optimizer of a model whose layers are built, also for a `train_step` that is the user's own."""
        optimizer = self.model.optimizer
        if (
            optimizer is not None
            and not optimizer.built
            and all(x.built for x in self.model._flatten_layers())
        ):
            self.model.build_optimizer()

    def __call__(self, batch: Any, first: Callable[[], Any] | None = None) -> Any:
        """Run the step on a batch.

        Args:
            first: assigns what has to be assigned before, as a part of the step: with it or not at all.
        """
        if self.method == "train_step":
            self.prepare()
        open_before = len(_open_scopes())
        try:
            return self._run(batch, first)
        except BaseException:
            # An interrupt may have left more of them open: later layers would bear their names.
            del _open_scopes()[open_before:]
            raise

    def _run(self, batch: Any, first: Callable[[], Any] | None) -> Any:
        with suspended():  # Also where a tape records, a step is a program of its own.
            if self.runs_with_values:
                return self._run_with_values(batch, first)
            optimizer: Any = getattr(self.model, "optimizer", None)  # A model may predict uncompiled.
            begins = optimizer is not None and not optimizer.built
            try:
                entry, given = self.entry(batch)
            except Exception as error:
                if not self.needs_host(batch):
                    raise
                result = self._run_with_values(batch, first)
                self.refusal = str(error)  # It is no fault of the batch.
                return result
            result = entry(given) if first is None else undisturbed(_both, first, entry, given)
            if begins and optimizer.built:
                # What was traced is how an optimizer begins (say with a constant scale of the loss), not goes on.
                self.compiled.forget()
            return result

    def _run_with_values(self, batch: Any, first: Callable[[], Any] | None) -> Any:
        if given_rows():
            raise RankError(
                f"The model {self.model.name!r} runs operation by operation, on all of a batch, and each rank has its "
                "own rows only: use `auto_shard_dataset=True`."
            )
        trace = Trace(concrete=True)

        def lift(x: Any) -> Any:
            if not isinstance(x, np.ndarray):
                return x
            return tensors(x) if is_text_array(x) else trace.lift(x)

        backend = current_backend(self.model.kerasflow_backend)
        with running_on(backend), all_or_nothing(), recording(trace):
            if first is not None:
                first()
            result = tree.map_structure(adopted, self.run(tree.map_structure(lift, batch)))
        return tree.map_structure(lambda x: x.numpy() if isinstance(x, Tracer) else x, result)


def _scale(optimizer: Any) -> str:
    """The variable with the scale of the loss, by name; the optimizer, as long as it has none; "" without a scale."""
    if not isinstance(optimizer, LossScaleOptimizer):
        return ""
    return optimizer.dynamic_scale.path if optimizer.built else optimizer.name


def _require_one_argument(model: Any, method: str) -> None:
    """A `train_step` for Keras's JAX backend gets the variables' values, and returns new ones.

    Raises:
        TracingError: with the form that it has here.
    """
    signature = inspect.signature(getattr(model, method))
    try:
        signature.bind(None)
    except TypeError:
        takes = ", ".join(["self", *signature.parameters])
        raise TracingError(
            f"`{type(model).__name__}.{method}({takes})` cannot be called: here it is `{method}(self, data)`, as with "
            f"TensorFlow, and gets a batch. (`{method}(self, state, data)` is JAX's form.) Read and assign variables "
            "where you need them, and take gradients with `kerasflow.GradientTape`."
        ) from None


def _open_scopes() -> list[Any]:
    """Keras's name scopes that are open in this thread."""
    return global_state.get_global_attribute("name_scope_stack") or []


def _both(first: Callable[[], Any], entry: Entry, given: list[Any]) -> Any:
    first()
    return entry(given)


def _require_variables(metrics: Iterable[Any]) -> None:
    """A metric that keeps its state in an attribute would keep the first step's recording of it.

    Raises:
        TracingError: naming the metric and the attribute.
    """
    for metric in metrics:
        if isinstance(metric, CompileMetrics):
            _require_variables(metric.metrics)
            continue
        for name, value in vars(metric).items():
            if isinstance(value, Tracer) and not value.owner.concrete:
                raise TracingError(
                    f"The metric {metric.name!r} ({type(metric).__name__}) keeps a traced array as `self.{name}`, "
                    "which means nothing after the step that recorded it. Make a variable in `__init__`, `self."
                    f'{name} = self.add_variable(shape=(), initializer="zeros", name="{name}")`, and assign to it: '
                    f"`self.{name}.assign(…)`."
                )


# What users call the steps, and the methods.
STEPS = {"train": "train_step", "test": "test_step", "predict": "predict_step"}


def step_name(step: str | None, y: Any) -> str:
    """Which step is meant: of those in `STEPS`, by default the training step if there are labels.

    Raises:
        ValueError: if there is no such step.
    """
    if step is not None and step not in STEPS:
        raise ValueError(f"the step is one of {', '.join(STEPS)}; received {step!r}")
    return step or ("predict" if y is None else "train")


def traced(
    model: Any, x: Any, y: Any, step: str, refused: type[KerasflowError] = KerasflowError
) -> tuple[Entry, list[Any]]:
    """A step's program for one batch, and what it is called with. What is not built yet is built; nothing else changes.

    Args:
        x: a batch; None takes one sample of zeros, for a model that knows its inputs. y: its labels, or None.
        step: a name in `STEPS`. refused: what is raised if there is no program.

    Raises:
        KerasflowError: if there is no batch, or no program: a layer, or what is done with text, cannot be compiled.
        ValueError: by Keras, if the model is not compiled, or if shapes do not fit.
    """
    current = Step(model, STEPS[step])
    if layers := current.uncompiled:
        raise refused(_without_program(model, f"{', '.join(layers)} cannot be compiled."))
    if x is None:
        if step != "predict" or not getattr(model, "inputs", None):
            raise KerasflowError(
                f"There is no {step} step to show yet: the model has not run it. Give a batch, "
                "`kerasflow.explain(model, x[:32], y[:32])`, or call `fit` first."
            )
        inputs = getattr(
            model, "_inputs_struct", model.inputs
        )  # A dictionary, where the model was made of one.
        if isinstance(inputs, (list, tuple)) and len(inputs) == 1:
            inputs = inputs[0]
        x = tree.map_structure(_sample, inputs)
    x, y = tree.map_structure(_as_fit_gives_it, as_arrays((x, y)))
    data_adapter_utils.check_data_cardinality((x,) if y is None else (x, y))
    batch = (x,) if step == "predict" else (x, y)
    if step != "predict":
        model._assert_compile_called(STEPS[step])
    if current.needs_host(batch):
        try:
            return _traced_with_host(current, batch)
        except TracingError as error:
            raise refused(_without_program(model, str(error))) from error
    if not getattr(type(model), STEPS[step]).__module__.startswith(f"{__package__}."):
        # A step of the user's own need not call the model, and builds what it uses.
        return _traced_built(current, batch)
    if step != "predict":
        model._symbolic_build(data_batch=(x, y, None))
    with suspended():
        return current.entry(batch)


def _sample(tensor: Any) -> NDArray[Any]:
    """One sample of zeros for an input of a model."""
    return np.zeros(tuple(n or 1 for n in tensor.shape), "U1" if tensor.dtype == "string" else tensor.dtype)


def _traced_built(step: Step, batch: Any) -> tuple[Entry, list[Any]]:
    """The same for a step that builds as it is traced: how it goes on is traced then."""
    with suspended():
        before = len(step.model.variables)
        step.prepare()
        found = step.entry(batch)
        if len(step.model.variables) == before:
            return found
        step.compiled.forget()
        step.prepare()
        return step.entry(batch)


def _traced_with_host(step: Step, batch: Any) -> tuple[Entry, list[Any]]:
    """The same for a step that needs the host; values build it, as in `fit`, for what runs there needs them."""
    with suspended():
        if not all(layer.built for layer in step.model._flatten_layers()):
            step.model(batch[0])
        if step.method == "train_step":
            step.prepare()
        return step.entry(batch)


# What Keras puts into the messages of errors in a `call`.
_COLORS = re.compile(r"\x1b\[\d*m")


def _without_program(model: Any, reason: str) -> str:
    return (
        f"The model {model.name!r} has no program for this step, it runs operation by operation. "
        f"{_COLORS.sub('', reason)}\nApply layers that cannot be compiled to the data before, `x = layer(x)`."
    )


def as_arrays(data: Any) -> Any:
    """Lists of numbers and foreign arrays as NumPy arrays, floats in the default dtype."""

    def convert(x: Any) -> Any:
        x = of_floatx(x)
        if x is None or isinstance(x, (np.ndarray, SparseTensor)):
            return x
        array = np.asarray(x)
        return array.astype(config.floatx()) if array.dtype == np.float64 else array

    if any(isinstance(leaf, (int, float)) for leaf in tree.flatten(data)):
        data = tree.traverse(_list_of_numbers, data)
    return tree.map_structure(convert, data)


def _list_of_numbers(x: Any) -> NDArray | None:
    """A list of numbers, or of such lists, as an array; None for anything else."""
    if isinstance(x, list) and all(isinstance(leaf, (int, float)) for leaf in tree.flatten(x)):
        return np.asarray(x)
    return None


def kept_sparse(*data: Any) -> Any:
    """Data with sparse tensors in the place of SciPy's matrices and of TensorFlow's sparse tensors."""
    return tree.map_structure(sparse_tensor, data)


def _as_fit_gives_it(x: Any) -> Any:
    """Floats in the default dtype."""
    return x if x is None or x.dtype.kind != "f" else x.astype(config.floatx(), copy=False)


class Batches(EpochIterator):
    """Keras's iterator over an epoch: lists of `steps_per_execution` batches, the last list as long as the data are.

    It knows its place, and another one with the same data can go there: it draws the same batches, from the same states
    of the random generators. (With `steps_per_epoch` a pass over the data may be shorter or longer than an epoch.)

    Attributes:
        done: how many lists of this epoch have been given out.
        drawn: how many batches of this pass over the data, of them `before` in earlier epochs.
        begun: the states of the random generators when the pass began; None if it has not begun.
        number: that of the pass, from which a Keras may make the order of the samples instead; None if it does not.
    """

    def __init__(
        self, x: Any, y: Any = None, sample_weight: Any = None, batch_size: int | None = None, **options: Any
    ) -> None:
        super().__init__(*kept_sparse(x, y, sample_weight), batch_size, **options)

    done = drawn = before = 0
    begun: Any = None
    number: int | None = None
    _is_there = False

    def _get_iterator(self) -> Iterator[Any]:
        self.drawn, self.begun = 0, None
        return self._counted(super()._get_iterator())

    def _counted(self, batches: Iterable[Any]) -> Iterator[Any]:
        self.begun, self.number = random_state(), self._next_number
        for batch in batches:
            self.drawn += 1
            yield kept_sparse(*batch) if type(batch) is tuple else batch

    def __iter__(self) -> Self:
        if self._is_there:
            self._is_there = False
            return self
        self.end_epoch()
        return super().__iter__()

    def __next__(self) -> tuple[int, int, list[Any]]:
        begin, end, iterator = next(self._epoch_iterator)
        batches = list(itertools.islice(iterator, self.steps_per_execution))
        if not batches:
            if self._ends_with_its_data:
                self.data_adapter.on_epoch_end()
                raise StopIteration
            with self.catch_stop_iteration():  # warns that there should have been more
                raise StopIteration
            raise StopIteration
        self.done += 1
        return begin, end, batches

    @property
    def _ends_with_its_data(self) -> bool:
        """Whether an epoch is what the data have, which do not say how much that is, and begin again: grain's.

        Keras's iterator warns of every such epoch that the data should have been repeated.
        """
        again = not isinstance(self.data_adapter, GeneratorDataAdapter)
        return again and self.steps_per_epoch is None and self._num_batches is None

    def end_epoch(self) -> None:
        """The place is now that before the next epoch."""
        self.done, self.before = 0, self.drawn if self.steps_per_epoch else 0

    @property
    def place(self) -> dict[str, Any]:
        """What `go_to` needs to know."""
        numbers = (self.number, self._next_number)
        return {"done": self.done, "before": self.before, "begun": self.begun, "numbers": numbers}

    @property
    def _next_number(self) -> int | None:
        """The number of a pass that begins now."""
        return vars(self.data_adapter).get(LAYOUT.number_of_pass)

    def _count_from(self, number: int | None) -> None:
        if number is not None:
            setattr(self.data_adapter, LAYOUT.number_of_pass, number)

    def go_to(self, place: Mapping[str, Any]) -> Any:
        """Draw what was drawn up to a place; the last batch of its epoch so far, None between epochs."""
        last = None
        number, next_number = place.get("numbers", (None, None))  # A backup of 0.1.0 has none.
        self._count_from(number)
        if place["begun"] is not None:
            set_random_state(place["begun"])
        if place["before"]:
            self._current_iterator = self._get_iterator()
            for _ in itertools.islice(self._current_iterator, place["before"]):
                self._steps_seen += 1
        if place["done"]:
            for _, _, batches in itertools.islice(self, place["done"]):
                last = batches[-1]
            self._is_there = True
        self._count_from(next_number)
        return last
