"""The memory of the NumPy backend's programs: one workspace a thread, as large as the largest program needs."""

from __future__ import annotations

import functools
import gc
import tracemalloc
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import keras
import numpy as np
import pytest
from graphs import Variable, aval, copies, graph_of

import kerasflow
from kerasflow.bridge.step import traced
from kerasflow.graph import Graph, evaluate
from kerasflow_numpy import NumpyBackend
from kerasflow_numpy.run.program import NumpyProgram
from kerasflow_numpy.run.workspace import workspace

# What NumPy reports to tracemalloc.
NUMPY = tracemalloc.DomainFilter(True, 389047)


def _graph(n: int) -> Graph:
    """A step whose results need a workspace, with a fused update of two variables."""
    variables = [Variable(np.ones(n, np.float32)) for _ in range(2)]

    def step(x: Any) -> Any:
        h = np.tanh(x @ x.T) @ x
        for v in variables:
            g = np.sum(h, axis=0)
            v.assign(v.value - 0.1 * g / (np.sqrt(g * g) + 1))
        return np.sum(np.exp(-np.abs(h)))

    return graph_of(step, aval(n, n), variables=variables)


def in_a_thread(test: Callable[..., None]) -> Callable[..., None]:
    """Run a test in a thread of its own, whose workspace nothing else has used."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        with ThreadPoolExecutor(1) as threads:
            threads.submit(test, *args, **kwargs).result()

    return run


def _memory() -> np.ndarray[Any, Any]:
    with workspace() as mine:
        return mine.memory(0)


def _matches(program: Any, graph: Graph, n: int) -> bool:
    rng = np.random.default_rng(n)
    state, x = [rng.normal(size=n).astype(np.float32) for _ in range(2)], rng.normal(size=(n, n))
    inputs = [x.astype(np.float32)]
    expected, after = evaluate(graph, copies(state), copies(inputs))
    found, now = program(copies(state), inputs)
    for theirs, ours in zip([*expected, *after], [*found, *now], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
    return True


@in_a_thread
def test_programs_of_a_thread_share_a_workspace() -> None:
    graphs = {n: _graph(n) for n in (8, 40, 24)}
    programs = {n: NumpyBackend(poison=True).compile(graph) for n, graph in graphs.items()}
    assert _matches(programs[8], graphs[8], 8)
    small = _memory()
    assert _matches(programs[40], graphs[40], 40)
    large = _memory()
    assert large.nbytes >= programs[40].workspace > small.nbytes
    for n in (24, 8, 40, 8, 24):
        assert _matches(programs[n], graphs[n], n)
        assert _memory() is large
        with workspace() as mine:
            assert mine.contexts[programs[n]].workspace is large


@in_a_thread
def test_the_memory_goes_with_the_last_program() -> None:
    def run() -> weakref.ref[Any]:
        graph = _graph(200)
        program = NumpyBackend().compile(graph)
        assert _matches(program, graph, 200)
        memory = _memory()
        assert memory.nbytes == program.workspace
        return weakref.ref(memory.base)  # what its views keep

    gc.disable()  # Reference counts are enough.
    try:
        assert run()() is None
    finally:
        gc.enable()


@in_a_thread
def test_a_program_within_a_program_has_memory_of_its_own() -> None:
    """As where a signal's handler runs one."""
    graph = _graph(16)
    program = NumpyBackend().compile(graph)
    assert _matches(program, graph, 16)
    with workspace() as outer:
        memory = outer.memory(program.workspace)
        memory.fill(7)
        assert _matches(program, graph, 16)
        assert (memory == 7).all()
        with workspace() as inner:
            assert inner is not outer
    assert _memory() is memory


@in_a_thread
def test_without_memory_the_next_program_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    small, large = _graph(8), _graph(64)
    backend = NumpyBackend()
    programs = backend.compile(small), backend.compile(large)
    assert _matches(programs[0], small, 8)

    def refuse(nbytes: int) -> Any:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr("kerasflow_numpy.run.workspace.aligned", refuse)
        with pytest.raises(MemoryError):
            _matches(programs[1], large, 64)
    assert _matches(programs[0], small, 8)
    assert _matches(programs[1], large, 64)


def _traced_bytes() -> int:
    snapshot = tracemalloc.take_snapshot().filter_traces([NUMPY])
    return sum(trace.size for trace in snapshot.traces)


@in_a_thread
def test_many_shapes_take_the_memory_of_the_largest() -> None:
    model = keras.Sequential(
        [keras.Input((None, 8)), keras.layers.Dense(256, "relu"), keras.layers.GlobalAveragePooling1D()]
    )
    model.compile("sgd", "mse")

    def step(n: int) -> None:
        model.train_on_batch(np.zeros((32, n, 8), np.float32), np.zeros((32, 256), np.float32))

    lengths = [*range(20, 60), *range(59, 20, -3)]
    with kerasflow.use_backend("numpy"):
        tracemalloc.start()
        try:
            step(60)
            largest = _traced_bytes()
            for n in lengths:
                step(n)
            assert _traced_bytes() < 1.2 * largest
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("kind", ["dense", "convolution"])
@in_a_thread
def test_kept_is_what_a_program_keeps(kind: str, threads: int) -> None:
    """Blocks' memory, and that of fused updates, included."""
    layers = keras.layers
    if kind == "dense":
        x = np.zeros((512, 64), np.float32)
        inside = [layers.Dense(300, "gelu"), layers.Dense(300, "gelu")]
    else:
        x = np.zeros((32, 32, 32, 3), np.float32)
        inside = [layers.Conv2D(16, 3, activation="relu"), layers.BatchNormalization(), layers.Flatten()]
    model = keras.Sequential([*inside, layers.Dense(3)])
    model.compile("adam", "mse")
    backend = NumpyBackend(threads=threads)
    with kerasflow.use_backend("numpy"):
        entry, inputs = traced(model, x, np.zeros((len(x), 3), np.float32), "train")
    program: Any = backend.compile(entry.graph)
    assert isinstance(program, NumpyProgram)
    assert program.code.blocks and program.code.chunks
    state = [np.array(cell.read()) for cell in entry.cells]
    _, state = program(state, inputs)  # what is gathered lies together now
    with workspace() as mine:
        mine.contexts.clear()
    constants = sum(array.nbytes for array in program.code.constants)
    tracemalloc.start()
    try:
        outputs, state = program(state, inputs)
        del outputs
        kept = _traced_bytes()
    finally:
        tracemalloc.stop()
    assert 0 <= kept - (program.kept - constants) <= 4096
