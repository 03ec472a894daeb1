"""What libraries around Keras show first in their own pages, on small data: a function for each library.

`neighbours.py` runs each in a process of its own, in an environment that has the library, after `import kerasflow`. The
first line of a function's docstring is what the page says was run. What a library only seems to do is asserted.
"""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np

RNG = np.random.default_rng(0)
X = RNG.normal(size=(96, 4)).astype("float32")
Y = (X[:, 0] + X[:, 1] > 0).astype("int32")
IMAGES = RNG.random((16, 32, 32, 3)).astype("float32")


def network(x: Any = X, y: Any = None, units: int = 8) -> keras.Model:
    """A compiled classifier of two classes, in the form in which scikit-learn's wrappers ask for it."""
    model = keras.Sequential(
        [
            keras.Input(x.shape[1:]),
            keras.layers.Dense(units, activation="relu"),
            keras.layers.Dense(2, activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(0.02), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def trained(*callbacks: keras.callbacks.Callback, epochs: int = 3) -> keras.Model:
    """The classifier after some epochs with `callbacks`."""
    model = network()
    model.fit(X, Y, validation_split=0.25, epochs=epochs, verbose=0, callbacks=list(callbacks))
    return model


def convolutional() -> keras.Model:
    """A small network for pictures, not trained."""
    return keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            keras.layers.Conv2D(4, 3, activation="relu", name="convolution"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(2, activation="softmax"),
        ]
    )


# Tuners


def keras_tuner(folder: Path) -> None:
    """`RandomSearch` over units and learning rate, its best model"""
    import keras_tuner

    def build(hp: Any) -> keras.Model:
        return network(units=hp.Int("units", 4, 16, 4))

    tuner = keras_tuner.RandomSearch(build, "val_accuracy", max_trials=3, directory=folder)
    tuner.search(X, Y, epochs=2, validation_split=0.25, verbose=0)
    assert tuner.get_best_models()[0].predict(X, verbose=0).shape == (96, 2)


def optuna(folder: Path) -> None:
    """a study with `KerasPruningCallback`"""
    import optuna
    from optuna_integration import KerasPruningCallback

    def objective(trial: Any) -> float:
        model = network(units=trial.suggest_int("units", 4, 16))
        prune = KerasPruningCallback(trial, "val_accuracy")
        history = model.fit(X, Y, validation_split=0.25, epochs=3, verbose=0, callbacks=[prune])
        return history.history["val_accuracy"][-1]

    study = optuna.create_study(direction="maximize", pruner=optuna.pruners.MedianPruner(2))
    study.optimize(objective, n_trials=6)
    assert study.best_value > 0 and len(study.trials) == 6


def ray_tune(folder: Path) -> None:
    """`Tuner` with two trials in its workers, which report by `tune.report`"""
    from ray import tune

    def train(config: dict[str, Any]) -> None:
        import kerasflow  # noqa: F401, I001  (before Keras, in each worker)
        from neighbour_examples import X, Y, network

        model = network(units=config["units"])
        tune.report({"accuracy": model.fit(X, Y, epochs=2, verbose=0).history["accuracy"][-1]})

    results = tune.Tuner(train, param_space={"units": tune.grid_search([4, 8])}).fit()
    assert results.num_errors == 0 and results.get_best_result("accuracy", "max").metrics["accuracy"] > 0


def autokeras(folder: Path) -> None:
    """`ImageClassifier`, one trial"""
    import autokeras

    search = autokeras.ImageClassifier(max_trials=1, directory=folder, overwrite=True)
    search.fit(IMAGES, np.arange(16) % 2, epochs=1)


# Estimators, tables, intervals


def scikit_learn(folder: Path) -> None:
    """`keras.wrappers.SKLearnClassifier` in a `Pipeline` and a `GridSearchCV`"""
    from keras.wrappers import SKLearnClassifier
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    estimator = SKLearnClassifier(
        model_from_labels, model_kwargs={"units": 4}, fit_kwargs={"epochs": 5, "verbose": 0}
    )
    pipeline = make_pipeline(StandardScaler(), estimator)
    grid = GridSearchCV(pipeline, {"sklearnclassifier__model_kwargs": [{"units": 4}, {"units": 16}]}, cv=2)
    assert grid.fit(X, Y).best_score_ > 0.5


def model_from_labels(X: Any, y: Any, units: int = 8) -> keras.Model:
    """The classifier with the loss for labels of one bit each, which Keras's wrapper gives it."""
    model = network(X, units=units)
    model.compile("adam", "categorical_crossentropy" if y.ndim > 1 else "sparse_categorical_crossentropy")
    return model


def scikeras(folder: Path) -> None:
    """`KerasClassifier` in `cross_val_score`"""
    from scikeras.wrappers import KerasClassifier
    from sklearn.model_selection import cross_val_score

    estimator = KerasClassifier(lambda units: network(units=units), units=8, epochs=5, verbose=0)
    assert len(cross_val_score(estimator, X, Y, cv=2)) == 2


def imbalanced_learn(folder: Path) -> None:
    """`RandomOverSampler` before `SKLearnClassifier`, in its `Pipeline`"""
    from imblearn.over_sampling import RandomOverSampler
    from imblearn.pipeline import make_pipeline
    from keras.wrappers import SKLearnClassifier

    few = np.r_[np.flatnonzero(Y == 0), np.flatnonzero(Y == 1)[:8]]
    estimator = SKLearnClassifier(model_from_labels, fit_kwargs={"epochs": 5, "verbose": 0})
    pipeline = make_pipeline(RandomOverSampler(random_state=0), estimator)
    assert pipeline.fit(X[few], Y[few]).predict(X).shape[0] == 96


def skrub(folder: Path) -> None:
    """`TableVectorizer` on a table with words and dates, before `SKLearnClassifier`"""
    import pandas as pd
    from keras.wrappers import SKLearnClassifier
    from sklearn.pipeline import make_pipeline
    from skrub import TableVectorizer

    frame = pd.DataFrame(
        {
            "size": X[:, 0],
            "city": np.where(X[:, 1] > 0, "Rome", "Oslo"),
            "day": pd.date_range("2026-01-01", periods=96),
        }
    )
    estimator = SKLearnClassifier(model_from_labels, fit_kwargs={"epochs": 5, "verbose": 0})
    pipeline = make_pipeline(TableVectorizer(), estimator)
    assert pipeline.fit(frame, Y).predict(frame).shape[0] == 96


def mapie(folder: Path) -> None:
    """`SplitConformalRegressor` around `SKLearnRegressor`: intervals"""
    from keras.wrappers import SKLearnRegressor
    from mapie.regression import SplitConformalRegressor

    def regression(X: Any, y: Any) -> keras.Model:
        model = keras.Sequential(
            [keras.Input(X.shape[1:]), keras.layers.Dense(8, "relu"), keras.layers.Dense(1)]
        )
        model.compile("adam", "mse")
        return model

    estimator = SKLearnRegressor(regression, fit_kwargs={"epochs": 5, "verbose": 0})
    conformal = SplitConformalRegressor(estimator, confidence_level=0.9, prefit=False)
    y = X.sum(1).astype("float64")  # MAPIE checks its differences to 1e-8.
    conformal.fit(X[:48], y[:48]).conformalize(X[48:], y[48:])
    assert conformal.predict_interval(X)[1].shape == (96, 2, 1)


def crepes(folder: Path) -> None:
    """`WrapClassifier` around `SKLearnClassifier`: calibrated p-values"""
    from crepes import WrapClassifier
    from keras.wrappers import SKLearnClassifier

    class Probabilities(SKLearnClassifier):
        def predict_proba(self, x: Any) -> Any:
            return self.model_.predict(x, verbose=0)

    estimator = WrapClassifier(Probabilities(model_from_labels, fit_kwargs={"epochs": 5, "verbose": 0}))
    estimator.fit(X[:48], Y[:48])
    estimator.calibrate(X[48:], Y[48:])
    assert estimator.predict_p(X).shape == (96, 2)


def pyod(folder: Path) -> None:
    """`KNN` on the features of a trained layer"""
    from pyod.models.knn import KNN

    model = trained()
    features = keras.Model(model.inputs, model.layers[0].output)
    assert KNN().fit(features.predict(X, verbose=0)).decision_scores_.shape == (96,)


# Explainers


def shap(folder: Path) -> None:
    """`Explainer` (permutations) and `KernelExplainer` on `model.predict`"""
    import shap

    model = trained()

    def predict(x: Any) -> Any:
        return model.predict(x, verbose=0)

    assert shap.Explainer(predict, X[:20])(X[:4]).values.shape == (4, 4, 2)
    assert shap.KernelExplainer(predict, X[:10]).shap_values(X[:2], silent=True).shape == (2, 4, 2)


def shap_gradients(folder: Path) -> None:
    """`GradientExplainer` on a model"""
    import shap

    assert shap.GradientExplainer(trained(), X[:20]).shap_values(X[:4]).shape == (4, 4, 2)


def lime(folder: Path) -> None:
    """`LimeTabularExplainer` and `LimeImageExplainer` on `model.predict`"""
    from lime.lime_image import LimeImageExplainer
    from lime.lime_tabular import LimeTabularExplainer

    explained = LimeTabularExplainer(X).explain_instance(X[0], trained().predict, num_samples=100)
    assert len(explained.as_list()) == 4
    picture = LimeImageExplainer().explain_instance(
        IMAGES[0].astype("float64"), convolutional().predict, top_labels=1, num_samples=20
    )
    assert picture.top_labels


def dalex(folder: Path) -> None:
    """`Explainer` on a model: `model_parts`, `predict_parts`"""
    import dalex
    import pandas as pd

    frame = pd.DataFrame(X, columns=list("abcd"))

    def predict(model: Any, x: Any) -> Any:
        return model.predict(np.asarray(x, "float32"), verbose=0)[:, 1]

    explainer = dalex.Explainer(trained(), frame, Y, predict, verbose=False, model_type="classification")
    assert len(explainer.model_parts(B=2).result) == 6
    assert len(explainer.predict_parts(frame.iloc[[0]]).result)


def alibi(folder: Path) -> None:
    """`AnchorTabular` on `model.predict`"""
    from alibi.explainers import AnchorTabular

    explainer = AnchorTabular(trained().predict, list("abcd"))
    assert explainer.fit(X).explain(X[0]).anchor is not None


# Experiments


def tensorboard(folder: Path) -> None:
    """`keras.callbacks.TensorBoard`, and its files read again"""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    trained(keras.callbacks.TensorBoard(str(folder)))
    events = EventAccumulator(str(folder / "validation"))
    events.Reload()
    assert "epoch_loss" in events.Tags()["scalars"] + events.Tags()["tensors"]


def mlflow(folder: Path) -> None:
    """`mlflow.keras.autolog`, the model logged, loaded and asked"""
    import mlflow

    mlflow.set_tracking_uri(f"sqlite:///{folder / 'runs.db'}")
    mlflow.keras.autolog()
    with mlflow.start_run() as run:
        model = trained()
        logged = mlflow.keras.log_model(model, name="classifier")
    assert "loss" in mlflow.get_run(run.info.run_id).data.metrics
    loaded = mlflow.keras.load_model(logged.model_uri)
    np.testing.assert_allclose(loaded.predict(X, verbose=0), model.predict(X, verbose=0), rtol=1e-5)


def wandb(folder: Path) -> None:
    """`WandbMetricsLogger` and `WandbModelCheckpoint`, offline"""
    import wandb
    from wandb.integration.keras import WandbMetricsLogger, WandbModelCheckpoint

    with wandb.init(project="kerasflow", mode="offline", dir=folder) as run:
        trained(WandbMetricsLogger(), WandbModelCheckpoint(folder / "model.keras"))
        assert run.summary["epoch/loss"] > 0 and (folder / "model.keras").exists()


def comet(folder: Path) -> None:
    """`OfflineExperiment` and its callback, the file that it leaves read"""
    import comet_ml

    experiment = comet_ml.OfflineExperiment(project_name="kerasflow", offline_directory=str(folder))
    trained(experiment.get_callback("keras"))
    experiment.end()
    (file,) = folder.glob("*.zip")
    with zipfile.ZipFile(file) as kept:
        assert b"val_loss" in kept.read("messages.json")


def neptune(folder: Path) -> None:
    """`NeptuneCallback`, offline"""
    import neptune
    from neptune.integrations.tensorflow_keras import NeptuneCallback

    with neptune.init_run(mode="offline") as run:
        trained(NeptuneCallback(run=run))


def dvclive(folder: Path) -> None:
    """`DVCLiveCallback`, and its file of metrics"""
    from dvclive.keras import DVCLiveCallback

    trained(DVCLiveCallback(dir=str(folder / "live")))
    assert "loss" in (folder / "live" / "metrics.json").read_text()


# What is seen while it trains, and pictures


def tqdm(folder: Path) -> None:
    """`TqdmCallback`"""
    from tqdm.keras import TqdmCallback

    trained(TqdmCallback(verbose=2))


def livelossplot(folder: Path) -> None:
    """`PlotLossesKeras`, into a file"""
    os.environ["MPLBACKEND"] = "agg"
    from livelossplot import PlotLossesKeras
    from livelossplot.outputs import MatplotlibPlot

    trained(PlotLossesKeras(outputs=[MatplotlibPlot(figpath=str(folder / "losses.png"))]))
    assert (folder / "losses.png").stat().st_size > 1000


def visualkeras(folder: Path) -> None:
    """`layered_view` and `graph_view`"""
    import visualkeras

    assert visualkeras.layered_view(convolutional()).size[0] > 1
    assert visualkeras.graph_view(network()).size[0] > 1
