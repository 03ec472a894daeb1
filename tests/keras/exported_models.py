"""Models that several forms of exported files are tried with."""

from typing import Any

import keras

L = keras.layers


def mlp() -> Any:
    return keras.Sequential(
        [L.Input((20,), name="pixels"), L.Dense(16, "relu"), L.Dense(10, "softmax", name="digit")], name="mlp"
    )


class Branching(L.Layer):
    """`while_loop` with and without a limit, `switch`, `cond`, and a loop that only counts."""

    def call(self, x: Any) -> Any:
        total = keras.ops.sum(x)

        def small(value: Any, count: Any) -> Any:
            return keras.ops.sum(value) < 50

        def grown(value: Any, count: Any) -> Any:
            return keras.ops.abs(value) * 2 + 1, count + 1

        free, steps = keras.ops.while_loop(small, grown, (x, 0))
        held, _ = keras.ops.while_loop(small, grown, (x, 0), maximum_iterations=2)
        signed = keras.ops.cond(total > 0, lambda: free - held, lambda: held * 3)
        index = keras.ops.cast(keras.ops.abs(total), "int32") % 3
        counted = keras.ops.fori_loop(0, 3, lambda i, v: v * 2 + keras.ops.cast(i, "float32"), x)
        return signed + counted + keras.ops.switch(index, [lambda: x, lambda: -x, lambda: x * x]) + steps


class OfTheBatch(L.Layer):
    """What depends on the batch size: places, means, assignments, a loop over the samples, branches, a size that comes
    twice."""

    def call(self, x: Any) -> Any:
        n = x.shape[0]
        places = keras.ops.expand_dims(keras.ops.arange(n, dtype="float32"), 1) * 3 + 1
        last = x[n - 1 :] + keras.ops.mean(x, axis=0)
        tiled = keras.ops.reshape(keras.ops.tile(x, (2, 1)), (2, n, 20))
        running = keras.ops.scan(lambda c, v: (c + v, c * v), x[0], x)[1]
        table = keras.ops.reshape(keras.ops.matmul(x, keras.ops.transpose(x)), (n, 1, n))
        parts = keras.ops.slice_update(x, (0, 2), keras.ops.zeros((n, 3)))
        chosen = keras.ops.cond(keras.ops.sum(x) > 0, lambda: x * 2, lambda: parts)
        doubled = keras.ops.while_loop(
            lambda v: keras.ops.sum(v) < 50, lambda v: keras.ops.abs(v) * 2 + 1, (x,)
        )[0]
        total = keras.ops.sum(table) + keras.ops.zeros((n, 20))
        return x / n + places + last + tiled[1] + running + total + parts + chosen + doubled
