"""What the tables of cases share: the record of a case, data, training.

Everything here runs under either engine, and so names neither: the reference
program imports it into stock Keras on TensorFlow, the tests into kerasflow.
"""

import inspect
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

Results = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Case:
    """A computation whose results must be the same under both engines.

    Attributes:
        name: `family/what`, unique.
        run: makes the results from nothing: arrays by name.
        tolerance: the largest difference allowed, relative to the largest number of an array
            (`losses`: relative to each loss).
        covers: the public class that the case is there for, "" if none.
        limits: tolerances of single arrays.
        apart: how many times further two backends may be apart: rounding that many steps multiply depends on the order
            in which an engine adds.
        checked: whether each compiled program is compared with the plain evaluation of its graph as well.
        large: whether it takes many times as long as others, so that not every backend has to run it.
    """

    name: str
    run: Callable[[], Results]
    tolerance: float = 1e-4
    covers: str = ""
    limits: dict[str, float] = field(default_factory=dict)
    apart: float = 1.0
    checked: bool = True
    large: bool = False

    def __str__(self) -> str:
        return self.name


def rng(seed: Any = 0) -> np.random.Generator:
    """A generator for data; a seed may be any text."""
    return np.random.default_rng(zlib.crc32(str(seed).encode()))


def normal(*shape: int, seed: Any = 0, scale: float = 1.0) -> np.ndarray:
    return (rng(seed).standard_normal(shape) * scale).astype("float32")


def classes(n: int, k: int, seed: Any = 0) -> np.ndarray:
    return rng(seed).integers(0, k, n).astype("int32")


def set_weights(variables: Iterable[Any], scale: float = 0.3) -> None:
    """The same numbers for the variables under both engines, in their own dtypes."""
    for i, variable in enumerate(variables):
        value = rng(f"weight {i}").standard_normal(variable.shape) * scale
        variable.assign(value.astype("float32").astype(variable.dtype))


class Losses(keras.callbacks.Callback):
    """Keeps the loss of every step (Keras's logs are running means: the metrics are reset at each step)."""

    def __init__(self) -> None:
        super().__init__()
        self.values: list[float] = []

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        self.model.reset_metrics()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.values.append(float(logs["loss"]))


def results_of(model: Any) -> Results:
    """The weights and the optimizer's variables of a model."""
    found = {f"weight {i} {w.name}": w.numpy() for i, w in enumerate(model.weights)}
    if getattr(model, "optimizer", None) is not None:
        found |= {f"optimizer {i} {v.name}": v.numpy() for i, v in enumerate(model.optimizer.variables)}
    return found


def train(model: Any, x: Any, y: Any, batch_size: int = 16, epochs: int = 1, **fit: Any) -> Results:
    """Fit without shuffling from fixed weights; the losses, the weights and the optimizer's variables."""
    set_weights(model.trainable_variables)
    losses = Losses()
    model.fit(x, y, batch_size, epochs, verbose=0, shuffle=False, callbacks=[losses], **fit)
    return {"losses": np.array(losses.values), **results_of(model)}


def options(cls: Any, **kwargs: Any) -> dict[str, Any]:
    """Those of the keyword arguments that the class has."""
    return {k: v for k, v in kwargs.items() if k in inspect.signature(cls.__init__).parameters}


def public_classes(module: Any, base: Any) -> dict[str, Any]:
    """The classes that a module of Keras exports, by the name that each calls itself; aliases are one."""
    return {
        cls.__name__: cls
        for name, cls in vars(module).items()
        if inspect.isclass(cls) and issubclass(cls, base) and cls is not base and not name.startswith("_")
    }


def known(table: Mapping[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """The classes, of those that this Keras has, which a table has an entry for; test_every_class.py says which not."""
    return {name: cls for name, cls in found.items() if name in table}
