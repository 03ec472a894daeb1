"""MNIST: where it comes from, what is refused, and the stand-in. Nothing is downloaded."""

import hashlib
import socket
import subprocess
import sys

import numpy as np
import pytest

import kerasflow
from kerasflow.datasets import mnist, standin
from kerasflow.errors import DatasetError


@pytest.fixture(autouse=True)
def keras_home(tmp_path, monkeypatch):
    """An empty Keras home, and a network that must not be asked."""
    import keras

    home = tmp_path / "keras_home"
    monkeypatch.setenv("KERAS_HOME", str(home))
    monkeypatch.setattr(
        keras.datasets.mnist, "load_data", lambda **_: pytest.fail("this test needs no download")
    )
    return home


def arrays(train=30, test=10):
    (x_train, y_train), (x_test, y_test) = standin.load_data(train, test)
    return {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}


@pytest.fixture
def good_file(tmp_path):
    path = tmp_path / "good.npz"
    np.savez_compressed(path, **arrays())
    return path


def assert_is(data, expected):
    (x_train, y_train), (x_test, y_test) = data
    found = {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}
    for name, array in found.items():
        assert array.dtype == np.uint8
        np.testing.assert_array_equal(array, expected[name])


@pytest.mark.parametrize("kind", [str, lambda path: path])
def test_a_given_file_is_read(good_file, kind):
    assert_is(mnist.load_data(kind(good_file)), arrays())


def test_labels_of_any_integer_type_become_uint8(tmp_path):
    np.savez(tmp_path / "wide.npz", **{**arrays(), "y_train": arrays()["y_train"].astype(np.int64)})
    assert_is(mnist.load_data(tmp_path / "wide.npz"), arrays())


def cut(content):
    return content[: len(content) // 2]


def flip(content):
    return content[:400] + bytes(255 - byte for byte in content[400:500]) + content[500:]


@pytest.mark.parametrize(
    "damage", [cut, flip, lambda _: b"", lambda _: b"<html>404</html>", lambda _: b"PK\x03\x04"]
)
def test_a_damaged_file_is_refused(good_file, damage):
    good_file.write_bytes(damage(good_file.read_bytes()))
    with pytest.raises(DatasetError, match=r"good\.npz is not a usable MNIST file.*Give another file"):
        mnist.load_data(good_file)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"x_test": None}, r"lacks x_test; it has x_train, y_train, y_test"),
        ({"x_train": np.zeros((30, 784), np.uint8)}, r"x_train has shape \(30, 784\)"),
        ({"x_train": np.zeros((30, 32, 32), np.uint8)}, r"x_train has shape \(30, 32, 32\)"),
        ({"x_test": np.zeros((0, 28, 28), np.uint8)}, r"x_test has shape \(0, 28, 28\)"),
        ({"x_train": np.zeros((30, 28, 28))}, r"type float64"),
        ({"y_train": np.zeros(29, np.uint8)}, r"y_train has shape \(29,\)"),
        ({"y_train": np.zeros(30)}, r"y_train .* float64"),
        ({"y_test": np.full(10, 10, np.uint8)}, r"y_test has labels from 10 to 10"),
        ({"y_test": np.full(10, -1)}, r"y_test has labels from -1 to -1"),
        ({"x_train": np.array([None] * 30)}, r"not an \.npz archive of arrays"),
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path, changes, complaint):
    path = tmp_path / "other.npz"
    np.savez(path, **{name: array for name, array in {**arrays(), **changes}.items() if array is not None})
    with pytest.raises(DatasetError, match=complaint):
        mnist.load_data(path)


def test_a_single_array_is_refused(tmp_path):
    np.save(tmp_path / "one.npy", np.zeros(3))
    with pytest.raises(DatasetError, match="a single array"):
        mnist.load_data(tmp_path / "one.npy")


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(DatasetError, match=r"There is no data file .*nowhere\.npz"):
        mnist.load_data(tmp_path / "nowhere.npz")
    with pytest.raises(DatasetError, match="cannot be read"):
        mnist.load_data(tmp_path)


def test_keras_cache_comes_before_a_download(keras_home, good_file):
    (keras_home / "datasets").mkdir(parents=True)
    good_file.rename(keras_home / "datasets" / "mnist.npz")
    assert_is(mnist.load_data(), arrays())


def test_a_damaged_cache_is_an_error_that_says_what_to_do(keras_home):
    (keras_home / "datasets").mkdir(parents=True)
    (keras_home / "datasets" / "mnist.npz").write_bytes(b"half a fi")
    with pytest.raises(DatasetError, match=r"mnist\.npz .* Delete it, and it is downloaded again"):
        mnist.load_data()


def test_a_download_ends_in_the_cache(keras_home, monkeypatch):
    import keras

    def download(path):
        assert socket.getdefaulttimeout() == mnist.DOWNLOAD_TIMEOUT
        target = keras_home / "datasets" / path
        target.parent.mkdir()
        with target.open("wb") as file:
            np.savez(file, **arrays())
        return mnist.load_data(target)

    monkeypatch.setattr(keras.datasets.mnist, "load_data", download)
    assert_is(mnist.load_data(), arrays())
    assert [path.name for path in (keras_home / "datasets").iterdir()] == ["mnist.npz"]
    assert socket.getdefaulttimeout() is None


def test_without_a_network_the_stand_in_is_drawn_and_the_screen_says_so(keras_home, monkeypatch, capsys):
    import keras

    def download(path):
        (keras_home / "datasets").mkdir()
        (keras_home / "datasets" / path).write_bytes(b"half a fi")
        raise Exception("URL fetch failure: no route to host")

    monkeypatch.setattr(keras.datasets.mnist, "load_data", download)
    expected = arrays()
    small = standin.load_data(30, 10)
    monkeypatch.setattr(standin, "load_data", lambda: small)
    assert_is(mnist.load_data(), expected)
    screen = capsys.readouterr().out
    assert "no route to host" in screen
    assert "stand-in" in screen
    assert [path.name for path in (keras_home / "datasets").iterdir()] == [KEPT]


KEPT = f"kerasflow-standin-{standin.VERSION}.npz"


@pytest.fixture
def drawn(monkeypatch):
    """No network; a small stand-in is drawn, and each time is noted."""
    import keras

    def no_network(**_):
        raise Exception("URL fetch failure: no route to host")

    draw, small, times = standin.load_data, standin.load_data(30, 10), []
    monkeypatch.setattr(keras.datasets.mnist, "load_data", no_network)
    monkeypatch.setattr(
        standin, "load_data", lambda *sizes: draw(*sizes) if sizes else times.append(1) or small
    )
    return times


def test_the_stand_in_is_drawn_once(keras_home, drawn, monkeypatch):
    for _ in range(2):
        *data, is_standin = mnist.find()
        assert is_standin
        assert_is(data, arrays())
    assert len(drawn) == 1
    monkeypatch.setattr(standin, "VERSION", standin.VERSION + 1)
    mnist.find()
    assert len(drawn) == 2


@pytest.mark.parametrize("damage", [cut, flip, lambda _: b""])
def test_a_damaged_stand_in_is_drawn_anew(damage, keras_home, drawn):
    mnist.find()
    kept = keras_home / "datasets" / KEPT
    whole = kept.read_bytes()
    kept.write_bytes(damage(whole))
    assert_is(mnist.find()[:2], arrays())
    assert len(drawn) == 2
    assert kept.read_bytes() == whole
    assert list(kept.parent.iterdir()) == [kept]


def test_where_nothing_can_be_written_the_stand_in_is_drawn_each_time(keras_home, drawn):
    keras_home.write_text("a file where a folder should be")
    for _ in range(2):
        assert_is(mnist.find()[:2], arrays())
    assert len(drawn) == 2


def test_the_package_leads_to_its_own_data_sets():
    program = "import kerasflow; print(kerasflow.datasets.mnist.load_data.__module__)"  # and nothing imported before
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert finished.stdout == "kerasflow.datasets.mnist\n", finished


def test_other_data_sets_are_keras_own():
    import keras

    assert kerasflow.datasets.cifar10.load_data is keras.datasets.cifar10.load_data
    assert {"mnist", "imdb", "fashion_mnist"} <= set(dir(kerasflow.datasets))
    with pytest.raises(
        AttributeError, match=r"no data set 'mnits'; there are: .*mnist.*Did you mean 'mnist'"
    ):
        kerasflow.datasets.mnits  # noqa: B018


def test_the_stand_in_has_the_shapes_and_types_of_mnist():
    (x_train, y_train), (x_test, y_test) = standin.load_data()
    assert (x_train.shape, y_train.shape) == ((60_000, 28, 28), (60_000,))
    assert (x_test.shape, y_test.shape) == ((10_000, 28, 28), (10_000,))
    assert {array.dtype for array in (x_train, y_train, x_test, y_test)} == {np.dtype(np.uint8)}
    assert x_train.min() == 0
    assert x_train.max() == 255
    assert 25 < x_train.mean() < 45  # MNIST: 33
    assert np.bincount(y_train).min() > 5_500
    assert len(np.unique(x_train.reshape(60_000, -1)[:5_000], axis=0)) == 5_000


def test_the_stand_in_is_the_same_everywhere():
    digest = hashlib.sha256(b"".join(array.tobytes() for array in arrays(1_000, 100).values()))
    # Other drawings need another `VERSION`, or what users have kept of the former ones would be taken for them.
    assert standin.VERSION == 1
    assert digest.hexdigest() == "01effe138af5220955f49a79b2418c5b5db12456c0abf307b599e3c3f9f57620"
    assert not np.array_equal(standin.load_data(30, 0, seed=1)[0][0], standin.load_data(30, 0, seed=2)[0][0])


def test_a_linear_model_does_worse_on_the_stand_in_than_the_network():
    import keras

    from kerasflow.cli import mnist as workflow

    train, test = standin.load_data(21_000, 2_000)
    network = workflow.train(train, test, epochs=4)
    keras.utils.set_random_seed(0)
    linear = keras.Sequential([keras.layers.Dense(10, activation="softmax")])
    linear.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    linear.fit(workflow.prepare(*train)[0], train[1], epochs=8, verbose=0)
    linear_accuracy = linear.evaluate(workflow.prepare(*test)[0], test[1], verbose=0)[1]
    assert network.accuracy > 0.94
    assert 0.75 < linear_accuracy < network.accuracy - 0.05
