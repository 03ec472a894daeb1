"""Uses of Keras's utilities: data, files, pictures, callbacks, wrappers, forms of export."""

from __future__ import annotations

import gzip
import json
import pickle
import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import keras
import numpy as np

Use = Callable[[], Any]
L, U = keras.layers, keras.utils
X = np.linspace(-1, 1, 12, dtype="float32").reshape(3, 4)
IMAGE = (np.arange(8 * 9 * 3) % 256).reshape(8, 9, 3).astype("uint8")


def network() -> Any:
    model = keras.Sequential([keras.Input((4,)), L.Dense(5, activation="relu"), L.Dense(2)])
    model.compile("adam", "mse")
    return model


def trained(*callbacks: Any) -> Any:
    model = network()
    model.fit(
        X, np.zeros((3, 2)), epochs=2, verbose=0, validation_data=(X, np.ones((3, 2))), callbacks=callbacks
    )
    return model


# -- data ---------------------------------------------------------------------------------------------------


def folders(write: Callable[[Path, int], Any]) -> str:
    """Two folders of three files."""
    for number in range(6):
        folder = Path("data", f"class{number % 2}")
        folder.mkdir(parents=True, exist_ok=True)
        write(folder / str(number), number)
    return "data"


def images() -> None:
    folder = folders(lambda path, number: U.save_img(f"{path}.png", IMAGE))
    x, y = next(iter(U.image_dataset_from_directory(folder, image_size=(6, 6), verbose=0)))
    assert np.shape(x) == (6, 6, 6, 3) and np.shape(y) == (6,)


def texts() -> None:
    folder = folders(lambda path, number: path.with_suffix(".txt").write_text(f"text {number}"))
    x, y = next(iter(U.text_dataset_from_directory(folder, verbose=0)))
    assert np.shape(x) == (6,) and np.shape(y) == (6,)


def write_sound(path: Path, number: int) -> None:
    with wave.open(f"{path}.wav", "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(bytes(2 * (40 + number)))


def sounds() -> None:
    x, y = next(iter(U.audio_dataset_from_directory(folders(write_sound), verbose=0)))
    assert np.shape(x) == (6, 45, 1) and np.shape(y) == (6,)


def series() -> None:
    (x,) = U.timeseries_dataset_from_array(np.arange(10.0), None, 3)
    assert np.shape(x) == (8, 3)


def split() -> None:
    assert [len(list(part)) for part in U.split_dataset(np.arange(10), left_size=0.3)] == [3, 7]


def features() -> None:
    table = {"age": np.array([1.0, 3.0]), "job": np.array(["a", "b"]), "pay": np.array([1, 2])}
    hashed = U.FeatureSpace.integer_hashed(4)
    space = U.FeatureSpace(
        {"age": "float_normalized", "job": "string_categorical", "pay": hashed}, output_mode="concat"
    )
    space.adapt(table)
    assert np.shape(space(table)) == (2, 1 + 3 + 4)
    space.save("space.keras")
    again = keras.saving.load_model("space.keras")
    np.testing.assert_array_equal(again(table), space(table))


class Batches(U.PyDataset):
    """The same batch, twice."""

    def __len__(self) -> int:
        return 2

    def __getitem__(self, index: int) -> Any:
        return X, np.zeros((3, 2))


def fetched() -> None:
    Path("given.txt").write_text("contents")
    path = U.get_file("got.txt", Path("given.txt").absolute().as_uri(), cache_dir=".")
    assert Path(path).read_text() == "contents"


def progress() -> None:
    bar = U.Progbar(3)
    for step in range(3):
        bar.update(step + 1, [("loss", 0.5)])


DATA: dict[str, Use] = {
    "Config": lambda: U.Config(a=1).a,
    "FeatureSpace": features,
    "Progbar": progress,
    "PyDataset": lambda: network().fit(Batches(workers=2), verbose=0),
    "audio_dataset_from_directory": sounds,
    "get_file": fetched,
    "image_dataset_from_directory": images,
    "normalize": lambda: U.normalize(X),
    "pack_x_y_sample_weight": lambda: U.pack_x_y_sample_weight(X, X),
    "pad_sequences": lambda: U.pad_sequences([[1], [2, 3]]),
    "split_dataset": split,
    "text_dataset_from_directory": texts,
    "timeseries_dataset_from_array": series,
    "to_categorical": lambda: U.to_categorical([0, 2]),
    "unpack_x_y_sample_weight": lambda: U.unpack_x_y_sample_weight((X, X)),
}

# -- datasets to download: of each a small file in its form is there already --------------------------------


def pixels(data: int) -> dict[bytes, Any]:
    return {
        b"data": np.zeros((data, 3072), "uint8"),
        **{name: [1] * data for name in (b"labels", b"fine_labels")},
    }


def batches_of_cifar() -> None:
    for name in (
        *(f"cifar-10-batches-py/data_batch_{i}" for i in range(1, 6)),
        "cifar-10-batches-py/test_batch",
    ):
        _pickled(name, pixels(10_000))
    for name in ("train", "test"):
        _pickled(f"cifar-100-python/{name}", pixels(4))


def _pickled(name: str, data: Any) -> None:
    Path(name).parent.mkdir(exist_ok=True)
    Path(name).write_bytes(pickle.dumps(data, protocol=4))


def zipped(fname: str, **_: Any) -> str:
    """One file of Fashion MNIST: labels or images."""
    header, size = (8, 1) if "labels" in fname else (16, 784)
    Path(fname).write_bytes(gzip.compress(bytes(header + 3 * size)))
    return fname


def arrays(**given: Any) -> Callable[..., str]:
    def get_file(*_: Any, **__: Any) -> str:
        np.savez("data.npz", **given)
        return "data.npz"

    return get_file


def words(*_: Any, **__: Any) -> str:
    Path("words.json").write_text(json.dumps({"the": 1}))
    return "words.json"


TABLE = {"x": np.ones((10, 8)), "y": np.ones(10)}
IDS = np.array([[1, 2], [3, 4, 5]], dtype=object)
TEXTS = {"x_train": IDS, "y_train": np.arange(2), "x_test": IDS, "y_test": np.arange(2)}
DIGITS = {
    f"{name}_{part}": np.ones((3, 28, 28) if name == "x" else 3)
    for name in "xy"
    for part in ("train", "test")
}


def cifar(*_: Any, **__: Any) -> str:
    batches_of_cifar()
    return "."


FILES: dict[str, Callable[..., str]] = {
    "boston_housing.load_data": arrays(**TABLE),
    "california_housing.load_data": arrays(**TABLE),
    "cifar10.load_data": cifar,
    "cifar100.load_data": cifar,
    "fashion_mnist.load_data": zipped,
    "imdb.load_data": arrays(**TEXTS),
    "imdb.get_word_index": words,
    "mnist.load_data": arrays(**DIGITS),
    "reuters.load_data": arrays(x=IDS, y=np.arange(2)),
    "reuters.get_word_index": words,
    "reuters.get_label_names": words,
}


def downloaded(path: str) -> None:
    name, _, function = path.partition(".")
    load = getattr(getattr(keras.datasets, name), function)
    with mock.patch.dict(load.__globals__, get_file=FILES[path]):
        load()


# -- pictures -----------------------------------------------------------------------------------------------


def drawn(path: str, **given: Any) -> Use:
    def draw() -> None:
        getattr(keras.visualization, path)(np.stack([IMAGE] * 4), **given)

    return draw


def kept_image() -> str:
    U.save_img("image.png", IMAGE)
    return "image.png"


def picture_of_a_model() -> None:
    U.plot_model(network(), "model.png")
    assert Path("model.png").stat().st_size > 1000


BOXES = {"boxes": np.array([[[1.0, 1, 5, 5]]] * 4), "labels": np.zeros((4, 1))}
PICTURES: dict[str, Use] = {
    "utils.array_to_img": lambda: U.array_to_img(IMAGE),
    "utils.img_to_array": lambda: U.img_to_array(U.array_to_img(IMAGE)),
    "utils.load_img": lambda: U.load_img(kept_image()),
    "utils.save_img": kept_image,
    "utils.model_to_dot": lambda: U.model_to_dot(network()).to_string(),
    "utils.plot_model": picture_of_a_model,
    "preprocessing.image.smart_resize": lambda: keras.preprocessing.image.smart_resize(IMAGE, (4, 4)),
    "visualization.draw_bounding_boxes": drawn(
        "draw_bounding_boxes", bounding_boxes=BOXES, bounding_box_format="xyxy"
    ),
    "visualization.draw_segmentation_masks": drawn(
        "draw_segmentation_masks", segmentation_masks=np.ones((4, 8, 9, 1), "int32"), num_classes=2
    ),
    "visualization.plot_bounding_box_gallery": drawn(
        "plot_bounding_box_gallery", bounding_box_format="xyxy", y_true=BOXES, rows=2, cols=2
    ),
    "visualization.plot_image_gallery": drawn("plot_image_gallery", rows=2, cols=2),
    "visualization.plot_segmentation_mask_gallery": drawn(
        "plot_segmentation_mask_gallery", num_classes=2, y_true=np.ones((4, 8, 9, 1), "int32")
    ),
}

# -- callbacks, wrappers ------------------------------------------------------------------------------------

C = keras.callbacks


def backed_up() -> None:
    trained(C.BackupAndRestore("backup"))


def monitored() -> None:
    import requests

    with mock.patch.object(requests, "post") as post:
        trained(C.RemoteMonitor())
    assert post.call_count == 2


def averaged() -> None:
    model = network()
    model.compile(keras.optimizers.Adam(use_ema=True), "mse")
    model.fit(X, np.zeros((3, 2)), verbose=0, callbacks=[C.SwapEMAWeights()])


def wrapped(name: str) -> Use:
    def fit() -> None:
        def model(X: Any, y: Any) -> Any:
            made = keras.Sequential([keras.Input((4,)), L.Dense(y.shape[1] if y.ndim > 1 else 1)])
            made.compile("sgd", "mse")
            return made

        y = np.array([0, 1, 0]) if name == "SKLearnClassifier" else np.ones(3)
        wrapper = getattr(keras.wrappers, name)(model, fit_kwargs={"verbose": 0})
        wrapper.fit(X, y)
        (wrapper.transform if name == "SKLearnTransformer" else wrapper.predict)(X)

    return fit


CALLBACKS: dict[str, Use] = {
    "BackupAndRestore": backed_up,
    "CSVLogger": lambda: (trained(C.CSVLogger("log.csv")), Path("log.csv").read_text().index("val_loss")),
    "Callback": lambda: trained(C.Callback()),
    "CallbackList": lambda: C.CallbackList([C.History()], model=network()).on_epoch_begin(0),
    "EarlyStopping": lambda: trained(C.EarlyStopping(restore_best_weights=True)),
    "History": lambda: trained(C.History()),
    "LambdaCallback": lambda: trained(C.LambdaCallback(on_epoch_end=lambda epoch, logs: logs["loss"])),
    "LearningRateScheduler": lambda: trained(C.LearningRateScheduler(lambda epoch: 0.1 / (1 + epoch))),
    "ModelCheckpoint": lambda: (trained(C.ModelCheckpoint("m.keras")), keras.saving.load_model("m.keras")),
    "OrbaxCheckpoint": lambda: trained(C.OrbaxCheckpoint(Path("orbax").absolute())),
    "ProgbarLogger": lambda: trained(C.ProgbarLogger()),
    "ReduceLROnPlateau": lambda: trained(C.ReduceLROnPlateau(patience=1)),
    "RemoteMonitor": monitored,
    "SwapEMAWeights": averaged,
    "TensorBoard": lambda: (
        trained(C.TensorBoard("logs", histogram_freq=1)),
        next(Path("logs").rglob("*.v2")),
    ),
    "TerminateOnNaN": lambda: trained(C.TerminateOnNaN()),
}

# -- forms of export ----------------------------------------------------------------------------------------


def archived() -> None:
    model = network()
    archive = keras.export.ExportArchive()
    archive.track(model)
    archive.add_endpoint("serve", model.call, input_signature=[keras.InputSpec("float32", (None, 4))])
    archive.write_out("archive", verbose=False)


def exported(form: str) -> Use:
    def export() -> None:
        network().export(f"model.{form}", format=form, verbose=False)
        assert Path(f"model.{form}").exists()

    return export


def exported_to_numpy() -> None:
    import kerasflow

    model = network()
    kerasflow.export_numpy(model, "exported.py")
    given: dict[str, Any] = {"__file__": "exported.py", "__name__": "exported"}
    exec(compile(Path("exported.py").read_text(), "exported.py", "exec"), given)
    np.testing.assert_allclose(given["predict"](X), model.predict(X, verbose=0), rtol=1e-5)


FORMATS = ("tf_saved_model", "onnx", "openvino", "litert", "torch")
EXPORTS: dict[str, Use] = {
    "keras.export.ExportArchive": archived,
    **{f'keras.Model.export(format="{form}")': exported(form) for form in FORMATS},
    "kerasflow.export_numpy": exported_to_numpy,
}


def utility_uses() -> dict[str, Use]:
    """All of this file."""
    found = {f"keras.utils.{name}": use for name, use in DATA.items()}
    found |= {f"keras.datasets.{path}": lambda path=path: downloaded(path) for path in FILES}
    found |= {f"keras.{path}": use for path, use in PICTURES.items()}
    found |= {f"keras.callbacks.{name}": use for name, use in CALLBACKS.items()}
    found |= {
        f"keras.wrappers.{name}": wrapped(name)
        for name in ("SKLearnClassifier", "SKLearnRegressor", "SKLearnTransformer")
    }
    return found | EXPORTS
