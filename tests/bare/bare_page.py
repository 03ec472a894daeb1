"""The part of docs/compatibility.md on what of Keras runs without any framework: what ran, where, and what did not."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
STORED = HERE / "bare.json"
PAGE = HERE.parents[1] / "docs" / "compatibility.md"
BEGIN, END = "<!-- bare -->", "<!-- end of bare -->"
BARE = "bare"

# What ran in no environment, and why that is so.
_CALLS_JAX = "needs stock Keras on JAX or TensorFlow: it calls a function of JAX's"
REASONS = {
    "keras.layers.JaxLayer": _CALLS_JAX,
    "keras.layers.FlaxLayer": _CALLS_JAX,
    "keras.layers.TorchModuleWrapper": "needs stock Keras on PyTorch: it calls a module of PyTorch's",
    "keras.layers.TFSMLayer": "needs stock Keras on TensorFlow: it calls a SavedModel",
    "keras.utils.plot_model": "needs pydot and Graphviz, which was not at hand; `kerasflow.plot_graph` needs neither",
    'keras.Model.export(format="openvino")': 'not here: OpenVINO reads what `format="onnx"` writes',
    'keras.Model.export(format="litert")': (
        "needs TensorFlow's converter: "
        "export a SavedModel, and give it to `tf.lite.TFLiteConverter.from_saved_model`"
    ),
    'keras.Model.export(format="torch")': "needs stock Keras on PyTorch: it writes PyTorch's own programs",
    "keras.optimizers.legacy.Adagrad": "nowhere: Keras 3 has none of Keras 2's, on any backend",
}

# Modules with a row for each name, under each heading; of others the names that are alike share one.
SECTIONS = {
    "Layers": ("layer", ("keras.layers",)),
    "Utilities": (
        "utility",
        (
            *(
                "keras.utils",
                "keras.preprocessing",
                "keras.datasets",
                "keras.visualization",
                "keras.callbacks",
            ),
            *("keras.wrappers", "keras.export", "keras.Model", "kerasflow"),
        ),
    ),
}

PREFACE = """## Without any framework

What of Keras runs where none of TensorFlow, JAX and PyTorch is installed. Every public name of Keras was called with a
small example (`all_uses.py` in `tests/bare`): layers, losses, metrics and optimizers with each use that the tests
compare with stock Keras's, operations with their calls in the tests, networks of `keras.applications` without weights
(they are built, and predict), datasets with a small file in place of the download. *bare* is `pip install kerasflow` in
an empty environment; what did not run there was tried with one extra or package more.
`python tests/bare/bare_environments.py FOLDER` does that and writes this part; CI calls all that is said to run bare,
or with `kerasflow[data]`, in an environment that has nothing else."""


def stored() -> dict[str, Any]:
    """What is kept: a date, versions, and for each name its other names and what it ran with."""
    return json.loads(STORED.read_text("utf-8"))


def keep(found: dict[str, Any]) -> None:
    """Keep what was found, and write the page."""
    head, names = {k: v for k, v in found.items() if k != "names"}, found["names"]
    lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(names[name])}" for name in names)
    STORED.write_text(json.dumps(head, indent=1)[:-2] + f',\n "names": {{\n{lines}\n }}\n}}\n', "utf-8")
    PAGE.write_text(filled(PAGE.read_text("utf-8")), "utf-8")


def _says(name: str, ran_with: str | None) -> str:
    if ran_with is None:
        return REASONS[name]
    return ran_with if ran_with == BARE else f"with {ran_with}"


def _module(name: str) -> str:
    """The module that a name is of, up to what Keras calls a part of itself: `keras.ops`."""
    parts = name.partition("(")[0].split(".")
    return ".".join(parts[: min(2, len(parts) - 1)])


def _table(head: str, rows: Iterable[tuple[str, str]]) -> str:
    return "\n".join(
        (f"| {head} | works |", "| :-- | :-- |", *(f"| {name} | {says} |" for name, says in rows))
    )


def _named(module: str, names: dict[str, Any]) -> list[tuple[str, str]]:
    """A row for each name of a module, with its other names in that module."""
    rows = []
    for name, (others, ran_with) in names.items():
        if _module(name) == module:
            short = module if module in ("keras.layers", "keras.utils") else "keras"
            also = [other for other in others if other.startswith(f"{module}.")]
            called = ", ".join(f"`{one.removeprefix(f'{short}.')}`" for one in (name, *also))
            rows.append((called, _says(name, ran_with)))
    return rows


def _together(names: dict[str, Any]) -> list[tuple[str, str]]:
    """A row for each module and what its names ran with."""
    found: dict[tuple[str, str], list[str]] = {}
    for name, (_, ran_with) in names.items():
        found.setdefault((_module(name), _says(name, ran_with)), []).append(name)
    rows = []
    for (module, says), alike in found.items():
        few = ", ".join(f"`{name}`" for name in alike)
        rows.append((few if says != BARE else f"`{module}`: {len(alike)} names", says))
    return rows


def section() -> str:
    """The part of the page, with the marks around it."""
    found = stored()
    names = found["names"]
    bare = sum(ran_with == BARE for _, ran_with in names.values())
    data = sum(ran_with == "`kerasflow[data]`" for _, ran_with in names.values())
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    parts = [
        PREFACE,
        f"Of {len(names)} names {bare} run bare and {data} more with `kerasflow[data]`. "
        f"Tried {found['date']}, with {versions}.",
    ]
    apart = {module for _, modules in SECTIONS.values() for module in modules}
    for head, (one, modules) in SECTIONS.items():
        rows = [row for module in modules for row in _named(module, names)]
        parts += [f"### {head}", _table(one, rows)]
    rest = {name: said for name, said in names.items() if _module(name) not in apart}
    parts += ["### All else", _table("module", _together(rest))]
    return "\n\n".join([BEGIN, *parts, END])


def filled(page: str) -> str:
    """The page with its part made anew.

    Raises:
        ValueError: if the page has no place for it.
    """
    before, _, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"{PAGE.name} has no {BEGIN} with an {END} behind it")
    return before + section() + after
