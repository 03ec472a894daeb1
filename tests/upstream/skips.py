"""Which of the skips in Keras's suite apply to kerasflow.

The tables `LIFTED` and `KEPT`: the beginning of a skip's reason, as a regular expression, and the judgement. A skip
for a reason that is in neither is a failure.
"""

# Skips that excuse Keras's own NumPy backend from what kerasflow does: these tests run.
LIFTED = {
    "Trainer not implemented": "kerasflow trains",
    "The NumPy and OpenVINO backends do not implement fit": "kerasflow trains",
    "Backend not implemented": "kerasflow trains: scikit-learn's checks of the wrappers",
    "numpy backend does not support gradients": "it does",
    "numpy doesn't support `custom_gradient`": "it carries the function's own derivative",
    "numpy doesn't implement custom ops for einsum": "NumPy's own einsum serves",
    "remat not supported on OpenVino and Numpy": "it is accepted",
    "compute_output_spec not supported with numpy": "shapes are inferred",
    "Backend does not support jvp operation": "the derivative of the derivative gives it",
    "Key/Value broadcasting is not supported on numpy": "it is",
    "Broken with NumPy backend": "a fault of the stock backend: Hashing",
    "Failing for numpy backend": "a fault of the stock backend: IndexLookup",
    "`predict` errors out with 'autodetected range": "a fault of the stock backend: histogram",
    "TODO: When using FeatureSpace as a Model in torch and numpy, the error is large": "a fault of the stock backend",
    "StringLookup symbolic string Input not supported on numpy backend": "a fault of the stock backend",
    "Requires string": "models take strings",
    "Uses string": "models take strings",
    "sparse=True only supported on TensorFlow": "layers that look up give sparse tensors",
    "Need sparse tensor support": "such layers take TensorFlow's tensors too",
    "invert=True requires TensorFlow string tensors": "models take strings",
}

# Skips that are right for kerasflow too.
_OTHER = "the subject is another backend"
_RAGGED = "there are no ragged tensors"
_COMBINATION = "the test leaves out combinations of its own parameters, on every backend"
KEPT = {
    r"(JAX|jax|tf|TensorFlow|tensorflow|torch|Torch) (only|on [GT]PU only|only test)\b": _OTHER,
    r"Only (JAX has|applicable for torch|test tensorflow|torch)": _OTHER,
    r"(Requires|Test|Tests|Testing|Uses|Need)\b.*(JAX|Jax|jax|TF|tf\b|tf_keras|TensorFlow|[Tt]orch|NNX)": _OTHER,
    r"(The|This) test (is|can|requires|targets).* `?(JAX|jax|TF|tensorflow|TensorFlow)": _OTHER,
    r"The [\w.]+ test can only run with (JAX|TF|TensorFlow)": _OTHER,
    r"(JaxLayer and FlaxLayer|TFSM Layer|Tensorflow error|Memory optimization|tf\.data\.Dataset specific)": _OTHER,
    r"(Dynamic scan fallback|These JSON serialization tests|Skipping test because the backend is not)": _OTHER,
    r"(Guards the torch-backend|torch backend runs in eager|torch\.export graph|Sequential \+ tf\.data)": _OTHER,
    r"(synchronized=True only|Channels-first axis only|`unrolled_steps_per_execution` is only)": _OTHER,
    r"sparse=True cannot be combined with": _COMBINATION,
    r"dilation_rate>1 with strides>1 not supported with TF": "TensorFlow computes what the test expects",
    r".*(does not|doesn't) support ragged tensors": _RAGGED,
    r"Need string tensor support": "the test expects TensorFlow's sparse tensors, which become kerasflow's",
    r"(Requires ragged|Only tensorflow supports raggeds|one_hot output only)": _RAGGED,
    r"Flash attention (is not|only) supported": "kerasflow has no flash attention, and says so",
    r"Backend does not support dynamic shapes": "sizes are static",
    r"Requires multiple devices": "there is one device",
    r"(Export .*only|`export_\w+` .*only|String lookup requires)": "the test is for another framework's `model.export`",
    r"(`ai_edge_litert` is not available|Requires litert-torch)": "the test is for another framework's converter",
    r"`output_padding` (must be less|greater) than `strides`": _COMBINATION,
    r"(Unsupported configuration|Masking not supported|Starting processes is slow)": _COMBINATION,
    r"\w+ (does not|doesn't) support bool": _COMBINATION,
    r"bfloat16 dtype is not supported in legacy h5 format": _COMBINATION,
    r"(SKLearn\w+ is non deterministic|SCIPY_ARRAY_API is not set)": "scikit-learn's own condition",
    r".* is not (installed|available)": "the environment lacks the package",
}

# What functions that ask for the backend's name are told; anybody else is told "numpy".
# Some leave the training check out for "numpy". Others have a branch for each backend that trains, and none for us:
# who is told "jax" gets kerasflow's `grad` and `jit` in place of JAX's.
_PREPROCESSING = "keras.src.layers.preprocessing"
ANSWERS: dict[str, dict[str, str]] = {
    "keras.src.testing.test_case": {"TestCase.run_layer_test": "kerasflow"},
    f"{_PREPROCESSING}.pipeline_test": {"PipelineTest.test_basics": "kerasflow"},
    f"{_PREPROCESSING}.image_preprocessing.random_flip_test": {
        "RandomFlipTest.test_random_flip": "kerasflow",
        "RandomFlipTest.test_random_flip_horizontal": "kerasflow",
        "RandomFlipTest.test_random_flip_vertical": "kerasflow",
    },
    "keras.src.layers.core.dense_test": {"DenseTest.test_quantize_float8": "jax"},
    "keras.src.layers.core.einsum_dense_test": {"EinsumDenseTest.test_quantize_float8": "jax"},
    "keras.src.ops.numpy_test": {"NumpyTwoInputOpsCorrectnessTest.test_divide_no_nan_gradients": "jax"},
    "keras.src.quantizers.quantizers_test": {"QuantizersTest.test_fake_quant_with_min_max_vars": "jax"},
    # Whether gradients are sparse JAX is not asked.
    "keras.src.trainers.trainer_test": {
        "TestPyDataset.__getitem__": "torch",
        "TestTrainer.test_fit_sparse": "jax",
    },
}

_TENSORBOARD = "callbacks/tensorboard_test.py::TestTensorBoardV2::test_"
_TORCH = (
    "backend/torch/core_test export/litert_torch_test export/torch_test utils/dataset_utils_test utils/torch_utils_test"
    " trainers/data_adapters/array_data_adapter_test trainers/data_adapters/generator_data_adapter_test"
    " trainers/data_adapters/grain_dataset_adapter_test trainers/data_adapters/py_dataset_adapter_test"
    " trainers/data_adapters/tf_dataset_adapter_test trainers/data_adapters/torch_data_loader_adapter_test"
)

# Files, classes and tests that fail, or are not even imported, without a package.
NEEDS = {
    "callbacks/orbax_checkpoint_test.py::OrbaxCheckpointTest": "orbax",
    **{f"{file}.py": "torch" for file in _TORCH.split()},
    "backend/common/variables_test.py::VariablePropertiesTest::test_standardize_dtype_with_torch_dtype": "torch",
    "utils/backend_utils_test.py::BackendUtilsTest::test_dynamic_backend_torch": "torch",
    **{
        f"ops/nn_test.py::NNOpsDtypeTest::test_{name}_{dtype}": "torch"
        for name in ("hard_shrink", "soft_shrink", "tanh_shrink", "threshold")
        for dtype in ("bfloat16", "float16", "float32")
    },
    **{
        f"trainers/trainer_test.py::TestTrainer::test_fit_with_data_adapter_torch_dataloader_{kind}": "torch"
        for kind in ("iterable", "iterable_with_len", "tensor")
    },
    **{
        f"{_TENSORBOARD}{name}": "tensorboard"
        for name in (
            "TensorBoard_across_invocations",
            "TensorBoard_basic",
            "TensorBoard_batch_metrics",
            "TensorBoard_global_step",
            "TensorBoard_learning_rate_schedules",
            "TensorBoard_no_spurious_event_files",
            "TensorBoard_non_blocking",
            "TensorBoard_projector_callback",
            "TensorBoard_weight_histograms",
            "TensorBoard_weight_images",
            "custom_summary",
        )
    },
    "export/onnx_test.py": "onnxruntime",
}
