"""Work shared out among threads: the same results, errors passed on, BLAS as it was afterwards."""

import multiprocessing
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
import threadpoolctl

from kerasflow import blas
from kerasflow.compiler import jit
from kerasflow.compiler import threads as policy
from kerasflow.graph import Graph, Node, ShapedArray, Value
from kerasflow.primitives import PRIMITIVES, decompositions
from kerasflow.tracing import apply
from kerasflow_numpy import NumpyBackend
from kerasflow_numpy.run import parallel

RANDOM = np.random.default_rng(0)
F4 = np.dtype(np.float32)


def product(*shapes: tuple[int, ...]) -> Graph:
    """The graph of one matrix product."""
    inputs = [Value(ShapedArray(shape, F4)) for shape in shapes]
    rule = PRIMITIVES["matmul"].shape_rule(*(v.aval for v in inputs))
    node = Node(PRIMITIVES["matmul"], inputs, {}, [rule])
    return Graph(inputs, [node], list(node.outputs))


@pytest.mark.parametrize("parts", [1, 2, 3, 8])
@pytest.mark.parametrize(
    "a, b",
    [((128, 300), (300, 400)), ((400, 300), (300, 17)), ((1, 64), (64, 1000)), ((5, 60, 70), (5, 70, 80)),
     ((3, 1, 60, 70), (1, 4, 70, 8)), ((60, 70), (6, 70, 80)), ((7, 3), (3, 5))],
)  # fmt: skip
def test_matmul_in_parts(a, b, parts):
    x, y = RANDOM.random(a, F4), RANDOM.random(b, F4)
    expected = np.matmul(x, y)
    out = np.full_like(expected, np.nan)
    parallel.matmul(x, y, parts, out=out)
    np.testing.assert_allclose(out, expected, rtol=1e-5)


def test_blas_has_one_thread_whichever_thread_runs_the_program():
    """To threadpoolctl one thread is in charge of the number, until it gives that up."""

    def held():
        with blas.one_thread(blas.numpys()):
            return [library.num_threads for library in blas.numpys()]

    with ThreadPoolExecutor(1) as pool:
        found = [held(), pool.submit(held).result(), held()]
    assert found == [[1] * len(blas.numpys())] * 3


def test_large_products_run_in_parts_and_leave_blas_as_it_was():
    before = [library.num_threads for library in blas.numpys()]
    x, y = RANDOM.random((256, 300), F4), RANDOM.random((300, 512), F4)
    program = NumpyBackend(threads=2).compile(product(x.shape, y.shape))
    assert "parallel.matmul" in program.source
    assert "parallel" not in NumpyBackend(threads=2).compile(product((8, 8), (8, 8))).source
    (first,), _ = program([], [x, y])
    (second,), _ = program([], [x, y])
    np.testing.assert_allclose(first, x @ y, rtol=1e-5)
    assert first.tobytes() == second.tobytes()
    assert [library.num_threads for library in blas.numpys()] == before


def test_blas_has_one_thread_while_a_program_runs(monkeypatch):
    """Also in products too small to be cut: with threads of its own it waits, spinning, for a core that is busy."""
    matmul, seen = np.matmul, []

    def watched(*args, **kwargs):
        seen.extend(library.num_threads for library in blas.numpys())
        return matmul(*args, **kwargs)

    monkeypatch.setattr(np, "matmul", watched)
    x, y = RANDOM.random((384, 32), F4), RANDOM.random((32, 64), F4)
    program = NumpyBackend(threads=2).compile(product(x.shape, y.shape))
    assert "parallel" not in program.source
    with threadpoolctl.threadpool_limits(2):
        program([], [x, y])
    assert seen == [1] * len(blas.numpys())


@pytest.mark.parametrize("name, params", [("solve_triangular", {"lower": True}), ("lu", {})])
@pytest.mark.parametrize("eager", [False, True])
def test_scipys_blas_has_one_thread_too(name, params, eager, monkeypatch):
    """SciPy's wheels bring a BLAS of their own, which takes threads for a triangle of 40 rows."""
    lapack, seen = decompositions.lapack, []

    def watched(*args):
        seen.extend(library.num_threads for library in blas.with_scipys())
        return lapack(*args)

    monkeypatch.setattr(decompositions, "lapack", watched)
    x = np.eye(3, dtype=F4)[None]
    operands = [x] * (2 if name == "solve_triangular" else 1)
    with threadpoolctl.threadpool_limits(2):
        if eager:
            apply(name, *operands, **params)
        else:
            jit(lambda *xs: apply(name, *xs, **params))(*operands)
    assert seen == [1] * len(blas.with_scipys())


@pytest.mark.parametrize(
    "paths, chosen",
    [
        (["a/numpy.libs/libopenblas.so", "a/scipy.libs/libopenblas.so"], [0]),
        (["a/lib/libmkl_rt.so"], [0]),
        ([], []),
    ],
)
def test_the_blas_that_numpy_uses(monkeypatch, paths, chosen):
    found = [SimpleNamespace(user_api="blas", filepath=path) for path in paths]
    found.append(SimpleNamespace(user_api="openmp", filepath="a/numpy.libs/libgomp.so"))
    monkeypatch.setattr(threadpoolctl, "ThreadpoolController", lambda: SimpleNamespace(lib_controllers=found))
    assert blas.numpys.__wrapped__() == tuple(found[i] for i in chosen)


def test_every_part_is_done_once_whoever_does_it():
    for _ in range(200):
        done = []
        parallel.each(done.append, [(i,) for i in range(7)])
        assert sorted(done) == list(range(7))


def test_an_error_is_raised_when_all_parts_are_done():
    done = []

    def work(i):
        if i == 1:
            raise KeyError(i)
        done.append(i)

    with pytest.raises(KeyError):
        parallel.each(work, [(i,) for i in range(4)])
    assert sorted(done) == [0, 2, 3]


def test_several_callers_at_once():
    results = {}

    def call(n):
        out = np.empty((64, 64), F4)
        for _ in range(20):
            parallel.matmul(np.full((64, 32), n, F4), np.ones((32, 64), F4), 2, out=out)
        results[n] = out

    callers = [threading.Thread(target=call, args=(n,)) for n in range(8)]
    [caller.start() for caller in callers]
    [caller.join() for caller in callers]
    assert all((out == 32 * n).all() for n, out in results.items()) and len(results) == 8


def _in_child(queue):
    done = []
    parallel.each(done.append, [(1,), (2,)])
    queue.put(sorted(done))


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="this system cannot fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_has_workers_of_its_own():
    parallel.each(lambda i: None, [(1,), (2,)])
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_in_child, args=(queue,))
    child.start()
    assert queue.get(timeout=30) == [1, 2]
    child.join()


@pytest.mark.parametrize(
    "text, expected",
    [("max 100000", None), ("100000 100000", 1), ("150000 100000", 2), ("50000 100000", 1), ("?", None)],
)
def test_quota(tmp_path, monkeypatch, text, expected):
    file = tmp_path / "cpu.max"
    file.write_text(text)
    monkeypatch.setattr(policy, "_QUOTA", file)
    assert policy.quota() == expected


def test_the_setting_comes_first(monkeypatch):
    monkeypatch.setattr(policy.settings, "threads", 3)
    assert policy.threads() == 3
    monkeypatch.setattr(policy.settings, "threads", None)
    assert 1 <= policy.threads() <= policy.MOST


def test_programs_of_several_backends_hold_one_library():
    """The first to end does not give the other's threads back; the last one does."""
    library = SimpleNamespace(filepath="a/libblas.so", num_threads=4)
    library.set_num_threads = lambda n: setattr(library, "num_threads", n)
    first, second = blas.one_thread([library]), blas.one_thread([library])
    first.__enter__()
    second.__enter__()
    assert library.num_threads == 1
    first.__exit__(None, None, None)
    assert library.num_threads == 1
    second.__exit__(None, None, None)
    assert library.num_threads == 4 and "a/libblas.so" not in blas._held
