"""Each Keras that is supported, and the newest development version: in processes and an environment of its own.

The main job runs on all of them each time. The zoo and a tenth of Keras's own suite are slow tests; on the installed
version other tests run both.
"""

import json
import re
import textwrap
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import keras_modules
import keras_versions
import measured
import pytest
import systems_page
from keras_environments import NIGHTLY, Environment, install

from kerasflow.bridge import versions
from kerasflow.bridge.versions import keras_folder, keras_version

HERE = Path(__file__).parent
INSTALLED = keras_version()
VERSIONS = ("3.13.2", "3.14.1", "3.15.1", NIGHTLY)
PYTEST = ("-m", "pytest", "-q", "-p", "no:xdist", "-p", "no:cacheprovider", "-o", "addopts=")
OTHERS = [version for version in VERSIONS if version != INSTALLED]

PROGRAM = """
    import sys

    import kerasflow
    import keras
    import numpy as np

    if sys.argv[1] != "nightly":
        assert keras.__version__ == sys.argv[1], keras.__version__

    random = np.random.default_rng(0)
    x = random.standard_normal((600, 784)).astype("float32")
    y = np.eye(10, dtype="float32")[random.integers(10, size=600)]

    keras.utils.set_random_seed(0)
    model = keras.Sequential([
        keras.Input((784,)),
        keras.layers.Dense(512, activation="relu"),
        keras.layers.Dropout(0.5),
        keras.layers.Dense(10, activation="softmax"),
    ])
    model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["accuracy"])
    losses = model.fit(x, y, batch_size=128, epochs=2, validation_split=0.1, verbose=0).history["loss"]
    assert losses[1] < losses[0], losses

    loss, accuracy = model.evaluate(x, y, verbose=0)
    assert loss < losses[0] and accuracy > 0.2, (loss, accuracy)
    predictions = model.predict(x, verbose=0)
    assert predictions.shape == (600, 10) and predictions.dtype == np.float32
    np.testing.assert_allclose(predictions.sum(axis=1), 1, atol=1e-5)

    model.save("model.keras")
    again = keras.models.load_model("model.keras")
    np.testing.assert_array_equal(again.predict(x, verbose=0), predictions)
    again.fit(x, y, batch_size=128, epochs=1, verbose=0)

    idle = {"jax", "tensorflow", "torch", "IPython", "matplotlib", "pandas", "requests", "sklearn"} & set(sys.modules)
    assert not idle, idle
    print("passed")
"""


@pytest.fixture(scope="session")
def environments(tmp_path_factory):
    """Makes an environment for a version, or gives the one that was made."""
    made = {}

    def environment(version):
        if version not in made:
            folder = tmp_path_factory.mktemp("keras")
            packages = None if version == INSTALLED else folder / "packages"
            if packages is not None:
                install(version, packages)
            made[version] = Environment(packages, folder)
        return made[version]

    return environment


@pytest.fixture
def keep(record_property):
    """Says what was found on a version, for docs/compatibility.md."""
    return lambda environment, tests, counts: record_property(
        keras_versions.PROPERTY, keras_versions.found(environment.version, tests, counts)
    )


def counted(log):
    """The outcomes of a run of pytest, from its last line."""
    found = {word.rstrip("s"): int(n) for n, word in re.findall(r"(\d+) ([a-z]+)", log.splitlines()[-1])}
    return Counter(found) + Counter(failed=found.get("error", 0))


def what_changed(environment, version):
    """For a development version: which of Keras's modules may be the cause."""
    return environment.run(HERE / "keras_modules.py").stdout if version == NIGHTLY else ""


@pytest.mark.network
@pytest.mark.parametrize("version", sorted({*VERSIONS, INSTALLED}))
def test_the_main_job(version, environments, keep):
    environment = environments(version)
    program = environment.home / "program.py"
    program.write_text(textwrap.dedent(PROGRAM))
    finished = environment.run(program, version)
    passed = finished.stdout.endswith("passed\n")
    keep(environment, "main job", {"passed": int(passed), "failed": int(not passed)})
    assert passed, finished.stdout + what_changed(environment, version)


@pytest.mark.network
@pytest.mark.parametrize(
    "version", [pytest.param(v, marks=[] if v == NIGHTLY else pytest.mark.slow) for v in OTHERS]
)
def test_the_interface(version, environments, keep):
    """Nothing is missing that this version's code asks of its backend, and signatures fit."""
    environment = environments(version)
    finished = environment.run(*PYTEST, HERE / "contracts" / "test_interface.py")
    keep(environment, "interface", counted(finished.stdout))
    assert finished.returncode == 0, finished.stdout + what_changed(environment, version)


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.parametrize("version", OTHERS)
def test_the_zoo(version, environments, keep):
    environment = environments(version)
    finished = environment.run(*PYTEST, HERE / "keras" / "test_zoo.py", seconds=3600)
    keep(environment, "zoo", counted(finished.stdout))
    assert finished.returncode == 0, finished.stdout + what_changed(environment, version)


# A tenth of Keras's suite, of what has not changed much between the versions.
TENTH = (
    *("layers/convolutional", "layers/pooling", "layers/reshaping", "layers/rnn", "layers/normalization"),
    *("layers/merging", "layers/activations", "layers/regularization", "losses", "optimizers"),
)


@pytest.mark.slow
@pytest.mark.network
@pytest.mark.parametrize("version", OTHERS)
def test_a_tenth_of_keras_suite(version, environments, keep):
    """The tests are those of the installed Keras; what fails on another version's own backend too, is no fault here.

    Tests of training do not run there, so that names which are elsewhere in that version are excused by the error.
    """
    environment = environments(version)
    environment.bring_tests(keras_folder())
    found = {}
    for backend in ("kerasflow", "numpy"):
        results = environment.home / f"{backend}.jsonl"
        options = ("--workers", "1", "--backend", backend, "--results", results)
        log = environment.run(HERE / "upstream" / "run.py", *TENTH, *options, seconds=3600).stdout
        assert results.exists(), log
        found[backend] = {
            result["test"]: result for result in map(json.loads, results.read_text().splitlines())
        }

    def excuse(result):
        if found["numpy"].get(result["test"], {}).get("outcome") == "failed":
            return "stock"
        return "moved" if re.search(ELSEWHERE, result["reason"]) else None

    outcomes = Counter(result["outcome"] for result in found["kerasflow"].values())
    failed = {r["test"]: r for r in found["kerasflow"].values() if r["outcome"] == "failed"}
    excuses = {test: excuse(result) for test, result in failed.items()}
    keep(environment, "tenth", outcomes + Counter(filter(None, excuses.values())))
    failed = [result for test, result in failed.items() if excuses[test] is None]
    changed = what_changed(environment, version)
    assert not failed, "\n".join([*(f"{r['test']}: {r['reason'][:500]}" for r in failed), changed])
    assert outcomes["passed"] > 1000


ELSEWHERE = r"module 'keras\.src[\w.]*' has no attribute|cannot import name .* from 'keras\.src"


# -- what is said of a development version that breaks kerasflow -------------------------------------------------

SOURCE = '''
def kept(x):
    """Documentation."""
    return x


def changed(x):
    return x + 1


class Trainer:
    def fit(self):
        return 1

    def gone(self):
        return 2
'''


def test_a_module_that_changed_is_named():
    stored = {name: keras_modules.digests(SOURCE) for name in ("keras.src.a", "keras.src.b", "keras.src.c")}
    assert keras_modules.differences(stored, stored) == []
    new = (
        SOURCE.replace("Documentation.", "More of it.")
        .replace("x + 1", "x + 2")
        .replace("def gone", "def new")
    )
    new += "class Other:\n    def fit(self):\n        pass\n"
    found = {"keras.src.a": keras_modules.digests(new), "keras.src.b": stored["keras.src.b"]}
    assert keras_modules.differences(stored, found) == [
        "keras.src.a: gone: Trainer.gone; changed: changed; new: Other, Trainer.new",
        "keras.src.c is gone",
    ]


def test_what_the_bridge_takes_over_is_stored():
    """Of each module that it changes, serves or imports in the newest version; `keras_modules.py --write` stores it."""
    stored = json.loads(keras_modules.STORED.read_text())["modules"]
    newest = versions.LAYOUTS[max(versions.LAYOUTS)]
    assert {newest.trainer.module, newest.archive.module, f"{newest.operations}.numpy"} <= stored.keys()
    assert {
        f"{newest.operations}.core",
        "keras.src.backend.config",
        "keras.src.models.model",
    } <= stored.keys()
    assert "Model.export" in stored["keras.src.models.model"]


# -- what is kept of these tests ----------------------------------------------------------------------------------


def test_the_page_says_what_is_kept():
    text = systems_page.PAGE.read_text("utf-8")
    assert systems_page.filled(text, keras_versions.section()) == text


def test_each_version_ran():
    """All that is run on one, and nothing failed that is ours."""
    least = {"main job": 1, "interface": 500, "zoo": 10, "tenth": 1000}
    for run in keras_versions.stored():
        assert run["passed"] >= least[run["tests"]] and run["failed"] == run["stock"] + run["moved"], run
    assert set(map(keras_versions.key, keras_versions.stored())) == {
        (*version, i) for version in versions.LAYOUTS for i in range(len(keras_versions.TESTS))
    }


def test_what_tests_say_is_kept(monkeypatch, tmp_path):
    monkeypatch.setattr(keras_versions, "STORED", tmp_path / "stored.json")
    monkeypatch.setattr(systems_page, "PAGE", tmp_path / "page.md")
    systems_page.PAGE.write_text(f"before\n{keras_versions.BEGIN}\n{keras_versions.END}\nafter\n")

    def log(*runs):
        said = [(keras_versions.PROPERTY, keras_versions.found(*run)) for run in runs]
        report = SimpleNamespace(when="call", user_properties=[("seconds", 3), *said])
        teardown = SimpleNamespace(when="teardown", user_properties=said)
        return "\n".join(["...", *measured.said({"passed": [report], "": [teardown]}), "1 passed in 1.0s"])

    first = ("3.16.0.dev1", "tenth", Counter(passed=8, failed=3, stock=2, moved=1))
    second = ("3.16.0.dev2", "tenth", Counter(passed=9))
    keras_versions.keep(keras_versions.read(log(first, ("3.9.1", "zoo", Counter(passed=1)))))
    keras_versions.keep(keras_versions.read(log(second)))
    assert [(run["keras"], run["passed"]) for run in keras_versions.stored()] == [
        ("3.9.1", 1),
        ("3.16.0.dev2", 9),  # in the place of the older one
    ]
    page = systems_page.PAGE.read_text()
    assert "| 3.16.0.dev2 | tenth | 9 | 0 | 0 | 0 | 0 | 0 |" in page and page.endswith("\nafter\n")
    assert len(keras_versions.read(log(first, second))) == 2


def test_outcomes_are_counted():
    log = "F...\n1 failed, 12 passed, 2 skipped, 3 xfailed, 2 errors in 1.00s"
    assert counted(log) == Counter(failed=3, passed=12, skipped=2, xfailed=3, error=2)
