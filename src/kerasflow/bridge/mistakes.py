"""What is probably wrong with data and labels, said in errors of the kinds that Keras raises."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras.src import tree

from kerasflow.bridge.ops.tensors import REMEDY
from kerasflow.graph import is_text

_SPARSE = "sparse_categorical_crossentropy"


@dataclass(frozen=True)
class Labels:
    """Asks of labels that they are numbers of classes.

    Args:
        classes: how many there are. output: the shape of what the model gives for them.
    """

    classes: int
    output: tuple[int, ...]

    def __call__(self, labels: np.ndarray[Any, Any]) -> None:
        """See that they are.

        Raises:
            ValueError: one is not.
        """
        if not labels.size:
            return
        least, most = labels.min(), labels.max()
        if least >= 0 and most < self.classes:
            return
        if np.isfinite([least, most]).all():
            least, most = int(np.floor(least)), int(np.ceil(most))
        raise ValueError(
            f"The labels of `{_SPARSE}` are numbers of classes, from 0 to {self.classes - 1} for an output of shape "
            f"{self.output}; received labels from {least} to {most}. {self._remedy(least, most)}"
        )

    def _remedy(self, least: Any, most: Any) -> str:
        if not isinstance(most, int):
            return "Leave out the samples that have no label."
        if self.classes == 1:
            return (
                "For two classes and one output the loss is `binary_crossentropy`; for more give the last layer one "
                f"unit for each class, {most + 1}."
            )
        if least == 1 and most == self.classes:
            return f"Count the classes from 0, `y - 1`, or give the last layer {most + 1} units."
        if least < 0:
            return (
                "If such a label means that there is none: "
                f"`keras.losses.SparseCategoricalCrossentropy(ignore_class={least})`."
            )
        return (
            f"Give the last layer one unit for each class, {most + 1}, or number the classes that there are: "
            "`names, y = np.unique(y, return_inverse=True)`."
        )


def hint_for_sparse(target: tuple[int, ...], output: tuple[int, ...]) -> str:
    """What to do about labels of this shape, which do not fit to an output with one place for each class."""
    if len(target) == len(output) and target[-1] == output[-1]:
        return (
            f" Labels with one place for each of {output[-1]} classes (one-hot) go with the loss "
            "`categorical_crossentropy`; or make numbers of them, `np.argmax(y, axis=-1)`."
        )
    return _hint_for_places(target, output[:-1])


def _hint_for_places(labels: tuple[int, ...], outputs: tuple[int, ...]) -> str:
    """What to do where a sample has more outputs than labels; both shapes are without the axis of the classes."""
    if len(labels) < len(outputs) and labels == outputs[: len(labels)]:
        return (
            f" The model has an output for each of {math.prod(outputs[len(labels) :])} places or steps of a sample. "
            "For one of the sample put `Flatten` or a global pooling before the last layer, or leave out "
            "`return_sequences=True`."
        )
    return ""


def hint_for_categorical(target: tuple[int, ...], output: tuple[int, ...]) -> str:
    """What to do about labels that have another shape than the output."""
    if output[-1:] > (1,) and target in (output[:-1], (*output[:-1], 1)):
        return (
            f" Labels that are numbers of classes go with the loss `{_SPARSE}`; or give each a place for every class, "
            f"`keras.utils.to_categorical(y, {output[-1]})`."
        )
    if output[-1:] == (1,) and target[:-1] == output[:-1]:
        return (
            f" The model has one output for each sample, the labels have {target[-1]} places: give the last layer as "
            "many units; or of two classes with one place each take the second, `y[:, 1:]`."
        )
    if target[-1:] == output[-1:]:
        return _hint_for_places(target[:-1], output[:-1])
    return ""


def require_arrays(**data: Any) -> None:
    """Refuse dates, lists of numbers and strings, for which Keras has no adapter, and sequences of different lengths.

    Args:
        data: arguments of `fit` and its kin, by name.

    Raises:
        ValueError: naming the argument.
    """
    for name, given in data.items():
        if isinstance(given, np.ndarray) and given.dtype.kind in "mM":
            days = name if given.dtype.kind == "m" else f"({name} - {name}.min())"
            raise ValueError(
                f"Invalid dtype: `{name}` has dates or time spans ({given.dtype}). Make numbers of them, days say: "
                f"`({days} / np.timedelta64(1, 'D')).astype('float32')`."
            )
        objects = isinstance(given, np.ndarray) and given.dtype == object
        if not objects and not isinstance(given, (list, tuple, Mapping)):
            continue
        kind = next((type(x).__name__ for x in tree.flatten(given) if isinstance(x, (int, float, str))), None)
        lengths = _lengths(given) if objects or kind is not None else set()
        if len(lengths) > 1:
            raise ValueError(
                f"`{name}` is ragged: it has sequences of different lengths, from {min(lengths)} to {max(lengths)}. "
                f"{REMEDY}"
            )
        if kind is not None:
            raise ValueError(
                f"Unrecognized data type: `{name}` is a {type(given).__name__} with numbers or strings of Python's "
                f"({kind}) in it. To Keras a list or a dictionary is one of arrays, one for each input or output. Give "
                f"an array: `np.array({name})`."
            )


def _lengths(samples: Any) -> set[int]:
    """How long the samples are that are sequences."""
    return {len(x) for x in samples if isinstance(x, (list, tuple)) or (isinstance(x, np.ndarray) and x.ndim)}


@contextmanager
def explained(y: Any, y_pred: Any, names: Sequence[str] | None) -> Iterator[None]:
    """Say of an error in the loss what is the matter with the labels, where it is them.

    Args:
        names: of the outputs, if they have names.
    """
    try:
        yield
    except (AttributeError, KeyError, ValueError) as error:  # The first where None is asked for its shape.
        reason = _reason(y, y_pred, names) or _reason_of_shapes(y, y_pred, error)
        if reason is None:
            raise
        kind = KeyError if isinstance(error, KeyError) else ValueError
        raise kind(f"{reason} ({_said(error)})") from error


@contextmanager
def explained_metrics(y: Any, y_pred: Any) -> Iterator[None]:
    """Say of an error in a metric what it is that does not fit, where it is the labels' shape."""
    try:
        yield
    except ValueError as error:
        shapes = _unlike(y, y_pred, error)
        if shapes is None:
            raise
        labels, output = shapes
        classes = (
            f"`keras.utils.to_categorical(y, {output[-1]})`" if output else "`keras.utils.to_categorical`"
        )
        raise ValueError(
            f"A metric cannot compare labels of shape {labels} with an output of shape {output}. Those named `Sparse…` "
            "take numbers of classes, `accuracy` what the loss takes, all others labels of the output's shape, "
            f"{classes}. ({_said(error)})"
        ) from error


def _said(error: Exception) -> str:
    return str(error.args[0] if error.args else error).partition("\n")[0]


def _unlike(y: Any, y_pred: Any, error: Exception) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """The shapes of the labels and the output that NumPy could not broadcast, if there is one of each."""
    labels, outputs = tree.flatten(y), tree.flatten(y_pred)
    if "broadcast" not in str(error) or len(labels) != 1 or len(outputs) != 1:
        return None
    return tuple(np.shape(labels[0])), tuple(outputs[0].shape)


def _reason_of_shapes(y: Any, y_pred: Any, error: Exception) -> str | None:
    shapes = _unlike(y, y_pred, error)
    if shapes is None:
        return None
    labels, output = shapes
    hint = hint_for_categorical(labels, output) or _hint_for_places(labels, output)
    return f"The loss cannot compare labels of shape {labels} with an output of shape {output}.{hint}"


def _reason(y: Any, y_pred: Any, names: Sequence[str] | None) -> str | None:
    labels, outputs = tree.flatten(y), tree.flatten(y_pred)
    if y is None:
        return (
            "There are no labels, and the loss needs them: `fit(x, y)`; a data set or generator gives pairs `(x, y)`. "
            "A model whose losses all come from `add_loss` is compiled without `loss`."
        )
    if len(labels) != len(outputs):
        named = (
            [f"{name!r} " for name in names] if names and len(names) == len(outputs) else [""] * len(outputs)
        )
        listed = ", ".join(f"{name}{tuple(x.shape)}" for name, x in zip(named, outputs, strict=True))
        given = ", ".join(str(tuple(np.shape(x))) for x in labels)
        return (
            f"The model has {_count(outputs, 'output')} ({listed}), `y` has {_count(labels, 'array')} ({given}). Give "
            "one for each output: a list in their order, or a dictionary by their names."
        )
    if any(hasattr(x, "dtype") and (is_text(x.dtype) or x.dtype == object) for x in labels):
        return (
            "The labels `y` are strings or Python objects. Number the classes: `names, y = np.unique(y, "
            f"return_inverse=True)`, with the loss `{_SPARSE}`; `names[i]` is then the name of class i."
        )
    return None


def _count(things: Sequence[Any], name: str) -> str:
    return f"{len(things)} {name}{'' if len(things) == 1 else 's'}"
