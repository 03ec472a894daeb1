"""A backend for kerasflow that runs programs with JAX; docs/write-a-backend.md builds it step by step."""

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from kerasflow.graph import Constant
from kerasflow.primitives import PRIMITIVES

jax.config.update("jax_enable_x64", True)  # Arrays of 64 bits are such in JAX too.

# Primitives for which jax.numpy has a function of the same name, arguments and meaning.
SAME = (
    "negative absolute square floor ceil rint logical_not isnan isinf isfinite signbit add subtract "
    "multiply divide maximum minimum power remainder right_shift logical_and logical_or "
    "bitwise_and bitwise_or equal not_equal less less_equal greater greater_equal where clip reshape "
    "broadcast_to transpose max min any all argmax argmin"
).split()
LOWERINGS = {name: getattr(jnp, name) for name in SAME}


def run(graph, arguments, arrays, results):
    """The values `results` of a graph, given an array for each of `arguments`."""
    known = dict(zip(arguments, arrays, strict=True))

    def read(value):
        return jnp.asarray(value.array) if isinstance(value, Constant) else known[value]

    for node in graph.nodes:
        found = LOWERINGS[node.primitive.name](*map(read, node.inputs), **node.params)
        found = found if node.primitive.multiple_results else [found]
        for value, array in zip(node.outputs, found, strict=True):
            known[value] = array.astype(value.aval.dtype)
    return [read(value) for value in results]


class JaxProgram:
    """A graph as one compiled function of its state and inputs."""

    def __init__(self, graph):
        self.outputs = len(graph.outputs)
        self.function = jax.jit(lambda arrays: run(graph, graph.arguments, arrays, graph.results))

    def __call__(self, state, inputs):
        found = self.function([*state, *inputs])
        return [np.array(x) for x in found[: self.outputs]], found[self.outputs :]


class JaxBackend:
    """Runs programs with JAX."""

    name = "jax"

    def __init__(self):
        self.primitives = frozenset(LOWERINGS)
        self.refused = dict.fromkeys(PRIMITIVES.keys() - LOWERINGS, "This example has no lowering for it.")

    def compile(self, graph):
        return JaxProgram(graph)

    def from_host(self, array):
        return jnp.array(array)

    def to_host(self, buffer):
        return np.asarray(buffer)


def in_floats(function):
    """Of integers NumPy computes these in double precision, jax.numpy in single."""
    return lambda x: function(x.astype(jnp.float64) if x.dtype.kind in "iu" else x)


FLOATS = "sqrt exp expm1 log log1p sin cos tanh".split()
LOWERINGS |= {name: in_floats(getattr(jnp, name)) for name in FLOATS}


def astype(x, dtype):
    if jnp.issubdtype(x.dtype, jnp.floating) and dtype.kind in "iu":
        x = x.astype(jnp.int64)  # What is out of range wraps around.
    return x.astype(dtype)


def slices(index):
    return tuple(slice(*triple) for triple in index)


LOWERINGS |= {
    "identity": lambda x: x,
    "stop_gradient": lambda x: x,
    "astype": astype,
    "view": lambda x, dtype: x.view(dtype),
    "reciprocal": lambda x: jnp.where((x == 0) & (x.dtype.kind in "biu"), 0, 1 / x),
    "logistic": jax.nn.sigmoid,
    "erf": lax.erf,
    "sum": lambda x, axis, keepdims: jnp.sum(x, axis, keepdims=keepdims, dtype=x.dtype),
    "matmul": jnp.matmul,
    "einsum": lambda *xs, subscripts: jnp.einsum(subscripts, *xs),
    "getitem": lambda x, index: x[slices(index)],
    "setitem": lambda x, value, index: x.at[slices(index)].set(value),
    "gather": lambda x, *indices: x[indices],
    "scatter": lambda x, updates, *indices, mode: getattr(x.at[indices], mode.removesuffix("imum"))(updates),
    "concatenate": lambda *xs, axis: jnp.concatenate(xs, axis),
}


def multiply(x, factor):
    """The upper and the lower 64 bits of x * factor."""
    low, half, factor = np.uint64(0xFFFFFFFF), np.uint64(32), np.uint64(factor)
    cross = (x >> half) * (factor & low) + ((x & low) * (factor & low) >> half)
    other = (x & low) * (factor >> half) + (cross & low)
    return (x >> half) * (factor >> half) + (cross >> half) + (other >> half), x * factor


def random_bits(seed, shape, dtype):
    """Philox4x64-10, as kerasflow.primitives.random defines it."""
    size = int(np.prod(shape, dtype=np.int64))
    a = jnp.arange(1, -(-size * dtype.itemsize // 32) + 1, dtype=jnp.uint64)
    b = c = d = jnp.zeros_like(a)
    key, other_key = seed.astype(jnp.uint64)
    for _ in range(10):
        high, low = multiply(a, 0xD2E7470EE14C6C93)
        other_high, other_low = multiply(c, 0xCA5A826395121157)
        a, b, c, d = other_high ^ b ^ key, other_low, high ^ d ^ other_key, low
        key, other_key = key + np.uint64(0x9E3779B97F4A7C15), other_key + np.uint64(0xBB67AE8584CAA73B)
    return jnp.stack([a, b, c, d], -1).reshape(-1).view(dtype)[:size].reshape(shape)


def as_function(graph):
    """A sub-graph as a function of its operands."""
    return lambda *operands: tuple(run(graph, graph.inputs, operands, graph.outputs))


def switch(index, *operands, branches):
    return lax.switch(index.astype(jnp.int32), [as_function(b) for b in branches], *operands)


def scan(*operands, body, length, reverse, constants, carries):
    fixed, rest = operands[:constants], operands[constants:]

    def step(carried, slices):
        found = as_function(body)(*fixed, *carried, *slices)
        return found[:carries], found[carries:]

    carried, stacked = lax.scan(step, rest[:carries], rest[carries:], length, reverse)
    return *carried, *stacked


LOWERINGS |= {"random_bits": random_bits, "switch": switch, "scan": scan}
