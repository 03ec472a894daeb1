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

from kerasflow.bridge.versions import LAYOUT

# Modules that are loaded as installed, and what is done around their execution: a file here, and its function.
ADJUSTED = {
    "einops._backends": "einops.compute_on_tracers",
    "keras.src.backend": "selection.compute_on_one_device",
    "keras.src.backend.common.dtypes": "dtypes.keep_64_bits",
    "keras.src.backend.common.name_scope": "errors.name_the_layer",
    "keras.src.backend.common.variables": "dtypes.name_strings",
    "keras.src.backend.config": "selection.select_numpy",
    "keras.src.backend.numpy": "selection.say_what_is_supported",
    "keras.src.backend.numpy.layer": "classes.give_layer",
    LAYOUT.trainer.module: "classes.give_trainer",
    LAYOUT.archive.module: "classes.give_archive",
    f"{LAYOUT.operations}.numpy": "operations.override_numpy",
    "keras.src.callbacks.backup_and_restore": "files.back_up_progress",
    "keras.src.callbacks.csv_logger": "ranks.log_once",
    "keras.src.callbacks.model_checkpoint": "ranks.make_folders_once",
    "keras.src.callbacks.orbax_checkpoint": "frameworks.leave_jax",
    "keras.src.callbacks.remote_monitor": "ranks.send_once",
    "keras.src.callbacks.tensorboard": "errors.name_the_remedy",
    "keras.src.distribution.distribution_lib": "ranks.share_batches_out",
    "keras.src.dtype_policies.dtype_policy": "sparse.take_sparse",
    "keras.src.export.onnx": "exports.write_onnx",
    "keras.src.export.openvino": "exports.refuse_openvino",
    "keras.src.layers.preprocessing.image_preprocessing.equalization": "layers.equalize_as_for_jax",
    "keras.src.layers.preprocessing.index_lookup": "text.look_up",
    "keras.src.layers.preprocessing.integer_lookup": "text.look_up_strings",
    "keras.src.layers.preprocessing.normalization": "text.ask_a_standin",
    "keras.src.layers.preprocessing.string_lookup": "text.look_up_strings",
    "keras.src.layers.preprocessing.text_vectorization": "text.split_texts",
    "keras.src.layers.preprocessing.discretization": "text.ask_a_standin",
    "keras.src.layers.preprocessing.feature_space": "text.prepare_features",
    "keras.src.layers.preprocessing.hashed_crossing": "text.cross_values",
    "keras.src.layers.preprocessing.hashing": "text.hash_values",
    "keras.src.legacy.saving.json_utils": "frameworks.leave_tensorflow",
    "keras.src.legacy.saving.legacy_h5_format": "files.save_hdf5_whole",
    "keras.src.legacy.saving.saving_utils": "files.keep_optimizer",
    "keras.src.models.functional": "selection.bind_functional",
    "keras.src.models.model": "selection.bind_model",
    "keras.src.ops.numpy": "operations.give_items",
    "keras.src.optimizers.base_optimizer": "layers.build_once",
    "keras.src.saving.keras_saveable": "files.pickle_saveable",
    "keras.src.saving.saving_api": "files.load_whole",
    "keras.src.saving.saving_lib": "files.write_and_read_archives",
    "keras.src.saving.serialization_lib": "frameworks.leave_tensorflow",
    "keras.src.trainers.data_adapters": "ranks.take_whole_data",
    "keras.src.trainers.data_adapters.array_data_adapter": "ranks.take_whole_data",
    "keras.src.trainers.data_adapters.array_slicing": "sparse.slice_rows",
    "keras.src.trainers.data_adapters.data_adapter_utils": "sparse.keep_sparse",
    "keras.src.trainers.data_adapters.grain_dataset_adapter": "datasets.find_shared_memory",
    "keras.src.trainers.data_adapters.py_dataset_adapter": "ranks.take_whole_data",
    "keras.src.trainers.data_adapters.torch_data_loader_adapter": "ranks.take_whole_data",
    "keras.src.utils.audio_dataset_utils": "datasets.read_sounds",
    "keras.src.utils.backend_utils": "selection.choose_backend",
    "keras.src.utils.dataset_utils": "datasets.split_without_tensorflow",
    "keras.src.utils.image_dataset_utils": "datasets.read_images",
    "keras.src.utils.image_utils": "datasets.name_pillow",
    "keras.src.utils.io_utils": "ranks.print_once",
    "keras.src.utils.module_utils": "datasets.name_the_extras",
    "keras.src.utils.numerical_utils": "tensors.normalize_tensors",
    "keras.src.utils.rng_utils": "frameworks.leave_tensorflow",
    "keras.src.utils.text_dataset_utils": "datasets.read_texts",
    "keras.src.utils.timeseries_dataset_utils": "datasets.cut_series",
    "keras.src.utils.traceback_utils": "errors.hide_frames",
    "keras.src.wrappers.sklearn_wrapper": "files.pickle_sklearn",
    "keras_hub.src.models.causal_lm": "hub.compile_generation",
    "keras_hub.src.models.image_to_image": "hub.compile_generation",
    "keras_hub.src.models.inpaint": "hub.compile_generation",
    "keras_hub.src.models.text_to_image": "hub.compile_generation",
}

for _name in LAYOUT.unadjusted:
    del ADJUSTED[_name]


def adjustment(name: str) -> Callable[[ModuleType], AbstractContextManager[None]]:
    """What is done around the execution of the module with that name, which `ADJUSTED` has."""
    file, _, function = ADJUSTED[name].partition(".")
    found: Any = getattr(importlib.import_module(f"{__name__}.{file}"), function)
    return found
