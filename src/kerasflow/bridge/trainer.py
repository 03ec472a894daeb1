"""`fit`, `evaluate`, `predict` and their kin: Keras's training loop over compiled steps."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from keras.src import callbacks as callbacks_module
from keras.src import optimizers as optimizers_module
from keras.src import tree
from keras.src.backend import config
from keras.src.trainers.data_adapters import array_slicing, data_adapter_utils
from keras.src.utils import traceback_utils
from keras.src.utils.python_utils import pythonify_logs

from kerasflow.autodiff import GradientTape
from kerasflow.bridge.mistakes import explained, explained_metrics, require_arrays
from kerasflow.bridge.resume import Progress
from kerasflow.bridge.step import Batches, Step, as_arrays, kept_sparse
from kerasflow.bridge.versions import LAYOUT
from kerasflow.compiler.interrupts import undisturbed
from kerasflow.tracing import scope

BaseTrainer: Any = getattr(importlib.import_module(LAYOUT.base_trainer.module), LAYOUT.base_trainer.name)


class NumpyTrainer(BaseTrainer):
    """The trainer that Keras mixes into `keras.Model`.

    What is not built yet the first step builds, as with TensorFlow. (Keras's
    `_symbolic_build` would take the first batch from the data, and call the model
    on its shapes, where `run_eagerly=True` promises values, and where a model with
    a `train_step` of its own need not have a `call` at all.)
    """

    # The backend that this model is bound to; None follows `kerasflow.backend()`.
    kerasflow_backend: str | None = None
    _eval_epoch_iterator: Batches | None = None

    def __init__(self) -> None:
        super().__init__()
        self.train_function: Callable[..., Any] | None = None
        self.test_function: Callable[..., Any] | None = None
        self.predict_function: Callable[..., Any] | None = None

    def _resolve_auto_jit_compile(self) -> Any:
        """What "auto" means every backend decides for itself, so it stays the word, in a saved model too."""
        return "auto" if super()._resolve_auto_jit_compile() else False

    # -- one step -------------------------------------------------------------------------------------------

    def _forward(self, x: Any, training: bool) -> Any:
        return self(x, training=training) if self._call_has_training_arg else self(x)

    def _loss(self, x: Any, y: Any, y_pred: Any, sample_weight: Any, training: bool) -> Any:
        loss = self._compute_loss(x=x, y=y, y_pred=y_pred, sample_weight=sample_weight, training=training)
        batch_size = next(i for i in tree.flatten(x) if i is not None).shape[0]
        with scope("metrics"):
            self._loss_tracker.update_state(loss, sample_weight=batch_size)
        return loss

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """Keras's, with errors that say what is the matter with the labels."""
        with explained(y, y_pred, getattr(self, "output_names", None)):
            return super().compute_loss(x, y, y_pred, sample_weight, training)

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> dict[str, Any]:
        """Keras's, under a name of its own in the program."""
        with scope("metrics"), explained_metrics(y, y_pred):
            results: dict[str, Any] = super().compute_metrics(x, y, y_pred, sample_weight)
        return results

    def build_optimizer(self) -> None:
        """Build the optimizer, if it is not yet.

        What Keras's optimizers do before they are built (the scale of the loss is
        then a constant) does not get into a program.
        """
        if not self.optimizer.built:
            self.optimizer.build(self.trainable_variables)

    def train_step(self, data: Any) -> Any:
        """One batch of training: forward, loss, gradients, update, metrics. Made to be overridden."""
        x, y, sample_weight = data_adapter_utils.unpack_x_y_sample_weight(data)
        with GradientTape() as tape:
            y_pred = self._forward(x, training=True)
            loss = self._loss(x, y, y_pred, sample_weight, training=True)
            if self.optimizer is not None:
                self.build_optimizer()
                loss = self.optimizer.scale_loss(loss)
        weights = self.trainable_weights
        if weights:
            if self.optimizer is None:
                raise ValueError(
                    "The model has no optimizer. Give one: `model.compile(optimizer='adam', loss=…)`."
                )
            self.optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        else:
            warnings.warn("The model does not have any trainable weights.", stacklevel=2)
        return self.compute_metrics(x, y, y_pred, sample_weight=sample_weight)

    def test_step(self, data: Any) -> Any:
        """One batch of evaluation. Made to be overridden."""
        x, y, sample_weight = data_adapter_utils.unpack_x_y_sample_weight(data)
        y_pred = self._forward(x, training=False)
        self._loss(x, y, y_pred, sample_weight, training=False)
        return self.compute_metrics(x, y, y_pred, sample_weight=sample_weight)

    def predict_step(self, data: Any) -> Any:
        """One batch of prediction. Made to be overridden."""
        x, _, _ = data_adapter_utils.unpack_x_y_sample_weight(data)
        return self._forward(x, training=False)

    # -- functions of several steps -------------------------------------------------------------------------

    def make_train_function(self, force: bool = False) -> Any:
        if self.train_function is None or force:
            self.train_function = StepFunction(Step(self, "train_step"), _last)
        return self.train_function

    def make_test_function(self, force: bool = False) -> Any:
        if self.test_function is None or force:
            self.test_function = StepFunction(Step(self, "test_step"), _last)
        return self.test_function

    def make_predict_function(self, force: bool = False) -> Any:
        if self.predict_function is None or force:
            self.predict_function = StepFunction(Step(self, "predict_step"), _concatenated)
        return self.predict_function

    def _callback_list(
        self, callbacks: Any, iterator: Batches, epochs: int, verbose: Any, history: bool
    ) -> Any:
        if isinstance(callbacks, callbacks_module.CallbackList):
            return callbacks
        return callbacks_module.CallbackList(
            callbacks,
            add_history=history,
            add_progbar=verbose != 0,
            verbose=verbose,
            epochs=epochs,
            steps=iterator.num_batches,
            model=self,
        )

    # -- the loops ------------------------------------------------------------------------------------------

    @traceback_utils.filter_traceback
    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: Any = "auto",
        callbacks: Any = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: Any = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        validation_batch_size: int | None = None,
        validation_freq: Any = 1,
    ) -> Any:
        """Train the model; see `keras.Model.fit`."""
        self._assert_compile_called("fit")
        require_arrays(x=x, y=y, sample_weight=sample_weight)
        x, y, sample_weight = kept_sparse(x, y, sample_weight)
        max_epochs = config.max_epochs()
        if max_epochs and max_epochs < epochs:
            warnings.warn(f"Limiting epochs to {max_epochs}", stacklevel=2)
            epochs = max_epochs
        if validation_split and validation_data is None:
            (x, y, sample_weight), validation_data = array_slicing.train_validation_split(
                (x, y, sample_weight), validation_split=validation_split
            )
        validation = None
        self._eval_epoch_iterator = None
        if validation_data is not None:
            validation = data_adapter_utils.unpack_x_y_sample_weight(validation_data)
            require_arrays(**{f"validation_data[{i}]": part for i, part in enumerate(validation)})
        iterator = Batches(
            x=x,
            y=y,
            sample_weight=sample_weight,
            batch_size=batch_size,
            steps_per_epoch=steps_per_epoch,
            shuffle=shuffle,
            class_weight=class_weight,
            steps_per_execution=self.steps_per_execution,
        )
        iterator.reset()
        callbacks = self._callback_list(callbacks, iterator, epochs, verbose, history=True)
        self.stop_training = False
        train_function = self.make_train_function()
        progress = Progress(self, iterator, callbacks)
        training_logs = None
        callbacks.on_train_begin()
        progress.resume(within_epoch=False)
        try:
            for progress.epoch in range(self._initial_epoch or initial_epoch, epochs):
                epoch = progress.epoch
                undisturbed(self.reset_metrics)
                callbacks.on_epoch_begin(epoch)
                progress.resume(within_epoch=True)
                for begin, end, batches in iterator:
                    callbacks.on_train_batch_begin(begin)
                    progress.logs = train_function(batches)
                    callbacks.on_train_batch_end(end, progress.logs)
                    if self.stop_training:
                        break
                epoch_logs = dict(self._get_metrics_result_or_logs(progress.logs))
                if validation is not None and self._should_eval(epoch, validation_freq):
                    epoch_logs |= self._validate(
                        validation, validation_batch_size or batch_size, validation_steps, callbacks
                    )
                progress.end_epoch()
                callbacks.on_epoch_end(epoch, epoch_logs)
                training_logs = epoch_logs
                if self.stop_training:
                    break
        finally:
            self._eval_epoch_iterator = None
        if isinstance(self.optimizer, optimizers_module.Optimizer) and epochs > 0:
            self.optimizer.finalize_variable_values(self.trainable_weights)
        callbacks.on_train_end(logs=training_logs)
        return self.history

    def _validate(
        self, data: Any, batch_size: int | None, steps: int | None, callbacks: Any
    ) -> dict[str, Any]:
        """The validation logs of one epoch; the iterator over the data is kept for the next."""
        x, y, sample_weight = data
        if self._eval_epoch_iterator is None:
            self._eval_epoch_iterator = Batches(
                x=x,
                y=y,
                sample_weight=sample_weight,
                batch_size=batch_size,
                steps_per_epoch=steps,
                steps_per_execution=self.steps_per_execution,
                shuffle=False,
            )
        logs = self.evaluate(
            x=x,
            y=y,
            sample_weight=sample_weight,
            batch_size=batch_size,
            steps=steps,
            callbacks=callbacks,
            return_dict=True,
            _use_cached_eval_dataset=True,
        )
        return {f"val_{name}": value for name, value in logs.items()}

    @traceback_utils.filter_traceback
    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: Any = "auto",
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        return_dict: bool = False,
        **kwargs: Any,
    ) -> Any:
        """The loss and the metrics on data; see `keras.Model.evaluate`."""
        self._assert_compile_called("evaluate")
        require_arrays(x=x, y=y, sample_weight=sample_weight)
        cached = kwargs.pop("_use_cached_eval_dataset", False)
        if kwargs:
            raise ValueError(f"Arguments not recognized: {kwargs}")
        if cached:
            iterator: Any = self._eval_epoch_iterator
        else:
            iterator = Batches(
                x=x,
                y=y,
                sample_weight=sample_weight,
                batch_size=batch_size,
                steps_per_epoch=steps,
                shuffle=False,
                steps_per_execution=self.steps_per_execution,
            )
        iterator.reset()
        callbacks = self._callback_list(callbacks, iterator, 1, verbose, history=False)
        test_function = self.make_test_function()
        self.stop_evaluating = False
        callbacks.on_test_begin()
        logs: Any = {}
        undisturbed(self.reset_metrics)
        for begin, end, batches in iterator:
            callbacks.on_test_batch_begin(begin)
            logs = test_function(batches)
            callbacks.on_test_batch_end(end, logs)
            if self.stop_evaluating:
                break
        logs = pythonify_logs(self._get_metrics_result_or_logs(logs))
        callbacks.on_test_end(logs)
        return logs if return_dict else self._flatten_metrics_in_order(logs)

    @traceback_utils.filter_traceback
    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: Any = "auto",
        steps: int | None = None,
        callbacks: Any = None,
    ) -> Any:
        """The model's outputs for data, as NumPy arrays; see `keras.Model.predict`."""
        require_arrays(x=x)
        iterator = Batches(
            x=x,
            batch_size=batch_size,
            steps_per_epoch=steps,
            shuffle=False,
            steps_per_execution=self.steps_per_execution,
        )
        callbacks = self._callback_list(callbacks, iterator, 1, verbose, history=False)
        predict_function = self.make_predict_function()
        self.stop_predicting = False
        callbacks.on_predict_begin()
        parts: list[Any] = []
        for begin, end, batches in iterator:
            callbacks.on_predict_batch_begin(begin)
            parts.append(predict_function(batches))
            callbacks.on_predict_batch_end(end, {"outputs": parts[-1]})
            if self.stop_predicting:
                break
        callbacks.on_predict_end()
        if not parts:
            raise ValueError("`predict` received no data: there is not a single batch in `x`.")
        return _concatenated(parts)

    # -- single batches -------------------------------------------------------------------------------------

    def train_on_batch(
        self,
        x: Any,
        y: Any = None,
        sample_weight: Any = None,
        class_weight: Any = None,
        return_dict: bool = False,
    ) -> Any:
        """One update on one batch; see `keras.Model.train_on_batch`."""
        self._assert_compile_called("train_on_batch")
        if class_weight is not None:
            if sample_weight is not None:
                raise ValueError(
                    "Arguments `sample_weight` and `class_weight` cannot be specified at the same time. "
                    f"Received: sample_weight={sample_weight}, class_weight={class_weight}"
                )
            sample_weight = data_adapter_utils.class_weight_to_sample_weights(y, class_weight)
        batch = as_arrays((x, y, sample_weight))
        logs = _alone(self.make_train_function(), batch, self.reset_metrics)
        return self._batch_result(logs, return_dict)

    def test_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, return_dict: bool = False
    ) -> Any:
        """The loss and the metrics on one batch; see `keras.Model.test_on_batch`."""
        self._assert_compile_called("test_on_batch")
        batch = as_arrays((x, y, sample_weight))
        logs = _alone(self.make_test_function(), batch, self.reset_metrics)
        return self._batch_result(logs, return_dict)

    def _batch_result(self, logs: Any, return_dict: bool) -> Any:
        logs = pythonify_logs(logs)
        return logs if return_dict else self._flatten_metrics_in_order(logs)

    def predict_on_batch(self, x: Any) -> Any:
        """The model's outputs for one batch, as NumPy arrays; see `keras.Model.predict_on_batch`."""
        return self.make_predict_function()([(as_arrays(x),)])


class StepFunction:
    """Keras's `train_function` and its kin: runs a step on each batch of a list.

    Args:
        step: the step. combine: makes one result of the steps' results.
    """

    def __init__(self, step: Step, combine: Callable[[list[Any]], Any]) -> None:
        self.step = step
        self.combine = combine

    def __call__(self, batches: Sequence[Any]) -> Any:
        return self.combine([self.step(batch) for batch in batches])

    def alone(self, batch: Any, first: Callable[[], Any]) -> Any:
        """The step on one batch, with what has to be assigned before."""
        return self.combine([self.step(batch, first)])


def _alone(function: Any, batch: Any, first: Callable[[], Any]) -> Any:
    """A step outside of `fit`; one that is the user's own gets a list of batches."""
    if isinstance(function, StepFunction):
        return function.alone(batch, first)
    undisturbed(first)
    return function([batch])


def _last(results: list[Any]) -> Any:
    """The logs of the last step."""
    return results[-1] if results else {}


def _concatenated(results: list[Any]) -> Any:
    """The outputs of all steps, one batch behind the other."""
    if len(results) == 1:
        return results[0]
    return tree.map_structure(lambda *parts: np.concatenate(parts), *results)


__all__ = ["NumpyTrainer"]
