"""What is particular to PyTensor: compiled loops, linkers, state in place, and what choosing it does to a process."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import kerasflow  # noqa: F401  # isort: skip  (before Keras)
import keras
import ml_dtypes
import numpy as np
import pytest
from graphs import Variable, assert_runs, aval, graph_of

from kerasflow.graph import Constant, Graph, Node, Value, evaluate, infer, shaped
from kerasflow.passes import optimize
from kerasflow.primitives import PRIMITIVES
from kerasflow.primitives.elementwise import resolve_dtypes
from kerasflow.testing import SPECS, OpSpec, as_dtype, assert_backends_agree, assert_close
from kerasflow.tracing import apply

pytensor = pytest.importorskip("pytensor", reason="PyTensor is an extra")

from kerasflow_pytensor import PytensorBackend, elementwise, lowering, windows  # noqa: E402

SPECIAL = np.array([0.0, -0.0, 1.0, -1.5, 0.3, 2.0, np.inf, -np.inf, np.nan])
WHOLE = np.array([0, 1, 2, 3, 7, 100, 127, 5, 9])


def values(dtype: str) -> list[np.ndarray]:
    """Every pair of what rounding, division and comparison treat specially; and a condition."""
    numbers = np.array([0, 1]) if dtype == "bool" else SPECIAL if as_dtype(dtype).kind == "f" else WHOLE
    with np.errstate(all="ignore"):
        x, y = (a.astype(dtype).reshape(-1) for a in np.meshgrid(numbers, numbers))
    return [x, y, np.arange(x.size) % 3 == 0]


def node(name: str, operands: list[Value], **params: Any) -> Node:
    primitive = PRIMITIVES[name]
    return Node(primitive, operands, params, infer(primitive, [v.aval for v in operands], params))


def every_native(dtype: str) -> tuple[Graph, list[np.ndarray]]:
    """All that PyTensor computes itself, element by element, of numbers of one dtype, as one program."""
    arrays = values(dtype)
    x, y, condition = inputs = [Value(shaped(a)) for a in arrays]
    nodes = []
    for name, (_, kinds) in elementwise.NATIVE.items():
        operands = [x, y][: getattr(getattr(np, name, None), "nin", 1)]
        params: dict[str, Any] = {}
        if name == "where":
            operands = [condition, x, y]
        elif name == "clip":
            operands = [x, *(Constant(np.array(n, dtype)) for n in (1, 2))]
        elif name == "astype":
            nodes += [node(name, [x], dtype=np.dtype(to)) for to in ("bool", "int32", "float32")]
            params["dtype"] = np.dtype("float64")
        given = tuple(v.aval.dtype for v in operands)
        is_ufunc = name in elementwise.UFUNCS
        if x.aval.dtype.kind in kinds and not (
            is_ufunc and resolve_dtypes(getattr(np, name), given)[:-1] != given
        ):
            nodes.append(node(name, operands, **params))
    return Graph(inputs, nodes, [v for n in nodes for v in n.outputs]), arrays


@pytest.mark.parametrize(
    "dtype",
    [
        "float32",
        "int64",
        *(pytest.param(d, marks=pytest.mark.slow) for d in ("float64", "int32", "uint8", "bool")),
    ],
)
@pytest.mark.parametrize("linker", ["cvm", "numba"])
def test_compiled_loops_mean_what_numpy_does(linker: str, dtype: str) -> None:
    """One program for all, as one takes a compiler seconds and a hundred take minutes."""
    graph, arrays = every_native(dtype)
    assert all(map(lowering.is_native, graph.nodes)) and len(graph.nodes) > 5
    program = PytensorBackend(linker, native_from=0).compile(graph)
    found, _ = program([], arrays)
    expected, _ = evaluate(graph, [], arrays)
    for n, ours, theirs in zip(graph.nodes, found, expected, strict=True):
        assert_close(ours, theirs, 8, f"{n.primitive.name} of {dtype}")


def pools() -> list[OpSpec]:
    """One of each, with padding and windows that overlap."""
    found = [
        s for s in SPECS if s.primitive in windows.POOLING and any(map(any, s.parameters("")["padding"]))
    ]
    assert {s.primitive for s in found} == set(windows.POOLING)
    return found


@pytest.mark.parametrize("spec", pools(), ids=str)
def test_compiled_pooling(spec: OpSpec) -> None:
    assert_backends_agree(PytensorBackend("cvm", native_from=0), spec, "float32")


def losses(backend: Any, monkeypatch: pytest.MonkeyPatch) -> tuple[list[float], list[np.ndarray]]:
    """A few steps of the MNIST network in small."""
    registry = sys.modules["kerasflow.compiler.registry"]
    monkeypatch.setattr(registry, "_load", lambda name: backend)
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    x, y = rng.random((64, 30), np.float32), np.eye(10, dtype="float32")[rng.integers(0, 10, 64)]
    model = keras.Sequential(
        [
            keras.Input((30,)),
            keras.layers.Dense(600, activation="relu"),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    found = model.fit(x, y, batch_size=32, epochs=3, verbose=0).history["loss"]
    return found, model.get_weights()


@pytest.mark.parametrize("linker", ["cvm", "numba", "py"])
def test_linkers(linker: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from kerasflow_numpy import NumpyBackend

    expected, weights = losses(NumpyBackend(), monkeypatch)
    found, ours = losses(PytensorBackend(linker), monkeypatch)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    for a, b in zip(ours, weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5)


def composites(program: Any) -> list[str]:
    return [str(n.op) for n in program.function.maker.fgraph.toposort() if "Composite" in str(n.op)]


def test_loops_over_many_elements_are_fused_and_without_a_compiler_none() -> None:
    graph = graph_of(lambda x: np.exp(x) * x + np.float32(1), aval(200, 200))
    small = graph_of(lambda x: np.exp(x) * x + np.float32(1), aval(20, 20))
    assert len(composites(PytensorBackend("cvm").compile(graph))) == 1
    assert not composites(PytensorBackend("cvm").compile(small))
    with pytensor.config.change_flags(cxx=""):
        assert not composites(PytensorBackend("cvm").compile(graph))


def test_large_products_run_in_parts() -> None:
    backend = PytensorBackend("cvm")
    backend.threads = 3
    rng = np.random.default_rng(0)
    for x, y in (((256, 300), (300, 512)), ((1200, 200), (200, 100))):
        a, b = rng.random(x, np.float32), rng.random(y, np.float32)
        program = backend.compile(graph_of(np.matmul, aval(*x), aval(*y)))
        assert "Product" in str(program.function.maker.fgraph)
        (first,), _ = program([], [a, b])
        np.testing.assert_allclose(first, a @ b, rtol=1e-5)
        np.testing.assert_array_equal(program([], [a, b])[0][0], first)
    small = backend.compile(graph_of(np.matmul, aval(8, 8), aval(8, 8)))
    assert "Product" not in str(small.function.maker.fgraph)


def test_the_linker_is_pytensors_setting() -> None:
    graph = graph_of(lambda x: np.exp(x) * x, aval(200, 200))
    with pytensor.config.change_flags(linker="py"):
        assert not composites(PytensorBackend().compile(graph))


def step(linker: str) -> tuple[Any, list[np.ndarray]]:
    w, m = Variable(np.ones((200, 100), np.float32)), Variable(np.zeros((200, 100), np.float32))

    def update(x: Any) -> Any:
        m.assign(m.value * np.float32(0.9) + x)
        w.assign(w.value - np.float32(0.1) * m.value)
        return np.sum(w.value)

    graph = optimize(graph_of(update, aval(200, 100), variables=[w, m]))
    return PytensorBackend(linker).compile(graph), [v.cell.read() for v in (w, m)]


@pytest.mark.parametrize("linker", ["cvm", "numba"])
def test_state_is_updated_in_place(linker: str) -> None:
    program, state = step(linker)
    buffers = [PytensorBackend().from_host(a) for a in state]
    x = np.full((200, 100), 2, np.float32)
    _, now = program(buffers, [x])
    assert [np.shares_memory(a, b) for a, b in zip(buffers, now, strict=True)] == [True, True]
    np.testing.assert_allclose(now[0], 0.8, rtol=1e-6)
    assert all(container.storage[0] is None for container in program.containers), "state is not kept"


def test_state_that_moves() -> None:
    """Exchanged, returned, taken from an input, seen through a view: no buffer is two things."""
    a, b, c = (Variable(np.full((3, 4), n, np.float32)) for n in range(3))

    def move(x: Any) -> Any:
        old = a.value, b.value, c.value
        a.assign(old[1])
        b.assign(old[0])
        c.assign(x)
        return *old, np.reshape(old[2], (4, 3)), x, a.value

    graph = graph_of(move, aval(3, 4), variables=[a, b, c])
    state = [v.cell.read() for v in (a, b, c)]
    assert_runs(PytensorBackend(), graph, state, [np.full((3, 4), 7, np.float32)])


@pytest.mark.parametrize("dtype", [np.dtype(np.float16), np.dtype(ml_dtypes.bfloat16)])
def test_dtypes_that_pytensor_lacks_travel_as_bits(dtype: Any) -> None:
    w = Variable(np.ones((2, 3), dtype))

    def update(x: Any) -> Any:
        w.assign(w.value + x)
        body = graph_of(lambda c, x: [c * x, c], aval(3, dtype=dtype), aval(3, dtype=dtype))
        return apply("scan", x[0], x, body=body, length=2, reverse=False, constants=0, carries=1)

    graph = graph_of(update, aval(2, 3, dtype=dtype), variables=[w])
    x = np.array([[1.5, -2, 0.1], [3, 4, 5]]).astype(dtype)
    assert_runs(PytensorBackend(), graph, [w.cell.read()], [x])


def test_importing_kerasflow_does_not_import_pytensor_and_choosing_it_is_quiet() -> None:
    program = """
import sys, random, kerasflow, numpy as np
assert "pytensor" not in sys.modules
with kerasflow.use_backend("pytensor"):
    print(kerasflow.jit(lambda x: np.exp(x) @ x)(np.zeros((2, 2), "float32")).tolist())
import pytensor
assert pytensor.config.floatX == "float64" and pytensor.config.linker == "auto"
"""
    done = subprocess.run(
        [sys.executable, "-W", "always::UserWarning", "-c", program], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[[0.0, 0.0], [0.0, 0.0]]\n"
    assert "pytensor" not in done.stderr.lower(), done.stderr


def test_conditionals_come_from_where_newer_pytensors_have_them() -> None:
    """Since PyTensor 3.3 the old place warns."""
    program = """
import sys, types, pytensor.ifelse
sys.modules["pytensor.conditional"] = newer = types.ModuleType("pytensor.conditional")
newer.ifelse = lambda *given: pytensor.ifelse.ifelse(*given)
import kerasflow_pytensor.control
assert kerasflow_pytensor.control.ifelse is newer.ifelse
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("axis", [(0, 1), (1,), (0,)])
def test_sums_of_what_a_loop_computes(axis: tuple[int, ...]) -> None:
    """Enough numbers for compiled loops: a norm's squares are squared once."""
    x = np.random.default_rng(0).normal(size=(1100, 16))

    def norms(x: Any) -> Any:
        return np.sum(np.square(x) + 1, axis=axis), np.sum(np.square(x @ x.T), axis=axis)

    graph = graph_of(norms, aval(*x.shape, dtype="float64"))
    found, _ = PytensorBackend().compile(graph)([], [x])
    for ours, theirs in zip(found, norms(x), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-12)
