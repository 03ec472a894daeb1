"""What Keras would import at once: it waits until something is asked of it, and is then as it was."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from alone import run

from kerasflow.bridge import deferred

PACKAGES = ("IPython", "matplotlib", "pandas", "psutil", "requests", "scipy", "sklearn")


def package(folder: Path, name: str, text: str) -> None:
    (folder / f"{name}.py").write_text(textwrap.dedent(text))


def test_importing_keras_imports_none_of_them(tmp_path: Path) -> None:
    for name in PACKAGES:
        package(tmp_path, name, "raise RuntimeError(f'{__name__} was imported')")
    program = """
        import kerasflow, keras
        import numpy as np

        model = keras.Sequential([keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        model.fit(np.ones((4, 3)), np.ones((4, 1)), verbose=0)
        model.save("model.keras")
        print(keras.wrappers.__name__, keras.visualization.__name__)
    """
    assert run(program, tmp_path) == "keras.wrappers keras.visualization"


def test_wrappers_are_scikit_learns_estimators(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    program = """
        import sys
        import kerasflow, keras

        assert "sklearn" not in sys.modules
        from sklearn.base import BaseEstimator, ClassifierMixin, is_regressor
        from kerasflow.wrappers import SKLearnClassifier, SKLearnRegressor

        assert kerasflow.wrappers is keras.wrappers and keras.wrappers.SKLearnClassifier is SKLearnClassifier
        assert issubclass(SKLearnClassifier, (BaseEstimator, ClassifierMixin))
        assert is_regressor(SKLearnRegressor(lambda X, y: None))
        print(sorted(name for name in dir(keras.wrappers) if name[0] != "_"))
    """
    assert run(program, tmp_path) == "['SKLearnClassifier', 'SKLearnRegressor', 'SKLearnTransformer']"


def test_pictures(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    program = """
        import sys
        import kerasflow, keras
        import numpy as np

        assert "matplotlib" not in sys.modules
        from keras.visualization import *

        plot_image_gallery(np.zeros((4, 8, 8, 3)), value_range=(0, 1), rows=2, cols=2, path="gallery.png")
        print(len(sys.modules["matplotlib.pyplot"].get_fignums()), open("gallery.png", "rb").read(4))
    """
    assert run(program, tmp_path).endswith(r"b'\x89PNG'")


def test_frames_are_known_when_somebody_has_imported_pandas(tmp_path: Path) -> None:
    pytest.importorskip("pandas")
    program = """
        import sys
        import kerasflow, keras
        import numpy as np

        model = keras.Sequential([keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        model.fit(np.ones((4, 3)), np.ones(4), verbose=0)
        assert "pandas" not in sys.modules

        import pandas
        frame = pandas.DataFrame(np.ones((4, 3)), index=list("abcd"))
        series = pandas.Series(np.ones(4), index=list("dcba"))
        expected = model.evaluate(np.ones((4, 3)), np.ones(4), verbose=0)
        assert model.evaluate(frame, series, verbose=0) == expected
        print(model.predict(frame.iloc[1:], verbose=0).shape)
    """
    assert run(program, tmp_path) == "(3, 1)"
    # And where it was there before Keras.
    assert run("import pandas\n" + textwrap.dedent(program).replace("assert", "0 and"), tmp_path) == "(3, 1)"


def test_what_is_absent_looks_absent(tmp_path: Path) -> None:
    program = """
        import sys

        absent = {"IPython", "cv2", "matplotlib", "pandas", "psutil", "requests", "sklearn"}

        class Without:
            def find_spec(self, name, path=None, target=None):
                if name.partition(".")[0] in absent:
                    raise ModuleNotFoundError(f"No module named {name!r}", name=name)

        sys.meta_path.insert(0, Without())
        import kerasflow, keras
        import numpy as np

        for use in (
            lambda: keras.wrappers.SKLearnClassifier(lambda X, y: None),
            lambda: keras.visualization.plot_image_gallery(np.zeros((4, 8, 8, 3)), value_range=(0, 1)),
            lambda: keras.callbacks.RemoteMonitor().on_epoch_end(0),
        ):
            try:
                use()
            except ImportError as error:
                print(error)
        model = keras.Sequential([keras.layers.Dense(1)])
        model.compile("sgd", "mse")
        model.fit(np.ones((4, 3)), np.ones(4), verbose=0)
        print(sorted(absent & set(sys.modules)))
    """
    lines = run(program, tmp_path).splitlines()
    assert lines[-1] == "[]" and len(lines) == 4
    for line, name in zip(lines, ("scikit-learn", "matplotlib", "requests"), strict=False):
        assert name in line


def test_what_is_broken_is_so_where_it_is_used(tmp_path: Path) -> None:
    """And only as long as it is broken."""
    package(
        tmp_path,
        "sklearn",
        "import os\nif not os.path.exists('mended'): raise RuntimeError('broken')\nraise ImportError",
    )
    program = """
        import kerasflow, keras

        for _ in range(2):
            try:
                keras.wrappers.SKLearnClassifier
            except RuntimeError as error:
                print(error)
        open("mended", "w").close()
        print(keras.wrappers.SKLearnClassifier.__name__)
    """
    assert run(program, tmp_path).split() == ["broken", "broken", "SKLearnClassifier"]


def test_packages_of_functions_are_imported_by_the_function(tmp_path: Path) -> None:
    package(
        tmp_path,
        "requests",
        "def post(url, *rest, **others): print(url)\nclass exceptions: RequestException = OSError",
    )
    program = """
        import sys
        import kerasflow, keras

        monitor = keras.callbacks.RemoteMonitor("http://here")
        assert "requests" not in sys.modules
        monitor.on_epoch_end(0)
    """
    assert run(program, tmp_path) == "http://here/publish/epoch/end/"


def test_modules_of_a_package_wait_too(tmp_path: Path) -> None:
    """And one that is there already is taken as it is."""
    (tmp_path / "scipy").mkdir()
    package(tmp_path / "scipy", "__init__", "")
    package(tmp_path / "scipy", "signal", "resample = 'resampled'")
    package(tmp_path, "user", "try:\n    from scipy import signal\nexcept ImportError:\n    signal = None")
    program = """
        import sys
        from kerasflow.bridge import deferred, install

        deferred.PACKAGES["user"] = {"signal": "scipy.signal", "absent": "scipy.signal"}
        install.install()
        import user

        assert "scipy" not in sys.modules and not hasattr(user, "absent")
        print(user.signal.resample, "scipy.signal" in sys.modules)
        del sys.modules["user"]
        import user as again

        print(again.signal is sys.modules["scipy.signal"])
    """
    assert run(program, tmp_path).splitlines() == ["resampled True", "True"]


def test_threads_wait_for_the_module(tmp_path: Path) -> None:
    package(tmp_path, "sklearn", "import time\ntime.sleep(0.3)\nraise ImportError")
    program = """
        import threading
        import kerasflow, keras

        found = []
        threads = [threading.Thread(target=lambda: found.append(keras.wrappers.SKLearnRegressor)) for _ in range(4)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        print(len(found), len(set(found)))
    """
    assert run(program, tmp_path) == "4 1"


def test_tools_that_ask_all_modules_load_none(tmp_path: Path) -> None:
    program = """
        import inspect, sys, warnings
        import kerasflow, keras

        for module in list(sys.modules.values()):
            getattr(module, "__warningregistry__", None), repr(module)
        inspect.stack()
        assert inspect.getmodule(keras.Model).__name__ == "keras.src.models.model"
        print("keras.src.wrappers" in sys.modules)
        try:
            keras.wrappers.Nothing
        except AttributeError as error:
            print(error)
    """
    assert run(program, tmp_path).splitlines() == [
        "False",
        "module 'keras.wrappers' has no attribute 'Nothing'",
    ]


def test_the_tables_name_modules_of_keras() -> None:
    from importlib.util import find_spec

    for name in (*deferred.MODULES, *deferred.PACKAGES):
        assert find_spec(name) is not None, name


def test_what_is_hidden_is_so_in_this_thread_alone() -> None:
    import threading

    found: list[bool] = []
    with deferred.hidden("colorsys"):
        thread = threading.Thread(target=lambda: found.append(deferred.is_hidden("colorsys")))
        thread.start()
        thread.join()
        assert deferred.is_hidden("colorsys")
    assert not deferred.is_hidden("colorsys") and found == [False]
