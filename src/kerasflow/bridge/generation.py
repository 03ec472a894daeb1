"""What KerasHub's tasks do in `generate` as one program: all tokens of a text, all steps of a diffusion."""

from __future__ import annotations

from typing import Any

from keras.src import tree

from kerasflow.bridge.compiled import ModelFunction
from kerasflow.bridge.step import as_arrays
from kerasflow.tracing import suspended
from kerasflow.tracing.tensor import tensors


class Generation(ModelFunction):
    """A task's `generate_step`, called as its user calls it, for one batch.

    Compiled once for each combination of shapes and dtypes, of stop tokens, and of what the task consists of: its
    variables (a LoRA adds some) and its sampler. Weights and the sampler's seeds are the program's state. With
    `run_eagerly=True` it runs operation by operation, as it does where layers cannot be compiled.

    Args:
        model: the task: a Keras model that has a `generate_step`.

    Raises:
        TracingError: when it is called, if the step needs a value while it is recorded.
    """

    def __init__(self, model: Any) -> None:
        super().__init__(model, self._generate)

    def _generate(self, parts: Any, args: Any, kwargs: Any) -> Any:
        return self.model.generate_step(*args, **kwargs)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Generate.

        Args:
            args: arrays, in any structure. kwargs: what is known when the program is made, as stop tokens are.

        Returns:
            What `generate_step` gives: tensors, in any structure.
        """
        with suspended():  # Also where a tape records, it is a program of its own.
            if self.runs_with_values:
                return self.model.generate_step(*args, **kwargs)
            args = as_arrays(args)
            parts = [*self.model.variables, getattr(self.model, "sampler", None)]
            try:
                entry, given = self.entry(parts, args, kwargs)
            except Exception as error:
                if not self.needs_host(args):
                    raise
                result = self.model.generate_step(*args, **kwargs)
                self.refusal = str(error)
                return result
            return tree.map_structure(tensors, entry(given))
