"""What is changed in modules of Keras, KerasHub and einops while they load: one table, `ADJUSTED`, of all of it.

An adjustment is a context manager around a module's execution. Before its `yield` it sets what the module reads, behind
it the module is there to be changed. Each of the files here holds those of one kind, and is imported when the first of
its modules is: what it imports may need what Keras has loaded until then, and no more. Open `selection` first.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import ModuleType
from typing import Any

# Modules that are loaded as installed, and what is done around their execution: a file here, and its function.
ADJUSTED = {
    "einops._backends": "einops.compute_on_tracers",
    "keras.src.backend": "selection.compute_on_one_device",
    "keras.src.backend.config": "selection.select_numpy",
    "keras.src.backend.common.dtypes": "dtypes.keep_64_bits",
    "keras.src.backend.common.name_scope": "errors.name_the_layer",
    "keras.src.backend.common.variables": "dtypes.name_strings",
    "keras.src.backend.numpy.numpy": "operations.override_numpy",
    "keras.src.callbacks.backup_and_restore": "files.back_up_progress",
    "keras.src.callbacks.csv_logger": "ranks.log_once",
    "keras.src.callbacks.model_checkpoint": "ranks.make_folders_once",
    "keras.src.callbacks.orbax_checkpoint": "frameworks.leave_jax",
    "keras.src.callbacks.remote_monitor": "ranks.send_once",
    "keras.src.callbacks.tensorboard": "errors.name_the_remedy",
    "keras.src.distribution.distribution_lib": "ranks.share_batches_out",
    "keras.src.export.onnx": "exports.write_onnx",
    "keras.src.export.openvino": "exports.refuse_openvino",
    "keras.src.layers.preprocessing.image_preprocessing.equalization": "layers.equalize_as_for_jax",
    "keras.src.layers.preprocessing.text_vectorization": "text.standardize_in_graphs",
    "keras.src.legacy.saving.json_utils": "frameworks.leave_tensorflow",
    "keras.src.legacy.saving.legacy_h5_format": "files.save_whole",
    "keras.src.legacy.saving.saving_utils": "files.keep_optimizer",
    "keras.src.models.functional": "selection.bind_functional",
    "keras.src.models.model": "selection.bind_model",
    "keras.src.ops.numpy": "operations.give_items",
    "keras.src.optimizers.base_optimizer": "layers.build_once",
    "keras.src.saving.saving_api": "files.load_whole",
    "keras.src.saving.keras_saveable": "files.pickle_saveable",
    "keras.src.saving.saving_lib": "files.save_whole",
    "keras.src.saving.serialization_lib": "frameworks.leave_tensorflow",
    "keras.src.trainers.data_adapters": "ranks.take_whole_data",
    "keras.src.utils.backend_utils": "selection.choose_backend",
    "keras.src.utils.io_utils": "ranks.print_once",
    "keras.src.utils.numerical_utils": "tensors.normalize_tensors",
    "keras.src.utils.rng_utils": "frameworks.leave_tensorflow",
    "keras.src.utils.traceback_utils": "errors.hide_frames",
    "keras.src.wrappers.sklearn_wrapper": "files.pickle_sklearn",
    "keras_hub.src.models.causal_lm": "hub.compile_generation",
    "keras_hub.src.models.image_to_image": "hub.compile_generation",
    "keras_hub.src.models.inpaint": "hub.compile_generation",
    "keras_hub.src.models.text_to_image": "hub.compile_generation",
}


def adjustment(name: str) -> Callable[[ModuleType], AbstractContextManager[None]]:
    """What is done around the execution of the module with that name, which `ADJUSTED` has."""
    file, _, function = ADJUSTED[name].partition(".")
    found: Any = getattr(importlib.import_module(f"{__name__}.{file}"), function)
    return found
