"""Every public name of the installed Keras, and what else the same thing is called."""

from __future__ import annotations

import types
from typing import Any

import keras

# Where a thing that has names in several modules is at home: the first of these that has it. The others come last.
HOMES = (
    *(
        "keras.layers",
        "keras.utils",
        "keras.preprocessing",
        "keras.applications",
        "keras.models",
        "keras.callbacks",
    ),
    *("keras.optimizers", "keras.losses", "keras.metrics", "keras.activations", "keras.initializers"),
    *("keras.regularizers", "keras.constraints", "keras.ops", "keras.dtype_policies", "keras.config"),
    *("keras.saving", "keras.random", "keras.quantizers", "keras.distribution"),
)


def public_names() -> dict[str, list[str]]:
    """The names, each of a thing of its own, with the other names of that thing."""
    found: dict[int, list[str]] = {}
    kept: list[Any] = []  # so that no number is used twice
    for path, thing in _walk(keras, "keras"):
        kept.append(thing)
        found.setdefault(id(thing), []).append(path)
    homes = {}
    for thing, names in ((thing, found.pop(id(thing))) for thing in kept if id(thing) in found):
        first, *others = sorted(names, key=lambda name: _rank(name, getattr(thing, "__name__", "")))
        homes[first] = others
    return dict(sorted(homes.items()))


def _walk(module: Any, path: str) -> Any:
    for name in dir(module):
        thing = getattr(module, name)
        if name.startswith("_") or (path, name) == ("keras", "src"):
            continue
        if isinstance(thing, types.ModuleType):
            yield from _walk(thing, f"{path}.{name}")
        else:
            yield f"{path}.{name}", thing


def _rank(path: str, own: str) -> tuple[int, int, bool, str]:
    module, _, name = path.rpartition(".")
    place = next((i for i, home in enumerate(HOMES) if f"{module}.".startswith(f"{home}.")), len(HOMES))
    return (place + (module == "keras"), module.count("."), name != own, name)
