"""Uses of what no other table has: Keras's base classes, layers as functions, text, settings, files, random numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from uses_of_utilities import X, network, trained

Use = Callable[[], Any]
L, U, ops = keras.layers, keras.utils, keras.ops

# -- layers -------------------------------------------------------------------------------------------------

WORDS = np.array(["a", "b", "zz"])


def trains_on_text() -> None:
    """Adapts, trains, is saved and loaded."""
    texts = np.array(["a good film", "a bad one", "good", ""])
    vectors = L.TextVectorization(output_sequence_length=4)
    vectors.adapt(texts)
    model = keras.Sequential(
        [keras.Input((), dtype="string"), vectors, L.Embedding(9, 4), L.Flatten(), L.Dense(1)]
    )
    model.compile("adam", "mse")
    model.fit(texts, np.arange(4.0), verbose=0)
    model.save("text.keras")
    again = keras.saving.load_model("text.keras")
    np.testing.assert_array_equal(again.predict(texts, verbose=0), model.predict(texts, verbose=0))


class Doubled(L.Layer):
    def call(self, x: Any) -> Any:
        return 2 * x


class Around(L.Wrapper):
    def call(self, x: Any) -> Any:
        return self.layer(x)


def saved_model_as_a_layer() -> None:
    network().export("saved", verbose=False)
    layer = L.TFSMLayer("saved", call_endpoint="serve")
    assert layer(X).shape == (3, 2)


def jax_function_as_a_layer() -> None:
    import jax.numpy as jnp

    layer = L.JaxLayer(lambda params, x: jnp.dot(x, params), lambda rng, x: jnp.ones((4, 2)))
    assert layer(X).shape == (3, 2)


def flax_module_as_a_layer() -> None:
    import flax.linen as nn

    assert L.FlaxLayer(nn.Dense(2))(X).shape == (3, 2)


def torch_module_as_a_layer() -> None:
    import torch

    assert L.TorchModuleWrapper(torch.nn.Linear(4, 2))(X).shape == (3, 2)


LAYERS: dict[str, Use] = {
    "TextVectorization": trains_on_text,
    "StringLookup": lambda: np.testing.assert_array_equal(
        L.StringLookup(vocabulary=["a", "b"])(WORDS), [1, 2, 0]
    ),
    "IntegerLookup": lambda: np.testing.assert_array_equal(
        L.IntegerLookup(vocabulary=[7, 9])([9, 1]), [2, 0]
    ),
    "Hashing": lambda: np.testing.assert_array_equal(
        L.Hashing(3)(np.array(["A", "B", "C", "D", "E"])), [1, 0, 1, 1, 2]
    ),
    "HashedCrossing": lambda: np.testing.assert_array_equal(
        L.HashedCrossing(5)((np.array(["A", "B"]), np.array([101, 101]))), [1, 4]
    ),
    "Layer": lambda: Doubled()(X),
    "Wrapper": lambda: Around(L.Dense(2))(X),
    "InputLayer": lambda: keras.Sequential([L.InputLayer((4,)), L.Dense(2)])(X),
    "Input": lambda: keras.Model(inputs := L.Input((4,)), L.Dense(2)(inputs))(X),
    "InputSpec": lambda: L.InputSpec(shape=(None, 4), dtype="float32").get_config(),
    "TFSMLayer": saved_model_as_a_layer,
    "JaxLayer": jax_function_as_a_layer,
    "FlaxLayer": flax_module_as_a_layer,
    "TorchModuleWrapper": torch_module_as_a_layer,
    **{
        name: lambda name=name: getattr(L, name)([X, X])
        for name in ("add", "average", "concatenate", "maximum", "minimum", "multiply", "subtract")
    },
    "dot": lambda: L.dot([X, X], axes=1),
}

# -- models, files, settings --------------------------------------------------------------------------------


def saved() -> str:
    network().save("model.keras")
    return "model.keras"


def weights() -> None:
    keras.saving.save_weights(network(), "m.weights.h5")
    keras.saving.load_weights(network(), "m.weights.h5")


def edited() -> None:
    network().save_weights("m.weights.h5")
    keras.saving.KerasFileEditor("m.weights.h5").summary()


def registered() -> None:
    cls = U.register_keras_serializable("here")(type("Registered", (Doubled,), {}))
    assert U.get_registered_object(U.get_registered_name(cls)) is cls


def in_scope() -> None:
    config = L.serialize(Doubled())
    with U.CustomObjectScope({"Doubled": Doubled}):
        assert isinstance(L.deserialize(config), Doubled)


def among_all() -> None:
    U.get_custom_objects()["Doubled"] = Doubled
    try:
        assert U.get_registered_object("Doubled") is Doubled
    finally:
        del U.get_custom_objects()["Doubled"]


def again() -> Any:
    return U.deserialize_keras_object(U.serialize_keras_object(L.Dense(2)))


def legacy() -> Any:
    legacy = keras.legacy.saving
    config = legacy.serialize_keras_object(L.Dense(2))
    return legacy.deserialize_keras_object(config, module_objects={"Dense": L.Dense})


def quantized(mode: str) -> Use:
    def quantize() -> None:
        model = network()
        model.quantize(mode)
        assert np.isfinite(model.predict(X, verbose=0)).all()

    return quantize


def distilled() -> None:
    model = keras.distillation.Distiller(
        network(), network(), [keras.distillation.LogitsDistillation(), feature_distillation()], [0.5, 0.5]
    )
    model.compile("adam", "mse")
    model.fit(X, np.zeros((3, 2)), verbose=0)


def feature_distillation() -> Any:
    return keras.distillation.FeatureDistillation("mse")


def distributed() -> None:
    keras.distribution.set_distribution(keras.distribution.DataParallel(devices=["cpu:0"]))
    try:
        assert keras.distribution.distribution() is not None
        trained()
    finally:
        keras.distribution.set_distribution(None)


def laid_out() -> None:
    mesh = keras.distribution.DeviceMesh((1, 1), ("batch", "model"), ["cpu:0"])
    layouts = keras.distribution.LayoutMap(mesh)
    layouts[".*kernel"] = keras.distribution.TensorLayout((None, "model"), mesh)
    keras.distribution.ModelParallel(layout_map=layouts, batch_dim_name="batch")
    keras.distribution.distribute_tensor(ops.ones((2, 2)), layouts[".*kernel"])


def stateless() -> None:
    variable = keras.Variable(1.0)
    with keras.StatelessScope([(variable, ops.ones(()) * 3)]):
        assert float(variable.value) == 3


def symbolic() -> None:
    with keras.SymbolicScope():
        keras.ops.add(keras.KerasTensor((2, 3)), 1)


def rematerialized() -> None:
    with keras.RematScope("full"):
        model = keras.Sequential([keras.Input((4,)), L.Dense(2)])
    model.compile("sgd", "mse")
    model.fit(X, np.zeros((3, 2)), verbose=0)


def keeps(get: Callable[[], Any], put: Callable[[Any], Any]) -> Use:
    """A setting, read and set to what it is."""
    return lambda: put(get())


def on_and_off(off: Callable[[], Any], on: Callable[[], Any], other: Use = lambda: None) -> Use:
    def switch() -> None:
        off()
        on()
        other()

    return switch


CONFIG = keras.config
SETTINGS: dict[str, Use] = {
    **{
        f"config.{name}": keeps(getattr(CONFIG, name), getattr(CONFIG, f"set_{name}"))
        for name in (
            "floatx",
            "epsilon",
            "image_data_format",
            "dtype_policy",
            "max_epochs",
            "max_steps_per_epoch",
        )
    },
    "config.backend": CONFIG.backend,
    "config.set_backend": lambda: CONFIG.set_backend("numpy"),
    "config.is_nnx_enabled": CONFIG.is_nnx_enabled,
    "config.enable_unsafe_deserialization": CONFIG.enable_unsafe_deserialization,
    "config.is_flash_attention_enabled": CONFIG.is_flash_attention_enabled,
    "config.is_interactive_logging_enabled": CONFIG.is_interactive_logging_enabled,
    "config.is_traceback_filtering_enabled": CONFIG.is_traceback_filtering_enabled,
    **{
        f"config.{which}_{what}": on_and_off(
            getattr(CONFIG, f"disable_{what}"), getattr(CONFIG, f"enable_{what}")
        )
        for what in ("flash_attention", "interactive_logging", "traceback_filtering")
        for which in ("disable", "enable")
    },
}
SETTINGS |= {
    f"config.set_{path.removeprefix('config.')}": use
    for path, use in list(SETTINGS.items())
    if hasattr(CONFIG, f"set_{path.removeprefix('config.')}") and f"config.set_{path[7:]}" not in SETTINGS
}


class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    def __call__(self, step: Any) -> Any:
        return 0.1 / (1.0 + ops.cast(step, "float32"))


def scheduled() -> None:
    model = network()
    model.compile(keras.optimizers.SGD(Schedule()), "mse")
    model.fit(X, np.zeros((3, 2)), verbose=0)


def optimized_apart() -> None:
    model = network()
    model.compile(keras.optimizers.ScheduleFreeAdamW(0.1), "mse")
    model.fit(X, np.zeros((3, 2)), verbose=0)


def sources() -> None:
    inputs = keras.Input((4,))
    assert U.get_source_inputs(L.Dense(2)(inputs)) == [inputs]


BASES: dict[str, Use] = {
    "Function": lambda: keras.Function(x := keras.Input((4,)), ops.tanh(x))(X),
    "Operation": lambda: Doubled()(X),
    "KerasTensor": lambda: ops.tanh(keras.KerasTensor((2, 3))),
    "Variable": lambda: keras.Variable(X).assign_add(X),
    "RematScope": rematerialized,
    "remat": lambda: keras.remat(ops.tanh)(X),
    "StatelessScope": stateless,
    "SymbolicScope": symbolic,
    "device": lambda: keras.device("cpu:0").__enter__(),
    "name_scope": lambda: keras.name_scope("part").__enter__(),
    "version": keras.version,
    "Model": trained,
    "Sequential": trained,
    "Loss": lambda: type("Own", (keras.losses.Loss,), {"call": lambda self, y, p: ops.mean(y - p)})()(X, X),
    "Metric": lambda: keras.metrics.Mean()(X),
    "Optimizer": trained,
    "Initializer": lambda: type(
        "Own", (keras.Initializer,), {"__call__": lambda self, shape, dtype=None: ops.ones(shape)}
    )()((2,)),
    "Regularizer": lambda: type("Own", (keras.Regularizer,), {"__call__": lambda self, x: ops.sum(x)})()(X),
    "Quantizer": lambda: keras.quantizers.AbsMaxQuantizer(axis=0)(X),
    "DTypePolicy": lambda: L.Dense(2, dtype=keras.DTypePolicy("mixed_bfloat16"))(X),
    "FloatDTypePolicy": lambda: L.Dense(2, dtype=keras.dtype_policies.FloatDTypePolicy("float16"))(X),
}

Q = keras.quantizers
INT4 = np.arange(-8, 8, dtype="int8").reshape(4, 4)
B = U.bounding_boxes
BOX = np.array([[1.0, 1, 5, 6], [0, 0, 3, 3]], "float32")
SHAPE = (10, 12)
R = keras.random
T = keras.tree
TREE = {"a": 1, "b": (2, 3)}
D = keras.dtype_policies

REST: dict[str, Use] = {
    "models.clone_model": lambda: keras.models.clone_model(network())(X),
    "models.model_from_json": lambda: keras.models.model_from_json(network().to_json())(X),
    "saving.save_model": lambda: keras.saving.save_model(network(), "m.keras"),
    "saving.load_model": lambda: keras.saving.load_model(saved())(X),
    "saving.load_weights": weights,
    "saving.save_weights": weights,
    "saving.KerasFileEditor": edited,
    "legacy.saving.serialize_keras_object": legacy,
    "legacy.saving.deserialize_keras_object": legacy,
    "utils.CustomObjectScope": in_scope,
    "utils.get_custom_objects": among_all,
    "utils.register_keras_serializable": registered,
    "utils.get_registered_name": registered,
    "utils.get_registered_object": registered,
    "utils.serialize_keras_object": again,
    "utils.deserialize_keras_object": again,
    "utils.get_source_inputs": sources,
    "utils.clear_session": U.clear_session,
    "utils.is_keras_tensor": lambda: U.is_keras_tensor(keras.Input((2,))),
    "utils.set_random_seed": lambda: U.set_random_seed(1),
    "utils.standardize_dtype": lambda: U.standardize_dtype(np.float32),
    "utils.is_interactive_logging_enabled": U.is_interactive_logging_enabled,
    "utils.enable_interactive_logging": U.enable_interactive_logging,
    "utils.disable_interactive_logging": U.disable_interactive_logging,
    "utils.bounding_boxes.convert_format": lambda: B.convert_format(BOX, "xyxy", "rel_xywh", *SHAPE),
    "utils.bounding_boxes.clip_to_image_size": lambda: B.clip_to_image_size(
        {"boxes": BOX, "labels": np.zeros(2)}, *SHAPE
    ),
    "utils.bounding_boxes.affine_transform": lambda: B.affine_transform(
        BOX[None], *(np.array([n]) for n in (9.0, 1, 1, 1, 0, 0)), *SHAPE
    ),
    "utils.bounding_boxes.crop": lambda: B.crop(BOX, 1, 1, 5, 5),
    "utils.bounding_boxes.pad": lambda: B.pad(BOX, 1, 1),
    "utils.bounding_boxes.encode_box_to_deltas": lambda: B.encode_box_to_deltas(BOX, BOX, "xyxy", "xyxy"),
    "utils.bounding_boxes.decode_deltas_to_boxes": lambda: B.decode_deltas_to_boxes(BOX, BOX, "xyxy", "xyxy"),
    "utils.bounding_boxes.compute_iou": lambda: B.compute_iou(BOX, BOX, "xyxy"),
    "utils.bounding_boxes.compute_ciou": lambda: B.compute_ciou(BOX, BOX, "xyxy"),
    "random.SeedGenerator": lambda: R.SeedGenerator(1).next(),
    "random.beta": lambda: R.beta((3,), 1.0, 2.0),
    "random.binomial": lambda: R.binomial((3,), 4.0, 0.5),
    "random.categorical": lambda: R.categorical(X, 2),
    "random.dropout": lambda: R.dropout(X, 0.5),
    "random.gamma": lambda: R.gamma((3,), 2.0),
    "random.normal": lambda: R.normal((3,)),
    "random.randint": lambda: R.randint((3,), 0, 4),
    "random.shuffle": lambda: R.shuffle(X),
    "random.truncated_normal": lambda: R.truncated_normal((3,)),
    "random.uniform": lambda: R.uniform((3,)),
    "tree.MAP_TO_NONE": lambda: T.traverse(lambda x: T.MAP_TO_NONE if x == 1 else None, TREE),
    "tree.assert_same_paths": lambda: T.assert_same_paths(TREE, TREE),
    "tree.assert_same_structure": lambda: T.assert_same_structure(TREE, TREE),
    "tree.flatten": lambda: T.flatten(TREE),
    "tree.flatten_with_path": lambda: T.flatten_with_path(TREE),
    "tree.is_nested": lambda: T.is_nested(TREE),
    "tree.lists_to_tuples": lambda: T.lists_to_tuples([1, [2]]),
    "tree.map_shape_structure": lambda: T.map_shape_structure(lambda shape: shape, [(1, 2)]),
    "tree.map_structure": lambda: T.map_structure(lambda x: -x, TREE),
    "tree.map_structure_up_to": lambda: T.map_structure_up_to(TREE, lambda x: -x, TREE),
    "tree.pack_sequence_as": lambda: T.pack_sequence_as(TREE, [4, 5, 6]),
    "tree.traverse": lambda: T.traverse(lambda x: None, TREE),
    "dtype_policies.DTypePolicyMap": lambda: D.DTypePolicyMap(policy_map={"dense": D.DTypePolicy("float16")})[
        "dense"
    ],
    "dtype_policies.QuantizedDTypePolicy": lambda: L.Dense(
        2, dtype=D.QuantizedDTypePolicy("int8", "float32")
    )(X),
    "dtype_policies.QuantizedFloat8DTypePolicy": lambda: L.Dense(
        2, dtype=D.QuantizedFloat8DTypePolicy("float8", "float32")
    )(X),
    "dtype_policies.Int4DTypePolicy": lambda: L.Dense(2, dtype=D.Int4DTypePolicy("int4/2", "float32"))(X),
    "dtype_policies.GPTQDTypePolicy": lambda: D.GPTQDTypePolicy("gptq/4/2", "float32").get_config(),
    "dtype_policies.AWQDTypePolicy": lambda: D.AWQDTypePolicy("awq/4/2", "float32").get_config(),
    "quantizers.AbsMaxQuantizer": BASES["Quantizer"],
    "quantizers.Quantizer": BASES["Quantizer"],
    "quantizers.QuantizationConfig": quantized("int8"),
    "quantizers.Int8QuantizationConfig": lambda: network().quantize(config=Q.Int8QuantizationConfig()),
    "quantizers.Int4QuantizationConfig": lambda: network().quantize(
        config=Q.Int4QuantizationConfig(block_size=2)
    ),
    "quantizers.Float8QuantizationConfig": quantized("float8"),
    "quantizers.GPTQConfig": lambda: Q.GPTQConfig(dataset=["text"], tokenizer=len).get_config(),
    "quantizers.AWQConfig": lambda: Q.AWQConfig(dataset=["text"], tokenizer=len).get_config(),
    "quantizers.abs_max_quantize": lambda: Q.abs_max_quantize(X, axis=0),
    "quantizers.abs_max_quantize_grouped_with_zero_point": lambda: Q.abs_max_quantize_grouped_with_zero_point(
        ops.convert_to_tensor(X[:2]), 2
    ),
    "quantizers.compute_float8_amax_history": lambda: Q.compute_float8_amax_history(
        ops.convert_to_tensor(X), ops.zeros((4,))
    ),
    "quantizers.compute_float8_scale": lambda: Q.compute_float8_scale(ops.ones(()), ops.ones(()), 448.0),
    "quantizers.fake_quant_with_min_max_vars": lambda: Q.fake_quant_with_min_max_vars(X, -1.0, 1.0),
    "quantizers.pack_int4": lambda: Q.pack_int4(INT4),
    "quantizers.unpack_int4": lambda: Q.unpack_int4(Q.pack_int4(INT4)[0], 4),
    "quantizers.quantize_and_dequantize": lambda: Q.quantize_and_dequantize(
        X, 0.5, "float8_e4m3fn", "float32"
    ),
    "distillation.Distiller": distilled,
    "distillation.LogitsDistillation": distilled,
    "distillation.FeatureDistillation": distilled,
    "distillation.DistillationLoss": distilled,
    "distribution.DataParallel": distributed,
    "distribution.set_distribution": distributed,
    "distribution.distribution": distributed,
    **{
        f"distribution.{name}": laid_out
        for name in ("DeviceMesh", "LayoutMap", "ModelParallel", "TensorLayout", "distribute_tensor")
    },
    "distribution.initialize": keras.distribution.initialize,
    "distribution.list_devices": keras.distribution.list_devices,
    "distribution.get_device_count": keras.distribution.get_device_count,
    "optimizers.OptimizerMap": lambda: keras.optimizers.OptimizerMap(keras.optimizers.Adam()),
    "optimizers.schedules.LearningRateSchedule": scheduled,
    "optimizers.ScheduleFreeAdamW": optimized_apart,
    "optimizers.legacy.Adagrad": lambda: keras.optimizers.legacy.Adagrad(0.1),
    "backend.get_uid": lambda: keras.backend.get_uid("a"),
    "backend.is_float_dtype": lambda: keras.backend.is_float_dtype("float16"),
    "backend.is_int_dtype": lambda: keras.backend.is_int_dtype("int8"),
    "backend.result_type": lambda: keras.backend.result_type("int8", "float32"),
    "ops.associative_scan": lambda: ops.associative_scan(ops.add, X),
    **{
        f"ops.{name}": lambda name=name: getattr(ops, name)(4)
        for name in ("arange", "bartlett", "blackman", "eye", "hamming", "hanning", "identity", "tri")
    },
    **{f"ops.{name}": lambda name=name: getattr(ops, name)((2, 3)) for name in ("empty", "ones", "zeros")},
    "ops.kaiser": lambda: ops.kaiser(4, 2.0),
    **{
        f"ops.{name}": lambda name=name: getattr(ops, name)(X)
        for name in ("convert_to_numpy", "is_tensor", "ndim", "shape", "size", "nonzero")
    },
    "ops.dtype": lambda: ops.dtype(X),
    "ops.linalg.jvp": lambda: ops.linalg.jvp(ops.tanh, (X,), (X,)),
    "ops.jvp": lambda: ops.jvp(ops.tanh, (X,), (X,)),
}


def other_uses() -> dict[str, Use]:
    """All of this file."""
    found = {f"keras.layers.{name}": use for name, use in LAYERS.items()}
    return found | {f"keras.{path}": use for path, use in (SETTINGS | BASES | REST).items()}
