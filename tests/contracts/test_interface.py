"""The interface that the installed Keras expects of a backend: nothing is missing, and every signature fits.

The sources of Keras's own backends and all places where Keras calls its backend are read as text (`ast`), so that no
other framework is imported; only what kerasflow serves in their place is.
"""

from __future__ import annotations

import ast
import functools
import importlib
import importlib.util
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import kerasflow  # noqa: F401  (before Keras)
from kerasflow.bridge.versions import LAYOUT

OPERATIONS = ("core", "nn", "numpy", "math", "linalg", "image")
FAMILIES = (*OPERATIONS, "random", "rnn")
STOCK = ("numpy", "jax", "tensorflow", "torch")

# What Keras asks of its backend and kerasflow does not have, by the reason: Keras falls back or never gets there.
ABSENT: dict[str, str] = {
    "nn.layer_normalization": "Keras asks whether there is one, and composes it of other operations",
    "nn.rms_normalization": "Keras asks whether there is one, and composes it of other operations",
    "tensorboard": "profiler traces: Keras asks for them only where the backend's name is tensorflow or jax",
}

# Parameters whose names or defaults differ from all stock backends, by the reason.
DIFFERENT: dict[str, str] = {}


@functools.cache
def keras_root() -> Path:
    """The folder of the installed `keras.src`."""
    spec = importlib.util.find_spec("keras")
    assert spec is not None and spec.submodule_search_locations
    return Path(next(iter(spec.submodule_search_locations))) / "src"


@functools.cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


# -- what the stock backends have -----------------------------------------------------------------------------


def module_of(family: str, framework: str = "numpy") -> str:
    """The module of a backend that has a family of functions."""
    package = LAYOUT.operations if family in OPERATIONS else "keras.src.backend.numpy"
    return f"{package}.{family}".replace("numpy", framework, 1)


def source_of(family: str, framework: str) -> Path:
    return keras_root().joinpath(*module_of(family, framework).split(".")[2:]).with_suffix(".py")


@functools.cache
def stock_functions(framework: str, family: str) -> dict[str, ast.FunctionDef]:
    """The functions that a stock backend's module defines."""
    tree = parsed(source_of(family, framework))
    return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}


@functools.cache
def stock_names(framework: str, family: str) -> frozenset[str]:
    """All names that a stock backend's module defines: functions, classes, what is assigned."""
    names: set[str] = set()
    for node in parsed(source_of(family, framework)).body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names.update(target.id for target in node.targets if isinstance(target, ast.Name))
    return frozenset(names)


def exported(framework: str) -> set[str]:
    """The names that a stock backend's package itself exports."""
    tree = parsed(keras_root() / "backend" / framework / "__init__.py")
    imports = (node for node in tree.body if isinstance(node, ast.ImportFrom))
    return {alias.asname or alias.name for node in imports for alias in node.names}


# -- what Keras uses ------------------------------------------------------------------------------------------


def attribute_chain(node: ast.AST) -> list[str]:
    """`a.b.c` as `["a", "b", "c"]`; empty for other expressions."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return [node.id, *reversed(parts)] if isinstance(node, ast.Name) else []


def used_name(node: ast.AST) -> str | None:
    """`nn.relu` for `backend.nn.relu` and `self.backend.ops.nn.relu`; None for what is no attribute of the backend."""
    chain = attribute_chain(node)
    if "backend" not in chain[:2]:
        return None
    rest = chain[chain.index("backend") + 1 :]
    if rest[:1] == ["ops"]:
        rest = rest[1:] if rest[1:2] and rest[1] in FAMILIES else ["core", *rest[1:]]
    return ".".join(rest[: 2 if rest and rest[0] in FAMILIES else 1]) or None


def keras_sources() -> Iterator[Path]:
    """Keras's own modules, without its tests and without its backends."""
    root = keras_root()
    for path in sorted(root.rglob("*.py")):
        parts = path.relative_to(root).parts
        of_a_backend = parts[0] == "backend" and parts[1] in (*STOCK, "openvino")
        if not path.name.endswith("_test.py") and not of_a_backend:
            yield path


@functools.cache
def used() -> dict[str, list[str]]:
    """Every name that Keras uses of its backend, and where."""
    found: dict[str, list[str]] = {}
    for path in keras_sources():
        for node in ast.walk(parsed(path)):
            name = used_name(node) if isinstance(node, ast.Attribute) else None
            if name is not None:
                found.setdefault(name, []).append(f"{path.relative_to(keras_root())}:{node.lineno}")
    return found


def served(name: str) -> Any:
    """What kerasflow serves under a name of the backend.

    Raises:
        AttributeError: if it does not.
    """
    family, _, rest = name.rpartition(".")
    module = importlib.import_module(module_of(family) if family else "keras.src.backend")
    return getattr(module, rest)


def has(name: str) -> bool:
    try:
        served(name)
    except AttributeError:
        return False
    return True


# -- signatures -----------------------------------------------------------------------------------------------


def default_text(default: Any) -> str:
    """A default as it stands in a source: `None`, `'hann'`, `(3, 3)`."""
    if isinstance(default, ast.AST):
        try:
            return repr(ast.literal_eval(default))
        except ValueError:
            return ast.unparse(default)
    return repr(default)


def stock_signature(node: ast.FunctionDef) -> list[tuple[str, str | None]]:
    """The parameters of a function in a source, and their defaults; `*args` and `**kwargs` too."""
    a = node.args
    positional = [*a.posonlyargs, *a.args]
    defaults: list[ast.expr | None] = [None] * (len(positional) - len(a.defaults)) + [*a.defaults]
    pairs = [*zip(positional, defaults, strict=True), *zip(a.kwonlyargs, a.kw_defaults, strict=True)]
    found = [(p.arg, None if d is None else default_text(d)) for p, d in pairs]
    if a.vararg:
        found.insert(len(positional), (f"*{a.vararg.arg}", None))
    return found + ([(f"**{a.kwarg.arg}", None)] if a.kwarg else [])


def our_signature(function: Any) -> list[tuple[str, str | None]]:
    found = []
    for p in inspect.signature(function).parameters.values():
        stars = {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}.get(p.kind, "")
        found.append((stars + p.name, None if p.default is p.empty else default_text(p.default)))
    return found


def fits(ours: list[tuple[str, str | None]], stock: list[tuple[str, str | None]]) -> bool:
    """Whether calls for the one signature are calls for the other; we may have more parameters that have defaults."""
    return ours[: len(stock)] == stock and all(default is not None for _, default in ours[len(stock) :])


# -- the contract ---------------------------------------------------------------------------------------------


def needed_names() -> list[str]:
    """What Keras uses and a stock backend has."""

    def is_stock(name: str) -> bool:
        family, _, rest = name.rpartition(".")
        return any(rest in (stock_names(f, family) if family else exported(f)) for f in STOCK)

    return sorted(filter(is_stock, used()))


def functions_with_stock() -> list[str]:
    """The functions of the stock backends that Keras uses and kerasflow has."""
    return [
        f"{family}.{name}"
        for family in FAMILIES
        for name in sorted(set().union(*(stock_functions(framework, family) for framework in STOCK)))
        if f"{family}.{name}" in used() and has(f"{family}.{name}")
    ]


def test_keras_is_read() -> None:
    """The reader finds what everybody knows to be there."""
    assert {"nn.relu", "core.cond", "random.normal", "numpy.einsum"} <= set(used())
    assert {"rnn", "lstm"} <= set(used()) or {"rnn.rnn", "rnn.lstm"} <= set(used())
    assert len(used()) > 300
    assert stock_signature(stock_functions("jax", "nn")["one_hot"])[:2] == [
        ("x", None),
        ("num_classes", None),
    ]


@pytest.mark.parametrize("name", needed_names())
def test_every_name_is_there(name: str) -> None:
    if name in ABSENT:
        pytest.skip(ABSENT[name])
    assert has(name), (
        f"Keras uses `backend.{name}` ({', '.join(used()[name][:3])}), and kerasflow does not have it"
    )


def test_no_excuse_is_out_of_date() -> None:
    assert [name for name in ABSENT if has(name)] == []
    assert [name for name in DIFFERENT if not has(name)] == []


@pytest.mark.parametrize("name", functions_with_stock())
def test_the_signature_is_a_stock_one(name: str) -> None:
    """The same parameters in the same order with the same defaults as in one of the stock backends."""
    family, _, rest = name.rpartition(".")
    signatures = {
        framework: stock_signature(functions[rest])
        for framework in STOCK
        if rest in (functions := stock_functions(framework, family))
    }
    ours = our_signature(served(name))
    right = any(fits(ours, signature) for signature in signatures.values())
    if name in DIFFERENT:
        assert not right, f"`backend.{name}` needs no excuse any more"
        return
    listed = "\n".join(f"  {framework}: {signature}" for framework, signature in signatures.items())
    assert right, f"backend.{name}\n  ours: {ours}\n{listed}"


def calls() -> Iterator[tuple[str, str, ast.Call]]:
    """Every call that Keras makes of a function of its backend: its name, its place, the call."""
    for path in keras_sources():
        for node in ast.walk(parsed(path)):
            name = used_name(node.func) if isinstance(node, ast.Call) else None
            if name is not None:
                assert isinstance(node, ast.Call)
                yield name, f"{path.relative_to(keras_root())}:{node.lineno}", node


def fits_a_stock_one(name: str, call: ast.Call) -> bool:
    """Whether one of Keras's backends knows the names of a call's arguments; else the call is a mistake of Keras's."""
    family, _, rest = name.rpartition(".")
    wanted = {keyword.arg for keyword in call.keywords}
    functions = [stock_functions(framework, family).get(rest) for framework in STOCK] if family else []
    known = [{parameter for parameter, _ in stock_signature(f)} for f in functions if f is not None]
    return not known or any(wanted <= names for names in known)


def test_every_call_that_keras_makes_fits() -> None:
    wrong, checked = [], 0
    for name, place, call in calls():
        starred = any(isinstance(a, ast.Starred) for a in call.args) or any(
            k.arg is None for k in call.keywords
        )
        if starred or name in ABSENT or not has(name) or not callable(served(name)):
            continue
        if not fits_a_stock_one(name, call):
            continue
        checked += 1
        try:
            inspect.signature(served(name)).bind(*call.args, **{str(k.arg): k.value for k in call.keywords})
        except TypeError as error:
            wrong.append(f"{place}: backend.{name}: {error}")
    assert checked > 500
    assert not wrong, "\n".join(wrong)


def test_saved_models_are_written_here() -> None:
    """Keras's class of archives is ours, or builds upon ours: it traces an endpoint, which needs no TensorFlow."""
    import keras

    from kerasflow.bridge.export import NumpyExportArchive

    archive = keras.export.ExportArchive()
    signature = [keras.InputSpec(shape=(None, 3), dtype="float32")]
    archive.add_endpoint("double", lambda x: 2 * x, signature)
    assert isinstance(archive, NumpyExportArchive)
