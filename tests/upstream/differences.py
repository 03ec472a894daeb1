"""Tests of libraries that pass on stock Keras with TensorFlow or JAX and not here: for each reason the tests.

A test is named as pytest names it in the library's checkout; `file`, `file::class` and `file::class::test` without its
parameters stand for all that they contain.
"""

DIFFERENCES: dict[str, dict[str, list[str]]] = {
    "keras_hub": {
        "Depth Anything resizes by TensorFlow's, JAX's or PyTorch's own function, and refuses another backend": [
            "keras_hub/src/models/depth_anything/depth_anything_backbone_test.py",
            "keras_hub/src/models/depth_anything/depth_anything_depth_estimator_test.py",
        ],
        "`export_to_transformers` writes tensors of TensorFlow, JAX or PyTorch, and refuses another backend": [
            "keras_hub/src/models/backbone_test.py::TestBackbone::test_export_supported_model",
        ],
    },
}

# Skips of tests that are lifted, by the beginning of the reason, as a regular expression: these tests run.
LIFTED = {
    "tests only run on tf backend": "strings are tensors here too",
    "JAX only": "KerasHub's `generate` under data parallelism: on one device it is as without",
}

# Skips that are right for kerasflow too, likewise, and why.
SKIPPED = {
    r"(sparse|ragged) not supported on": "the tests make ragged tensors, or sparse ones of TensorFlow's or JAX's own",
    r"jit_compile not supported on": "the test calls `tf.function` or `jax.jit` itself",
    r"(Tensorflow|TensorFlow|JAX|Jax|jax)[ -](specific|only)": "the subject is another backend",
    r"KerasTuner can only use TensorBoard": "KerasTuner tells TensorBoard of hyperparameters on TensorFlow alone",
    r"`\w+` testing requires the Jax backend": "the subject is another backend",
}

# What refuses a backend of the name "numpy" in libraries that otherwise work: which (with the version that was tried),
# where, and what can be done. Whole libraries are in neighbour_table.py.
REFUSALS: list[tuple[str, str, str]] = [
    (
        "KerasHub 0.32.0: Depth Anything",
        "the model raises `NotImplementedError: Unsupported backend: numpy`; the backbones of all others run",
        "a process with stock Keras",
    ),
    (
        "KerasHub 0.32.0: `export_to_transformers`",
        "raises `ValueError: Unsupported backend: numpy`",
        "`save_to_preset` here, `from_preset` and the export in a process with stock Keras",
    ),
]

# Libraries without such a check, of which more was tried than their import.
ACCEPTING = "KerasRS 0.4.0, KerasTuner 1.4.8, SciKeras 0.13.0, KerasCV 0.9.0, HGQ2 0.2.0 and medicai 0.0.4"
