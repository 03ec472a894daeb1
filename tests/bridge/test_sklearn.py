"""Keras's wrappers for scikit-learn: pipelines, searches, clones, pickles, other processes.

scikit-learn's own checks of estimators run with Keras's test suite (`tests/upstream`, `wrappers/sklearn_test.py`).
"""

from __future__ import annotations

import json
import pickle
import pickletools
import subprocess
import sys
import textwrap

import kerasflow  # noqa: F401  # isort: skip  (before Keras)
import keras
import numpy as np
import pytest

pytest.importorskip("sklearn")
from keras.wrappers import SKLearnClassifier, SKLearnRegressor, SKLearnTransformer
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

X, LABELS = load_iris(return_X_y=True)


def network(X, y, units=16, last=None, loss="mse"):
    keras.utils.set_random_seed(0)
    outputs = y.shape[1] if y.ndim > 1 else 1
    parts = [keras.layers.Dense(units, "tanh"), keras.layers.Dense(outputs, last)]
    model = keras.Sequential([keras.Input(X.shape[1:]), *parts])
    model.compile(keras.optimizers.Adam(0.02), loss)
    return model


CLASSIFIER = {"last": "softmax", "loss": "categorical_crossentropy"}


@pytest.fixture(autouse=True)
def quiet():
    """The wrappers' `predict` would show its progress."""
    keras.utils.disable_interactive_logging()
    yield
    keras.utils.enable_interactive_logging()


def test_a_classifier_in_a_pipeline():
    pipeline = make_pipeline(StandardScaler(), SKLearnClassifier(network, model_kwargs=CLASSIFIER))
    scores = cross_val_score(pipeline, X, LABELS, cv=3, params={"sklearnclassifier__epochs": 15})
    assert scores.min() > 0.85
    names = np.array(["setosa", "versicolor", "virginica"])
    pipeline.fit(X, names[LABELS], sklearnclassifier__epochs=15)
    assert set(pipeline.predict(X)) == set(names)
    assert pipeline.score(X, names[LABELS]) > 0.85


def test_a_regressor_and_a_transformer():
    regressor = make_pipeline(StandardScaler(), SKLearnRegressor(network))
    assert regressor.fit(X[:, :3], X[:, 3], sklearnregressor__epochs=30).score(X[:, :3], X[:, 3]) > 0.8
    features = SKLearnTransformer(network, model_kwargs={"last": "tanh"}, fit_kwargs={"epochs": 15})
    pipeline = make_pipeline(StandardScaler(), features, LogisticRegression())
    assert pipeline.fit(X, LABELS).score(X, LABELS) > 0.6
    assert pipeline[:-1].transform(X).shape[0] == len(X)


def test_a_clone_begins_anew_and_leaves_the_original_alone():
    model = network(X, np.eye(3), **CLASSIFIER)
    fitted = SKLearnClassifier(model).fit(X, LABELS, epochs=5)
    before = fitted.model_.get_weights()
    other = clone(fitted)
    assert not hasattr(other, "model_")
    other.fit(X, LABELS)
    assert other.model_ is not fitted.model_
    for a, b in zip(before, fitted.model_.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


# Its functions are those of a script: joblib sends them to its processes by value, and with them what they mention.
PROGRAM = """
    import json, sys

    import kerasflow
    import joblib
    import keras
    from sklearn.datasets import load_iris
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    def network(X, y, units):
        keras.utils.disable_interactive_logging()
        if "kerasflow" not in sys.modules or "tensorflow" in sys.modules:
            raise RuntimeError("this process runs stock Keras")
        keras.utils.set_random_seed(0)
        parts = [keras.layers.Dense(units, "tanh"), keras.layers.Dense(3, "softmax")]
        model = keras.Sequential([keras.Input(X.shape[1:]), *parts])
        model.compile(keras.optimizers.Adam(0.02), "categorical_crossentropy")
        return model


    def search(jobs):
        classifier = keras.wrappers.SKLearnClassifier(network)
        grid = {"sklearnclassifier__model_kwargs": [{"units": 2}, {"units": 16}]}
        pipeline = make_pipeline(StandardScaler(), classifier)
        search = GridSearchCV(pipeline, grid, cv=2, n_jobs=jobs, error_score="raise", refit=jobs is not None)
        return search.fit(x, y, sklearnclassifier__epochs=8)


    if __name__ == "__main__":
        x, y = load_iris(return_X_y=True)
        alone, together = search(None), search(2)
        classifier = together.best_estimator_[-1]
        classifier.model = classifier.model_  # A file can hold no function of a script.
        joblib.dump(together.best_estimator_, "pipeline.joblib")
        scores = [list(s.cv_results_["mean_test_score"]) for s in (alone, together)]
        outputs = together.best_estimator_.decision_function(x)
        print(json.dumps([*scores, together.best_params_, outputs.tolist()]))
"""
READER = """
    import json, sys

    import joblib
    from sklearn.datasets import load_iris

    x, _ = load_iris(return_X_y=True)
    loaded = joblib.load("pipeline.joblib")
    assert "kerasflow" in sys.modules and "tensorflow" not in sys.modules
    print(json.dumps(loaded.decision_function(x).tolist()))
"""


def test_other_processes_run_kerasflow(tmp_path):
    def run(program):
        (tmp_path / "program.py").write_text(textwrap.dedent(program))
        command = [sys.executable, "program.py"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    alone, together, best, outputs = run(PROGRAM)
    np.testing.assert_allclose(together, alone, atol=0.02)
    assert best == {"sklearnclassifier__model_kwargs": {"units": 16}}
    np.testing.assert_allclose(run(READER), outputs, rtol=1e-5)


@pytest.mark.parametrize(
    "make",
    [
        lambda: keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]),
        lambda: keras.layers.Dense(1),
        lambda: keras.optimizers.Adam(),
        lambda: keras.metrics.MeanSquaredError(),
        lambda: SKLearnRegressor(network),
        lambda: make_pipeline(StandardScaler(), SKLearnTransformer(network)),
    ],
    ids=["model", "layer", "optimizer", "metric", "wrapper", "pipeline"],
)
def test_a_pickle_mentions_kerasflow_before_keras(make):
    """Unpickling imports what is mentioned in this order; kerasflow has to be imported first."""
    names = [
        argument for _, argument, _ in pickletools.genops(pickle.dumps(make())) if isinstance(argument, str)
    ]
    packages = [name.partition(".")[0] for name in names]
    assert packages.index("kerasflow") < packages.index("keras")
