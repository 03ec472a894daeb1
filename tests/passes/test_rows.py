"""Updates of tables of which a step looks up a few rows: the same numbers, and nothing of the table's size is made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import kerasflow  # noqa: F401  # isort: skip  (before Keras)
import keras
import numpy as np
import pytest
from graphs import Variable, aval, graph_of, names
from keras import layers, optimizers

from kerasflow.compiler import compile as compiling
from kerasflow.compiler import jit
from kerasflow.graph import Graph, all_nodes, evaluate, verify
from kerasflow.groups.threads import Threads, run_in_threads
from kerasflow.inspect.traceable import entry_of
from kerasflow.passes import optimize, update_rows
from kerasflow.passes.rows import MIN_ELEMENTS, MIN_ROWS_PER_INDEX, pays
from kerasflow.passes.shard import shard
from kerasflow.primitives.indexing import sorted_runs, unused_place
from kerasflow.testing import assert_close
from kerasflow.testing.programs import assert_runs
from kerasflow.tracing import apply
from kerasflow_numpy import NumpyBackend

pytestmark = pytest.mark.usefixtures("double")

ROWS, COLUMNS = 4096, 16
DRAW = np.random.default_rng(0)
X = DRAW.integers(0, ROWS, (8, 5))
X[0], X[1, :2] = 7, (0, 1)  # One row several times, and the first rows, which stand in where there are none.
Y = DRAW.normal(size=(8, 1))

Make = Callable[[Any], keras.Model]


def pooled(table: Any) -> keras.Model:
    x = keras.Input((5,), dtype="int32")
    return keras.Model(x, layers.Dense(1)(layers.GlobalAveragePooling1D()(table(x))))


def looked_up_twice(table: Any) -> keras.Model:
    x = keras.Input((5,), dtype="int32")
    other = layers.GlobalMaxPooling1D()(table(keras.ops.flip(x, 1) // 2))
    return keras.Model(x, layers.Dense(1)(layers.Concatenate()([layers.Flatten()(table(x)), other])))


def recurrent(table: Any) -> keras.Model:
    x = keras.Input((5,), dtype="int32")
    return keras.Model(x, layers.Dense(1)(layers.GRU(3)(table(x))))


@keras.saving.register_keras_serializable("tests")
class Tied(keras.Model):
    """The table is a projection too, which needs all of it."""

    def __init__(self, table: Any) -> None:
        super().__init__()
        self.table = table

    def call(self, x: Any) -> Any:
        x = keras.ops.mean(self.table(x), axis=1)
        words = keras.ops.matmul(x, keras.ops.transpose(self.table.embeddings))
        return keras.ops.logsumexp(words, axis=-1, keepdims=True)


def step(optimizer: Any, make: Make = pooled, **options: Any) -> tuple[Graph, Graph, list[Any]]:
    """A model's training step before and after the pass, and its state after a step."""
    found: list[tuple[Graph, Graph]] = []

    def watched(graph: Graph) -> Graph:
        after = update_rows(graph)
        found.append((graph, after))
        return after

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiling, "update_rows", watched)
        model = make(layers.Embedding(ROWS, COLUMNS, **options))
        model.compile(optimizer, "mse")
        model.train_on_batch(X, Y)
        entry = entry_of(model, (X, Y), {}, None)
    ((before, after),) = [pair for pair in found if pair[1] is entry.graph]
    verify(after)
    return before, after, [np.array(cell.read()) for cell in entry.cells]


def assert_equal(optimizer: Any, make: Make = pooled, **options: Any) -> Graph:
    """Three steps change the state as without the pass, by NumPy's meaning and in the NumPy backend; the graph."""
    before, after, state = step(optimizer, make, **options)
    assert "collect_rows" in [node.primitive.name for node in all_nodes(after)]
    ours = theirs = state
    for _ in range(3):
        outputs, ours = evaluate(after, ours, [X, Y])
        expected, theirs = evaluate(before, theirs, [X, Y])
        for one, other in zip((*outputs, *ours), (*expected, *theirs), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)
    # In memory that is NaN before it is written, with everything in place that can be.
    assert_runs(NumpyBackend(poison=True), after, state, [X, Y], lambda a, b: assert_close(a, b, 4096))
    return after


def of_table_size(graph: Graph) -> list[str]:
    """The primitives of the nodes that make an array of the table's size."""
    return [
        node.primitive.name
        for node in graph.nodes
        if any(v.aval.size >= ROWS * COLUMNS for v in node.outputs)
    ]


OPTIMIZERS: dict[str, Callable[..., Any]] = {
    name: getattr(optimizers, name)
    for name in "SGD Adagrad Adadelta RMSprop Adam AdamW Adamax Nadam Ftrl Lion Adafactor Lamb Muon".split()
} | {
    "momentum": lambda **rest: optimizers.SGD(momentum=0.9, **rest),
    "Nesterov": lambda **rest: optimizers.SGD(momentum=0.9, nesterov=True, **rest),
    "centered": lambda **rest: optimizers.RMSprop(centered=True, momentum=0.5, **rest),
    "AMSGrad": lambda **rest: optimizers.Adam(amsgrad=True, **rest),
    "regularized Ftrl": lambda **rest: optimizers.Ftrl(
        l1_regularization_strength=0.01, l2_shrinkage_regularization_strength=0.1, beta=0.1, **rest
    ),
    "schedule": lambda **rest: optimizers.SGD(optimizers.schedules.ExponentialDecay(0.1, 2, 0.5), **rest),
}
OPTIONS: tuple[dict[str, Any], ...] = (
    {"weight_decay": 0.01},
    {"clipnorm": 0.01},
    {"clipvalue": 0.001},
    {"global_clipnorm": 0.01},
    {"use_ema": True, "ema_overwrite_frequency": 2},
    {"loss_scale_factor": 8.0},
    {"gradient_accumulation_steps": 2},
)
CHIEF = ("SGD", "Adagrad", "Adam")


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer(name: str) -> None:
    assert_equal(OPTIMIZERS[name]())


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: next(iter(options)))
@pytest.mark.parametrize(
    "name", [name if name in CHIEF else pytest.param(name, marks=pytest.mark.slow) for name in OPTIMIZERS]
)
def test_every_option(name: str, options: dict[str, Any]) -> None:
    assert_equal(OPTIMIZERS[name](**options))


@pytest.mark.parametrize("name", CHIEF)
@pytest.mark.parametrize(
    ("make", "options"),
    [
        (looked_up_twice, {}),
        (Tied, {}),
        (recurrent, {"mask_zero": True}),
        (pooled, {"embeddings_regularizer": "l2"}),
        (pooled, {"embeddings_constraint": "non_neg"}),
        (pooled, {"embeddings_constraint": "max_norm"}),
        (pooled, {"embeddings_constraint": keras.constraints.UnitNorm(axis=1)}),
    ],
    ids="twice tied masked regularized non-negative max-norm unit-norm".split(),
)
def test_every_use_of_a_table(name: str, make: Make, options: dict[str, Any]) -> None:
    assert_equal(OPTIMIZERS[name](), make, **options)


# -- what is done ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "tables", "options"),
    [
        ("SGD", 1, {}),
        ("Adagrad", 2, {}),
        ("SGD", 1, {"clipnorm": 0.01}),
        ("Adagrad", 2, {"global_clipnorm": 0.01}),
        ("SGD", 1, {"clipvalue": 0.01}),
        ("SGD", 1, {"loss_scale_factor": 8.0}),
    ],
)
def test_only_rows_are_read_and_written(name: str, tables: int, options: dict[str, Any]) -> None:
    """All that has the table's size is old state, into which rows are put."""
    for make in (pooled, looked_up_twice):
        _, graph, _ = step(OPTIMIZERS[name](**options), make)
        assert of_table_size(graph) == ["scatter"] * tables
        for node in graph.nodes:
            if node.primitive.name == "scatter":
                assert node.params["mode"] == "set"
                assert node.inputs[0] in graph.state_inputs, "not the old table"
            elif node.primitive.name != "gather":
                assert all(v.aval.size < ROWS * COLUMNS for v in node.inputs), node.primitive.name


def test_a_table_that_is_not_decayed_keeps_its_rows() -> None:
    """Adadelta's sums decay everywhere; the table changes where it was looked up."""
    _, graph, _ = step(optimizers.Adadelta())
    table = graph.state_names.index(next(name for name in graph.state_names if name.endswith("/embeddings")))
    node = graph.state_outputs[table].node
    assert node is not None and node.inputs[0] is graph.state_inputs[table]


@pytest.mark.parametrize("name", ["SGD", "Adagrad", "Adam"])
def test_memory(name: str) -> None:
    """There is no gradient of the table's size, nor anything else of it, but the state; that is changed in place."""
    before, graph, state = step(OPTIMIZERS[name]())
    backend = NumpyBackend()
    nbytes = 8 * ROWS * COLUMNS
    program, whole = backend.compile(graph), backend.compile(before)
    assert whole.workspace > nbytes
    assert program.workspace < whole.workspace - 0.75 * nbytes
    buffers = [backend.from_host(x) for x in state]
    _, changed = program(buffers, [X, Y])
    assert all(a is b for a, b in zip(buffers, changed, strict=True))
    touched = np.unique(X)
    for old, new in zip(state, buffers, strict=True):
        if old.shape == (ROWS, COLUMNS) and name != "Adam":
            outside = np.setdiff1d(np.arange(ROWS), touched)
            assert (old[outside] == new[outside]).all() and (old[touched] != new[touched]).any()


@pytest.mark.parametrize("name", ["SGD", "Adam"])
def test_negative_indices_are_the_same_rows(name: str) -> None:
    _, graph, state = step(OPTIMIZERS[name]())
    again = np.where(X > 0, X - ROWS, X)
    for one, other in zip(
        evaluate(graph, state, [X, Y])[1], evaluate(graph, state, [again, Y])[1], strict=True
    ):
        np.testing.assert_array_equal(one, other)


def test_a_gradient_that_is_infinite_spoils_no_other_rows() -> None:
    """What is documented of it: 0 times infinity is 0 in the rows that were not looked up."""
    table, rate = Variable(np.ones((ROWS, COLUMNS)), "table"), Variable(np.array(np.inf), "rate")

    def update(index: Any) -> None:
        gradient = apply("scatter", np.zeros((ROWS, COLUMNS)), np.ones((3, COLUMNS)), index, mode="add")
        table.assign(table.value - rate.value * gradient)

    graph = update_rows(optimize(graph_of(update, aval(3, dtype="int64"), variables=[table, rate])))
    _, (new, _) = evaluate(graph, [np.ones((ROWS, COLUMNS)), np.array(np.inf)], [np.array([4, 9, 4])])
    assert np.flatnonzero(np.isinf(new[:, 0])).tolist() == [4, 9]


def test_half_precision_casts_the_rows_alone() -> None:
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")
    _, graph, _ = step(optimizers.SGD(), dtype="mixed_bfloat16")
    assert of_table_size(graph) == ["scatter"]


def test_accumulated_gradients() -> None:
    """A batch that no update follows puts its rows into the sums."""
    _, graph, _ = step(optimizers.SGD(gradient_accumulation_steps=2))
    (switch,) = [node for node in graph.nodes if node.primitive.name == "switch"]
    waiting, updating = switch.params["branches"]
    assert of_table_size(waiting) == ["scatter"]
    assert "collect_rows" in names(updating)


@pytest.mark.parametrize("name", ["SGD", "Adagrad"])
def test_gradients_that_must_be_finite(name: str) -> None:
    """The scale of the loss is searched for in a conditional: there, too, the state is changed in place."""
    graph = assert_equal(optimizers.LossScaleOptimizer(OPTIMIZERS[name](), initial_scale=1024.0))
    assert NumpyBackend().compile(graph).workspace < 8 * ROWS * COLUMNS
    before, after, state = step(optimizers.LossScaleOptimizer(OPTIMIZERS[name](), initial_scale=1024.0))
    table = next(i for i, name in enumerate(after.state_names) if name.endswith("/embeddings"))
    for inputs in ([X, Y * np.inf], [X, Y]):
        changed, expected = (evaluate(graph, state, inputs)[1] for graph in (after, before))
        for one, other in zip(changed, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)
        assert (changed[table] == state[table]).all() == np.isinf(inputs[1]).all()


def test_what_needs_the_whole_gradient_gets_it() -> None:
    table, g = Variable(np.ones((ROWS, COLUMNS)), "table"), aval(3, COLUMNS, dtype="float64")

    def update(index: Any, g: Any) -> None:
        gradient = apply("scatter", np.zeros((ROWS, COLUMNS)), g, index, mode="add")
        table.assign(np.cumsum(gradient, axis=0))

    graph = optimize(graph_of(update, aval(3, dtype="int64"), g, variables=[table]))
    assert update_rows(graph) is graph


# -- when it is done ------------------------------------------------------------------------------------------------


def test_the_rule() -> None:
    assert pays(ROWS, MIN_ELEMENTS, ROWS // MIN_ROWS_PER_INDEX)
    assert not pays(ROWS, MIN_ELEMENTS, ROWS // MIN_ROWS_PER_INDEX + 1)
    assert not pays(ROWS, MIN_ELEMENTS - 1, 1)
    assert not pays(ROWS, MIN_ELEMENTS, 0), "there are no rows"


@pytest.mark.parametrize(("rows", "indices"), [(ROWS // 2, 5), (ROWS, ROWS // 2), (ROWS, 0)])
def test_small_tables_and_many_indices_are_left_alone(rows: int, indices: int) -> None:
    table = Variable(np.ones((rows, COLUMNS)), "table")

    def update(index: Any, g: Any) -> None:
        zeros = np.zeros((rows, COLUMNS))
        table.assign(table.value - apply("scatter", zeros, g, index, mode="add"))

    kinds = aval(indices, dtype="int64"), aval(indices, COLUMNS, dtype="float64")
    graph = optimize(graph_of(update, *kinds, variables=[table]))
    assert update_rows(graph) is graph


def test_processes_that_share_a_step_out() -> None:
    """They share whole tables: a program of rows is one process's, where that is quicker than all of them."""
    before, after, _ = step(optimizers.SGD())
    assert NumpyBackend(processes=2).ranks(after) == 1
    assert NumpyBackend(processes=2).ranks(before, after) == 1


@pytest.mark.parametrize("name", CHIEF)
def test_ranks_with_state_of_their_own(name: str) -> None:
    """Each joins the rows that all have looked up, and updates its table as one alone does."""
    _, graph, state = step(OPTIMIZERS[name]())
    counts = (5, 3)
    found = {size: shard(graph, counts, size) for size in counts}
    expected = evaluate(graph, state, [X, Y])[1]

    def work(group: Threads) -> Any:
        own = found[counts[group.rank]]
        assert own is not None
        part = slice(0, 5) if group.rank == 0 else slice(5, 8)
        return evaluate(own.graph, state, [X[part], Y[part]])[1]

    for results in run_in_threads(2, work):
        for one, other in zip(results, expected, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)
    sharded = found[5]
    assert sharded is not None and sharded.sent < 8 * ROWS * COLUMNS, "no sum of the table's size"


# -- errors and parts -----------------------------------------------------------------------------------------------


def test_indices_that_are_out_of_bounds() -> None:
    table = Variable(np.ones((ROWS, COLUMNS)), "table")

    @jit
    def update(index: Any) -> None:
        gradient = apply("scatter", np.zeros((ROWS, COLUMNS)), np.ones((2, COLUMNS)), index, mode="add")
        table.assign(table.value - gradient)

    for wrong in (ROWS, -ROWS - 1):
        with pytest.raises(IndexError, match=f"index {wrong} is out of bounds for axis 0 with size {ROWS}"):
            update(np.array([3, wrong]))
    assert (table.cell.read() == 1).all(), "nothing was changed"
    update(np.array([3, 3]))
    assert np.flatnonzero(table.cell.read()[:, 0] != 1).tolist() == [3]


def test_an_index_that_is_out_of_bounds_in_a_model() -> None:
    model = pooled(layers.Embedding(ROWS, COLUMNS))
    model.compile("sgd", "mse")
    model.train_on_batch(X, Y)
    before = model.get_weights()
    with pytest.raises(IndexError, match=f"index {ROWS} is out of bounds"):
        model.train_on_batch(np.where(X == 7, ROWS, X), Y)
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("index", [[], [0], [3], [2, 0, 1], [1, 1, 0, 3], [-1, 4, 0]])
def test_runs(index: list[int]) -> None:
    given = np.array(index, np.int32)
    order, starts, distinct = sorted_runs(given, 5)
    assert distinct.tolist() == sorted({i % 5 for i in index})
    assert (given % 5)[order].tolist() == sorted(i % 5 for i in index)
    assert (given % 5)[order][starts].tolist() == distinct.tolist()
    assert unused_place(distinct) == min(set(range(6)) - {i % 5 for i in index})


@pytest.mark.parametrize("toward", [0.0, 3.0])
def test_an_average_of_a_number(toward: float) -> None:
    """Where no row has been looked up, a moment is an average with 0: one product, and with other numbers a sum."""
    moment = Variable(np.ones((300, 200)), "moment")

    def update() -> None:
        moment.assign(moment.value + (toward - moment.value) * 0.1)

    graph = optimize(graph_of(update, variables=[moment]))
    program = assert_runs(
        NumpyBackend(), graph, [DRAW.normal(size=(300, 200))], [], lambda a, b: assert_close(a, b, 64)
    )
    assert ("np.multiply(moment" in program.source) == (toward == 0)
