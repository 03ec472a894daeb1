"""Keras's utilities that make datasets, where TensorFlow is not installed; and what `fit` takes of them."""

from __future__ import annotations

import struct
import textwrap
import wave
from pathlib import Path
from typing import Any

import pytest
from alone import run

from kerasflow.bridge.versions import LAYOUT

pytest.importorskip("grain")

# What is kept out, as if it were not installed; then Keras, and some files.
START = """
    import sys, warnings
    for name in {absent}:
        sys.modules[name] = None
    warnings.simplefilter("ignore")
    import kerasflow, keras
    import numpy as np
    utils = keras.utils

    def error(function, *arguments, **others):
        try:
            function(*arguments, **others)
        except Exception as problem:
            return f"{{type(problem).__name__}}: {{problem}}"

    def model():
        made = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(1)])
        made.compile("sgd", "mse")
        return made
"""


def without(tmp_path: Path, program: str, *absent: str) -> list[str]:
    """The lines that a program prints where packages are not installed: TensorFlow, and these."""
    start = textwrap.dedent(START).format(absent=("tensorflow", *absent))
    return [
        line for line in run(start + textwrap.dedent(program), tmp_path).splitlines() if "files" not in line
    ]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Folders of two classes each: six images, texts and sounds."""
    image = pytest.importorskip("PIL.Image")
    for kind in ("images", "texts", "sounds"):
        for number in range(6):
            folder = tmp_path / kind / f"class{number % 2}"
            folder.mkdir(parents=True, exist_ok=True)
            if kind == "images":
                image.new("RGB", (9, 7), (40 * number, 0, number)).save(folder / f"{number}.png")
            elif kind == "texts":
                (folder / f"{number}.txt").write_text(f"text {number}")
            else:
                sound(folder / f"{number}.wav", range(-3, 10 * number))
    return tmp_path


def sound(path: Path, samples: Any, width: int = 2) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(width)
        file.setframerate(8000)
        file.writeframes(b"".join(struct.pack("<h", 500 * x) for x in samples))


def test_datasets_of_files_are_grains_by_default(files: Path) -> None:
    program = """
        import grain

        images = utils.image_dataset_from_directory("images", image_size=(8, 8), batch_size=4, seed=1)
        assert isinstance(images, grain.experimental.ThreadPrefetchIterDataset)  # made while the model trains
        threads = images._parent._parent._read_options.num_threads
        assert threads == kerasflow.compiler.threads.threads() < 16  # grain's own number
        print(images.class_names, len(images.file_paths), [(x.shape, y.shape) for x, y in images])
        same = utils.image_dataset_from_directory("images", image_size=(8, 8), batch_size=4, seed=1, format="grain")
        assert all(np.array_equal(x, a) and np.array_equal(y, b) for (x, y), (a, b) in zip(images, same, strict=True))
        fitted = model()
        fitted.fit(images, epochs=2, validation_data=images, verbose=0)
        print(fitted.predict(images, verbose=0).shape)
        halves = {"validation_split": 0.5, "subset": "both", "seed": 1}
        left, right = utils.text_dataset_from_directory("texts", batch_size=2, **halves)
        print(left.class_names, sorted(text for data in (left, right) for texts, _ in data for text in texts))
    """
    assert without(files, program) == [
        "['class0', 'class1'] 6 [((4, 8, 8, 3), (4,)), ((2, 8, 8, 3), (2,))]",
        "(6, 1)",
        f"['class0', 'class1'] {[f'text {i}' for i in range(6)]}",
    ]


def test_a_model_is_trained_on_texts_of_files(files: Path) -> None:
    """Batches are arrays, also the last one, which is smaller; files are read alike whatever the system's settings."""
    for kind, content in enumerate(("é\r\ntext".encode(), "é text".encode("latin-1"))):
        (files / "texts" / "class0" / f"{kind}.bytes.txt").write_bytes(content)
    program = """
        import locale

        locale.getencoding = lambda: "ascii"
        options = {"batch_size": 3, "shuffle": False}
        texts = utils.text_dataset_from_directory("texts", **options)
        alone = utils.text_dataset_from_directory("texts", labels=None, **options)
        print([(x.shape, y.shape) for x, y in texts], [x.shape for x in alone])
        print(*(repr(text) for x in alone for text in x if not str(text).startswith("text")))
        split = keras.layers.TextVectorization(output_sequence_length=2)
        split.adapt(alone)
        layers = [keras.Input((), dtype="string"), split, keras.layers.Embedding(20, 2), keras.layers.Flatten()]
        model = keras.Sequential([*layers, keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        model.fit(texts, epochs=2, validation_data=texts, verbose=0)
        print(model.predict(texts, verbose=0).shape, model.predict(alone, verbose=0).shape)
    """
    assert without(files, program) == [
        "[((3,), (3,)), ((3,), (3,)), ((2,), (2,))] [(3,), (3,), (2,)]",
        r"'é\r\ntext' b'\xe9 text'",
        "(8, 1) (8, 1)",
    ]


def test_a_damaged_image_is_named(files: Path) -> None:
    (files / "images" / "class0" / "0.png").write_bytes(b"no image")
    program = """
        try:
            list(utils.image_dataset_from_directory("images"))
        except Exception as problem:
            print(problem.__notes__)
    """
    assert "class0/0.png was being read" in without(files, program)[0]


def test_labels_of_files_may_be_any_numbers(files: Path) -> None:
    program = """
        options = {"image_size": (2, 2), "shuffle": False, "label_mode": "int"}
        images = utils.image_dataset_from_directory("images", labels=[0.5, 1, 1.5, 2, 2.5, 3], **options)
        print([(y.dtype.name, y.tolist()) for _, y in images])
    """
    assert without(files, program) == ["[('float32', [0.5, 1.0, 1.5, 2.0, 2.5, 3.0])]"]


def test_where_tensorflow_is_installed_it_stays_the_default(files: Path) -> None:
    pytest.importorskip("tensorflow")
    program = """
        import kerasflow, keras
        import tensorflow as tf

        for make, folder in (
            (keras.utils.image_dataset_from_directory, "images"),
            (keras.utils.text_dataset_from_directory, "texts"),
            (keras.utils.audio_dataset_from_directory, "sounds"),
        ):
            assert isinstance(make(folder, verbose=0), tf.data.Dataset)
        assert isinstance(keras.utils.timeseries_dataset_from_array(range(9), None, 3), tf.data.Dataset)
        import numpy as np
        left, right = keras.utils.split_dataset(np.arange(8.0), left_size=6, shuffle=True, seed=3)
        assert isinstance(left, tf.data.Dataset)
        print([float(x) for data in (left, right) for x in data])
    """
    expected = run(program, files)
    program = """
        left, right = utils.split_dataset(np.arange(8.0), left_size=6, shuffle=True, seed=3)
        print([float(x) for data in (left, right) for x in data])
    """
    assert without(files, program) == [expected]  # the same samples


def test_what_is_missing_is_named_with_the_extra_that_brings_it(files: Path) -> None:
    program = """
        print(error(utils.image_dataset_from_directory, "images", verbose=0))
        print(error(utils.image_dataset_from_directory, "images", format="tf", verbose=0))
        print(error(utils.split_dataset, np.ones(4), left_size=2))
        print(error(utils.load_img, "images/class0/0.png"))
    """
    data, tensorflow, split, pillow = without(files, program, "grain", "PIL")
    needs = 'ImportError: This needs {}, which is not installed: pip install "kerasflow[{}]"'
    assert data == split == needs.format("grain", "data")
    assert tensorflow == needs.format("TensorFlow", "tensorflow")
    assert pillow == needs.format("pillow", "data")


def test_sounds(files: Path) -> None:
    sound(files / "bytes.wav", range(5), width=1)
    (files / "text.wav").write_text("no sound")
    program = """
        from kerasflow.bridge.datasets import decoded

        read = utils.audio_dataset_from_directory
        sounds = read("sounds", batch_size=4, shuffle=False, verbose=0)
        print(sounds.class_names, [(x.shape, [int(n) for n in y]) for x, y in sounds])
        x, y = next(iter(sounds))
        print(round(float(x[0, 0, 0]) * 32768), int(np.count_nonzero(x[0])), type(y).__name__)
        long = read("sounds", batch_size=None, output_sequence_length=7, label_mode=None, verbose=0)
        print({x.shape for x in long})
        one_hot = read("sounds", label_mode="categorical", validation_split=0.5, subset="both", seed=1, verbose=0)[1]
        print([y.shape for _, y in one_hot])
        print(error(read, "sounds", ragged=True))
        for name in ("bytes.wav", "text.wav"):
            print(error(decoded, name))
    """
    *lines, ragged, width, text = without(files, program)
    assert lines == [
        "['class0', 'class1'] [((4, 43, 1), [0, 0, 0, 1]), ((2, 53, 1), [1, 1])]",
        "-1500 3 Tensor",
        "{(7, 1)}",
        "[(3, 2)]",
    ]
    ours = "audio_dataset_from_directory" in LAYOUT.without_grain
    assert ("Leave it out: sounds are then padded" if ours else "Ragged datasets are not supported") in ragged
    assert width.startswith("ValueError: bytes.wav has samples of 8 bits; expected 16. Convert it:")
    assert text.startswith("ValueError: text.wav is not a WAV file")


def test_sounds_are_read_as_tensorflow_reads_them(files: Path) -> None:
    tf = pytest.importorskip("tensorflow")
    import numpy as np

    from kerasflow.bridge.datasets import decoded

    path = files / "loud.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(44100)
        file.writeframes(np.random.default_rng(0).integers(-(2**15), 2**15, 600).astype("<i2").tobytes())
    for length in (None, 100, 400):
        expected, _ = tf.audio.decode_wav(path.read_bytes(), desired_samples=-1 if length is None else length)
        np.testing.assert_array_equal(decoded(str(path), length), expected)


def test_series_and_splits(tmp_path: Path) -> None:
    program = """
        import grain

        if tuple(map(int, keras.__version__.split(".")[:2])) >= (3, 14):
            (x, y), = utils.timeseries_dataset_from_array(np.arange(10.0), np.arange(10.0), 3, batch_size=20)
            assert x.shape == (8, 3) and np.array_equal(y, np.arange(8.0))
        else:
            assert "Keras 3.14" in error(utils.timeseries_dataset_from_array, np.arange(10.0), None, 3)

        x, y = np.arange(20.0).reshape(10, 2), np.arange(10.0)
        left, right = utils.split_dataset((x, y), left_size=0.7)
        assert len(left) == 7 and len(right) == 3 and np.array_equal(right[0][0], x[7]) and right[0][1] == 7
        fitted = model()
        fitted.fit(left.batch(2), epochs=2, validation_data=right.batch(3), verbose=0)

        whole = grain.MapDataset.source(list(zip(x, y)))
        for data, batched in (
            (whole, False),
            (whole.batch(3), True),
            (whole.to_iter_dataset(), False),
            (whole.to_iter_dataset().batch(3), True),
        ):
            for shuffle in (False, True):
                halves = utils.split_dataset(data, right_size=3, shuffle=shuffle, seed=5)
                found = [np.concatenate([np.atleast_1d(y) for _, y in half]) for half in halves]
                assert all((np.ndim(next(iter(half))[1]) == 1) is batched for half in halves)
                assert [len(part) for part in found] == [7, 3]
                assert sorted(np.concatenate(found)) == list(range(10))
                assert np.array_equal(np.concatenate(found), np.arange(10)) is not shuffle
        print(error(utils.split_dataset, x))
        print(error(utils.split_dataset, x, left_size=11))
        print(error(utils.split_dataset, {"x": x}, left_size=2))
    """
    none, many, kind = without(tmp_path, program)
    assert none.startswith("ValueError: At least one of the `left_size` or `right_size` must be specified")
    assert many.startswith("ValueError: `left_size` should be either a positive integer smaller than 10")
    assert kind == "TypeError: Unsupported dataset type: <class 'dict'>"


def test_fit_takes_them(tmp_path: Path) -> None:
    """Each gives the same batches, so the same training."""
    program = """
        import grain

        x, y = np.random.default_rng(0).random((12, 3), "float32"), np.ones((12, 1), "float32")
        pairs = grain.MapDataset.source(list(zip(x, y)))

        class Batches(utils.PyDataset):
            def __len__(self):
                return 3

            def __getitem__(self, index):
                return x[4 * index:][:4], y[4 * index:][:4]

        data = {
            "map": pairs.batch(4),
            "iter": pairs.to_iter_dataset().batch(4),
            "repeated": pairs.repeat(2).batch(4).to_iter_dataset(),
            "loader": grain.DataLoader(
                data_source=list(zip(x, y)),
                sampler=grain.samplers.SequentialSampler(12),
                operations=[grain.transforms.Batch(4)],
            ),
            "PyDataset": Batches(),
            "workers": Batches(workers=2),
            "generator": ((x[i:i + 4], y[i:i + 4]) for i in range(0, 12, 4)),
        }
        weights = None
        for name, batches in data.items():
            fitted = model()
            fitted.build((None, 3))
            fitted.layers[1].kernel.assign(np.ones((3, 1)))
            fitted.fit(batches, steps_per_epoch=3 if name == "repeated" else None, shuffle=False, verbose=0)
            weights = fitted.get_weights() if weights is None else weights
            for a, b in zip(weights, fitted.get_weights(), strict=True):
                np.testing.assert_array_equal(a, b, err_msg=name)
        print("the same")
    """
    assert without(tmp_path, program) == ["the same"]


def test_an_epoch_of_unknown_length_ends_with_its_data(tmp_path: Path) -> None:
    """Without a warning, where the data begin again in the next one; a generator that is used up is told of."""
    program = """
        import grain

        x, y = np.ones((12, 3), "float32"), np.ones((12, 1), "float32")
        pairs = grain.MapDataset.source(list(zip(x, y)))

        def told(batches, **arguments):
            fitted = model()
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                history = fitted.fit(batches, shuffle=False, verbose=0, **arguments).history
            return len(history["loss"]), sorted({str(w.message).split(";")[0] for w in caught})

        print(told(pairs.batch(4), epochs=3, validation_data=pairs.batch(6)))
        print(told(pairs.to_iter_dataset().batch(4), epochs=3))
        print(told(((x, y) for _ in range(3)), epochs=2, steps_per_epoch=2))
    """
    assert without(tmp_path, program) == [
        "(3, [])",
        "(3, [])",
        "(2, ['Your input ran out of data'])",
    ]


def test_fit_takes_frames_of_polars(tmp_path: Path) -> None:
    pytest.importorskip("polars")
    program = """
        import polars

        x, y = np.random.default_rng(0).random((12, 3), "float32"), np.ones((12, 1), "float32")
        found = []
        frame = polars.DataFrame(x)
        for given in ((x, y), (frame, polars.DataFrame(y)), (frame, polars.Series(y[:, 0]))):
            fitted = model()
            fitted.build((None, 3))
            fitted.layers[1].kernel.assign(np.ones((3, 1)))
            fitted.fit(*given, batch_size=4, epochs=2, shuffle=False, verbose=0)
            found.append(np.append(fitted.get_weights()[0], fitted.predict(given[0], verbose=0)))
        for weights in found:  # a frame's columns lie one behind the other, which rounds in another order
            np.testing.assert_allclose(weights, found[0], rtol=1e-5)
        columns = polars.DataFrame({"a": x[:, 0], "b": x[:, 1]})
        inputs = {name: keras.Input((), name=name) for name in columns.columns}
        total = keras.layers.Add()(list(inputs.values()))
        added = keras.Model(inputs, total).predict({name: columns[name] for name in columns.columns}, verbose=0)
        np.testing.assert_allclose(added, x[:, 0] + x[:, 1], rtol=1e-6)
        print("the same")
    """
    assert without(tmp_path, program) == ["the same"]


def test_fit_takes_loaders_of_torch(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    program = """
        import torch.utils.data

        x, y = np.random.default_rng(0).random((12, 3), "float32"), np.ones((12, 1), "float32")
        pairs = torch.utils.data.TensorDataset(torch.from_numpy(x), torch.from_numpy(y))
        fitted = model()
        fitted.fit(torch.utils.data.DataLoader(pairs, batch_size=4), epochs=2, shuffle=False, verbose=0)
        print(fitted.predict(torch.utils.data.DataLoader(pairs, batch_size=5), verbose=0).shape)
    """
    assert without(tmp_path, program) == ["(12, 1)"]
