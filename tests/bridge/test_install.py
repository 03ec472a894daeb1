"""The plug: what is imported and what is not, what is left alone, and what is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap

import kerasflow  # isort: skip  (before Keras)
import keras
import pytest

from kerasflow.bridge import install, versions
from kerasflow.bridge.adjust import ADJUSTED, adjustment
from kerasflow.errors import ImportOrderError, KerasflowError


def python(program, *arguments, **environment):
    kept = {
        k: v for k, v in os.environ.items() if k not in ("KERAS_BACKEND", "KERASFLOW_BACKEND", "KERAS_HOME")
    }
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), *map(str, arguments)],
        env={**kept, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )


def output(finished):
    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout.splitlines()[-1])


def test_no_framework_is_imported(tmp_path):
    program = """
        import json, sys
        import kerasflow
        first = sorted({name.partition(".")[0] for name in sys.modules})
        import keras
        second = sorted({name.partition(".")[0] for name in sys.modules})
        model = keras.Sequential([keras.layers.Dense(2, "gelu"), keras.layers.Dropout(0.5), keras.layers.Dense(1)])
        model.compile("adam", "mse")
        import numpy as np
        model.fit(np.ones((4, 3)), np.ones((4, 1)), verbose=0)
        model.predict(np.ones((4, 3)), verbose=0)
        print(json.dumps([first, second, sorted({name.partition(".")[0] for name in sys.modules})]))
    """
    first, second, third = output(python(program, KERAS_HOME=str(tmp_path)))
    assert not {"jax", "jaxlib", "tensorflow", "torch", "openvino", "sklearn", "pandas", "matplotlib"} & set(
        third
    )
    assert "keras" not in first
    assert "scipy" not in second
    assert not {"pandas", "threadpoolctl", "IPython", "importlib_metadata"} & set(first)


@pytest.mark.parametrize("framework", ["tensorflow", "jax", "torch"])
def test_an_installed_framework_is_left_alone(framework, tmp_path):
    (tmp_path / f"{framework}.py").write_text(f"raise RuntimeError('{framework} was imported')")
    program = """
        import sys
        sys.path.insert(0, sys.argv[1])
        import kerasflow
        import keras
        import numpy as np
        keras.utils.set_random_seed(0)
        model = kerasflow.Sequential([keras.layers.Dense(2, "relu"), keras.layers.Dropout(0.5), keras.layers.Dense(1)])
        model.compile("adam", "mse")
        model.fit(np.ones((4, 3)), np.ones((4, 1)), verbose=0)
        for ending in ("keras", "h5"):
            model.save(f"{sys.argv[1]}/model.{ending}")
            keras.models.load_model(f"{sys.argv[1]}/model.{ending}", compile=False)
        print("null")
    """
    assert output(python(program, tmp_path, KERAS_HOME=str(tmp_path))) is None


@pytest.mark.parametrize(
    "content", [None, '{"backend": "tensorflow", "floatx": "float32"}', '{"floatx": "float64"}']
)
def test_keras_json_and_the_environment_are_left_alone(content, tmp_path):
    file = tmp_path / "keras.json"
    if content is not None:
        file.write_text(content)
    program = """
        import json, os, sys
        before = dict(os.environ)
        import kerasflow
        import keras
        changed = {k: v for k, v in os.environ.items() if before.get(k) != v}
        print(json.dumps([changed, len(before) - len(os.environ), keras.backend.backend(), keras.config.floatx()]))
    """
    for environment in ({}, {"KERAS_BACKEND": "tensorflow"}):
        changed, fewer, backend, floatx = output(python(program, KERAS_HOME=str(tmp_path), **environment))
        assert (changed, fewer, backend) == ({}, 0, "numpy")
        assert floatx == ("float64" if content and "float64" in content else "float32")
        if content is None:  # Keras writes its defaults then.
            assert json.loads(file.read_text())["backend"] == "tensorflow"
        else:
            assert file.read_text() == content


def test_our_modules_are_served_and_keras_keeps_its_own():
    for served in install.SERVED:
        assert sys.modules[served].__name__.startswith("kerasflow.bridge.")
    assert sys.modules[f"{versions.LAYOUT.operations}.numpy"].__spec__.origin.startswith(
        os.path.dirname(keras.__file__)
    )


def test_every_adjustment_is_there():
    for adjusted in ADJUSTED:
        assert callable(adjustment(adjusted))


def test_importing_twice_changes_nothing():
    before = list(sys.meta_path)
    install.install()
    assert sys.meta_path == before


def test_keras_first_is_refused():
    program = """
        import os, sys, types
        os.environ["KERAS_BACKEND"] = "numpy"
        sys.modules["keras"] = types.ModuleType("keras")
        import kerasflow
    """
    finished = python(program)
    assert finished.returncode == 1
    assert finished.stderr.splitlines()[-1].startswith(
        "kerasflow.errors.ImportOrderError: Keras was imported before"
    )
    assert "python -m kerasflow script.py" in finished.stderr


@pytest.mark.parametrize("version", ["2.15.0", "3.12.9", "3.17.0", "4.0.0.dev1"])
def test_other_versions_are_refused(version):
    with pytest.raises(
        ImportOrderError, match=rf"Keras 3.13 to 3.16, but Keras {version} is installed.*pip install"
    ):
        versions.layout_of(version)


@pytest.mark.parametrize("version", ["3.13.0", "3.14.1", "3.15.1", "3.16.0.dev2026102704"])
def test_supported_versions(version):
    assert versions.layout_of(version) is versions.LAYOUTS[3, int(version.split(".")[1])]


def test_the_installed_version_is_found():
    assert versions.keras_version() == keras.__version__
    assert versions.LAYOUT is versions.layout_of(keras.__version__)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('__version__ = "2.9.0"', "Keras 2.9.0 is installed"),
        (None, "Keras, which is not installed"),
        ("", "does not say its version"),
    ],
    ids=["too old", "missing", "damaged"],
)
def test_what_is_installed_is_looked_at_before_anything_is_imported(text, message, tmp_path):
    source = tmp_path / "keras" / "src"
    source.mkdir(parents=True)
    (tmp_path / "keras" / "__init__.py").write_text("raise RuntimeError('Keras was imported')")
    if text is not None:
        (source / "version.py").write_text(text)
    finished = python("import sys; sys.path.insert(0, sys.argv[1]); import kerasflow", tmp_path)
    assert finished.returncode == 1
    assert message in finished.stderr.splitlines()[-1]


def test_errors_have_one_base():
    errors = [
        e
        for e in vars(kerasflow.errors).values()
        if isinstance(e, type) and e.__module__ == "kerasflow.errors"
    ]
    assert all(issubclass(e, KerasflowError) for e in errors)
    assert len(errors) > 5
