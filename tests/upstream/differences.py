"""Tests of libraries that pass on stock Keras with TensorFlow or JAX and not here: for each reason the tests.

A test is named as pytest names it in the library's checkout; `file`, `file::class` and `file::class::test` without its
parameters stand for all that they contain.
"""

DIFFERENCES: dict[str, dict[str, list[str]]] = {}

# Skips of tests that are lifted, by the beginning of the reason, as a regular expression: these tests run.
LIFTED = {
    "tests only run on tf backend": "they call nothing of TensorFlow's in the model",
}

# Skips that are right for kerasflow too, likewise, and why.
SKIPPED = {
    r"(sparse|ragged) not supported on": "there are no sparse and no ragged tensors",
    r"jit_compile not supported on": "the test calls `tf.function` or `jax.jit` itself",
    r"(Tensorflow|TensorFlow|JAX|Jax|jax)[ -](specific|only)": "the subject is another backend",
}

# Libraries that refuse a backend of the name "numpy": where, and what can be done.
REFUSALS: list[tuple[str, str, str]] = []
