"""What is changed in Keras's own modules while they load: one table, `ADJUSTED`, of all of it.

An adjustment is a context manager around a module's execution. Before its `yield` it sets what the module reads, behind
it the module is there to be changed; what is large is in a module of its own, imported only then.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import FunctionType, ModuleType
from typing import Any, NoReturn


def drop_hints(objects: Iterable[Any]) -> None:
    """Keras wants a backend's signatures to equal those of its operations, which have no type hints."""
    for x in objects:
        while isinstance(x, FunctionType) and x.__module__.startswith("kerasflow.bridge."):
            x.__annotations__ = {}
            x = getattr(x, "__wrapped__", None)


@contextmanager
def _select_numpy(module: ModuleType) -> Iterator[None]:
    """Keras calls its backend "numpy", whatever `keras.json` or `KERAS_BACKEND` say; neither is changed."""
    saved = os.environ.get("KERAS_BACKEND")
    os.environ["KERAS_BACKEND"] = "numpy"
    try:
        yield
    finally:
        if saved is None:
            del os.environ["KERAS_BACKEND"]
        else:
            os.environ["KERAS_BACKEND"] = saved


@contextmanager
def _compute_on_one_device(module: ModuleType) -> Iterator[None]:
    """Keras has nothing for `keras.distribution` where its backend is "numpy"."""
    yield
    from kerasflow.bridge import distribution

    module.distribution_lib = distribution  # type: ignore[attr-defined]


@contextmanager
def _choose_backend(module: ModuleType) -> Iterator[None]:
    """Keras would import itself anew, and this package with it; here a backend is chosen while the program runs."""
    yield
    from kerasflow.compiler import set_backend

    module.set_backend = set_backend  # type: ignore[attr-defined]


@contextmanager
def _override_numpy(module: ModuleType) -> Iterator[None]:
    """Keras's own NumPy operations are served as they are, but for the few that do not trace."""
    yield
    from kerasflow.bridge.ops import numpy as overrides

    for name, function in overrides.OVERRIDES.items():
        setattr(module, name, function)
    drop_hints(overrides.OVERRIDES.values())
    for name, wrap in overrides.AROUND.items():
        if hasattr(module, name):  # Not every version of Keras has all of them.
            setattr(module, name, wrap(getattr(module, name)))


@contextmanager
def _keep_float64(module: ModuleType) -> Iterator[None]:
    """Float64 stays float64, as with TensorFlow; JAX's default, which Keras follows elsewhere, makes it float32."""
    yield
    module.BIT64_TO_BIT32_DTYPE |= {"float64": "float64", "complex128": "complex128"}  # type: ignore[attr-defined]


@contextmanager
def _name_strings(module: ModuleType) -> Iterator[None]:
    """NumPy has a dtype for each length of strings ("str96"), which Keras's preprocessing layers are given."""
    yield
    standardize = module.standardize_dtype

    @functools.wraps(standardize)
    def standardize_dtype(dtype: Any) -> Any:
        return "string" if getattr(dtype, "kind", "") in STRINGS else standardize(dtype)

    module.standardize_dtype = standardize_dtype  # type: ignore[attr-defined]


# The kinds of NumPy's dtypes that Keras calls "string": bytes, text, Python objects, NumPy's own strings.
STRINGS = ("S", "U", "O", "T")


@contextmanager
def _hide_frames(module: ModuleType) -> Iterator[None]:
    """Keras leaves its own frames out of the tracebacks that users see; ours too."""
    yield
    module._EXCLUDED_PATHS += (os.path.dirname(os.path.dirname(os.path.abspath(__file__))),)  # type: ignore[attr-defined]


class _IfImported:
    """Keras's lazy module for TensorFlow, which is there only if somebody else has imported it."""

    @property
    def available(self) -> bool:
        return "tensorflow" in sys.modules

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.modules["tensorflow"], name)


@contextmanager
def _leave_tensorflow(module: ModuleType) -> Iterator[None]:
    """Keras would import TensorFlow, where it is installed, to seed it or to ask whether an object is one of its."""
    yield
    module.tf = _IfImported()  # type: ignore[attr-defined]


@contextmanager
def _leave_jax(module: ModuleType) -> Iterator[None]:
    """Keras would import JAX, where it is installed, to mend a function of old versions of it."""
    missing = "jax" not in sys.modules
    if missing:
        sys.modules["jax"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        if missing:
            del sys.modules["jax"]


@contextmanager
def _build_once(module: ModuleType) -> Iterator[None]:
    """Optimizers that a step builds are built outside of the program that records the step, as layers are."""
    yield
    from kerasflow.tracing import suspended

    def wrap(cls: type) -> None:
        if "build" in vars(cls):
            cls.build = suspended()(vars(cls)["build"])  # type: ignore[attr-defined]

    wrap(module.BaseOptimizer)
    module.BaseOptimizer.__init_subclass__ = classmethod(wrap)


@contextmanager
def _pickles_with_kerasflow(module: ModuleType, name: str) -> Iterator[None]:
    """Objects of a class are unpickled by processes that import kerasflow before Keras."""
    yield
    from kerasflow.bridge.pickling import brings_kerasflow

    cls: Any = getattr(module, name)
    cls.__reduce_ex__ = brings_kerasflow(cls.__reduce_ex__)


@contextmanager
def _embeddings_with_attributes(module: ModuleType) -> Iterator[None]:
    """`Embedding.enable_lora` sets an attribute of the weights: of an array, where int4 had to be unpacked."""
    yield
    import numpy as np

    class Unpacked(np.ndarray[Any, Any]):
        """An array that takes attributes."""

    found = module.Embedding.embeddings.fget

    def embeddings(self: Any) -> Any:
        weights = found(self)
        return weights.view(Unpacked) if isinstance(weights, np.ndarray) else weights

    module.Embedding.embeddings = property(embeddings)


class _Seen:
    """An object as it is, but for some attributes."""

    def __init__(self, object: Any, **attributes: Any) -> None:
        self.__dict__ |= attributes
        self._object = object

    def __getattr__(self, name: str) -> Any:
        return getattr(self._object, name)


@contextmanager
def _equalize_as_for_jax(module: ModuleType) -> Iterator[None]:
    """Which bins are occupied Keras asks `nonzero`, whose result's shape depends on values; for JAX it goes without."""
    yield
    apply = module.Equalization._apply_equalization

    def apply_equalization(self: Any, channel: Any, hist: Any) -> Any:
        if self.backend.name == "numpy":
            self = _Seen(self, backend=_Seen(self.backend, name="jax"))
        return apply(self, channel, hist)

    module.Equalization._apply_equalization = apply_equalization


@contextmanager
def _export_onnx(module: ModuleType) -> Iterator[None]:
    """Keras writes ONNX with other frameworks' converters; here it is written from the graph."""
    yield

    def export_onnx(*args: Any, **kwargs: Any) -> None:
        from kerasflow.bridge.export_onnx import export_onnx

        export_onnx(*args, **kwargs)

    module.export_onnx = export_onnx  # type: ignore[attr-defined]


@contextmanager
def _export_openvino(module: ModuleType) -> Iterator[None]:
    """Keras converts what other frameworks have traced; OpenVINO reads ONNX files too."""
    yield

    def export_openvino(*args: Any, **kwargs: Any) -> NoReturn:
        from kerasflow.errors import ExportError

        raise ExportError(
            "`format='openvino'` is not available on kerasflow. OpenVINO reads ONNX files: "
            "`model.export('model.onnx', format='onnx')`, and then `openvino.convert_model('model.onnx')`."
        )

    module.export_openvino = export_openvino  # type: ignore[attr-defined]


@contextmanager
def _save_whole(module: ModuleType) -> Iterator[None]:
    """Keras empties a file and then fills it; a save that is interrupted would destroy the previous one."""
    yield
    from kerasflow.bridge.saving import saving_whole

    for name in ("save_model", "save_weights_only", "save_model_to_hdf5"):
        if hasattr(module, name):
            setattr(module, name, saving_whole(getattr(module, name)))


@contextmanager
def _load_whole(module: ModuleType) -> Iterator[None]:
    """Of a damaged file Keras says that there is none, or whatever comes up; and it may have loaded a half of it."""
    yield
    from kerasflow.bridge.loading import loading_whole

    module.load_model = loading_whole(module.load_model, into_a_model=False)  # type: ignore[attr-defined]
    module.load_weights = loading_whole(module.load_weights, into_a_model=True)  # type: ignore[attr-defined]


@contextmanager
def _name_the_layer(module: ModuleType) -> Iterator[None]:
    """An error in a layer says of which class that is, not which one it is."""
    yield
    from kerasflow.graph import locate

    leave = module.name_scope.__exit__

    def __exit__(self: Any, kind: Any = None, error: Any = None, *rest: Any) -> None:
        if error is not None and self.caller is not None:
            locate(error, module.current_path())
        leave(self, kind, error, *rest)

    module.name_scope.__exit__ = __exit__


@contextmanager
def _keep_optimizer(module: ModuleType) -> Iterator[None]:
    """Saving a legacy file takes the optimizer out of the model's own configuration: later files would be without."""
    yield
    describe = module.model_metadata

    @functools.wraps(describe)
    def model_metadata(model: Any, *args: Any, **kwargs: Any) -> Any:
        compiled = getattr(model, "_compile_config", None)
        kept = dict(compiled.config) if compiled else {}
        try:
            return describe(model, *args, **kwargs)
        finally:
            if compiled:
                compiled.config = kept

    module.model_metadata = model_metadata  # type: ignore[attr-defined]


@contextmanager
def _back_up_progress(module: ModuleType) -> Iterator[None]:
    """Keras's backup of a training is not all of it, and a part of it is written in place."""
    yield
    from kerasflow.bridge.saving import backing_up_progress, opening_whole

    module.file_utils = _Seen(module.file_utils, File=opening_whole(module.file_utils.File))  # type: ignore[attr-defined]
    backing_up_progress(module.BackupAndRestore)


@contextmanager
def _name_the_remedy(module: ModuleType) -> Iterator[None]:
    """TensorBoard's files are written by TensorFlow and TensorBoard: where they are missing, it says so at once."""
    yield
    set_model = module.TensorBoard.set_model

    @functools.wraps(set_model)
    def with_its_modules(self: Any, model: Any) -> None:
        for name in ("tensorflow", "tensorboard"):
            try:
                importlib.import_module(name)
            except ImportError as problem:
                raise ModuleNotFoundError(
                    f"keras.callbacks.TensorBoard needs the module {name!r}, which is not installed. "
                    'Install it with: pip install "kerasflow[tensorflow]" tensorboard. '
                    "Without it `keras.callbacks.CSVLogger` keeps the losses and metrics.",
                    name=name,
                ) from problem
        set_model(self, model)

    module.TensorBoard.set_model = with_its_modules


@contextmanager
def _bind_to_backend(module: ModuleType, name: str) -> Iterator[None]:
    """A functional or subclassed model takes a `backend`, as `kerasflow.Sequential` does; Keras might ignore it."""
    yield
    cls = getattr(module, name)
    init = cls.__init__

    @functools.wraps(init)
    def __init__(self: Any, *args: Any, backend: str | None = None, **kwargs: Any) -> None:
        if backend is not None:
            from kerasflow.compiler import current_backend

            current_backend(backend)
        init(self, *args, **kwargs)
        if backend is not None:
            self.kerasflow_backend = backend

    # By their arguments Keras tells which models can be made from inputs and outputs.
    __init__.__signature__ = inspect.signature(init)  # type: ignore[attr-defined]
    cls.__init__ = __init__


# Keras's modules that are loaded as installed, and what is done around their execution.
ADJUSTED: dict[str, Callable[[ModuleType], AbstractContextManager[None]]] = {
    "keras.src.backend": _compute_on_one_device,
    "keras.src.backend.config": _select_numpy,
    "keras.src.backend.common.dtypes": _keep_float64,
    "keras.src.backend.common.name_scope": _name_the_layer,
    "keras.src.backend.common.variables": _name_strings,
    "keras.src.backend.numpy.numpy": _override_numpy,
    "keras.src.callbacks.backup_and_restore": _back_up_progress,
    "keras.src.callbacks.orbax_checkpoint": _leave_jax,
    "keras.src.callbacks.tensorboard": _name_the_remedy,
    "keras.src.export.onnx": _export_onnx,
    "keras.src.export.openvino": _export_openvino,
    "keras.src.layers.core.embedding": _embeddings_with_attributes,
    "keras.src.layers.preprocessing.image_preprocessing.equalization": _equalize_as_for_jax,
    "keras.src.legacy.saving.json_utils": _leave_tensorflow,
    "keras.src.legacy.saving.legacy_h5_format": _save_whole,
    "keras.src.legacy.saving.saving_utils": _keep_optimizer,
    "keras.src.models.functional": functools.partial(_bind_to_backend, name="Functional"),
    "keras.src.models.model": functools.partial(_bind_to_backend, name="Model"),
    "keras.src.optimizers.base_optimizer": _build_once,
    "keras.src.saving.saving_api": _load_whole,
    "keras.src.saving.keras_saveable": functools.partial(_pickles_with_kerasflow, name="KerasSaveable"),
    "keras.src.saving.saving_lib": _save_whole,
    "keras.src.saving.serialization_lib": _leave_tensorflow,
    "keras.src.utils.backend_utils": _choose_backend,
    "keras.src.utils.rng_utils": _leave_tensorflow,
    "keras.src.utils.traceback_utils": _hide_frames,
    "keras.src.wrappers.sklearn_wrapper": functools.partial(_pickles_with_kerasflow, name="SKLBase"),
}
