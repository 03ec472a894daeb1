"""A Keras network as a scikit-learn classifier: scaling, cross-validation, a search for its width and rate."""

import argparse

import kerasflow  # noqa: F401  (before keras)
import keras
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--plot", metavar="FILE", help="draw the search and what was read into this picture")
options = parser.parse_args()


def network(X, y, width=32, rate=1e-3):
    """A compiled model for data of this shape; `SKLearnClassifier` gives one-hot labels."""
    model = keras.Sequential(
        [
            keras.Input(X.shape[1:]),
            keras.layers.Dense(width, activation="relu"),
            keras.layers.Dense(y.shape[1], activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(rate), "categorical_crossentropy")
    return model


keras.utils.set_random_seed(0)
keras.utils.disable_interactive_logging()  # `predict` would show its progress
x, y = load_digits(return_X_y=True)
x_train, x_test, y_train, y_test = train_test_split(x, y, random_state=0, stratify=y)

classifier = keras.wrappers.SKLearnClassifier(network, model_kwargs={"width": 32})
pipeline = make_pipeline(StandardScaler(), classifier)
fit = {"sklearnclassifier__epochs": 20, "sklearnclassifier__batch_size": 32}
scores = cross_val_score(pipeline, x_train, y_train, cv=3, params=fit)
print(f"cross-validation: {scores.mean():.3f} ± {scores.std():.3f}")

search = GridSearchCV(
    pipeline,
    {"sklearnclassifier__model_kwargs": [{"width": w, "rate": r} for w in (16, 64) for r in (1e-3, 1e-2)]},
    cv=3,
)
search.fit(x_train, y_train, **fit)
print("best:", search.best_params_["sklearnclassifier__model_kwargs"])
print(f"test accuracy: {search.score(x_test, y_test):.3f}")

if options.plot:
    import matplotlib.pyplot as plt

    figure = plt.figure(figsize=(9, 3), layout="constrained")
    left, right = figure.subfigures(1, 2)
    found = search.cv_results_
    tried = [one["sklearnclassifier__model_kwargs"] for one in found["params"]]
    names = [f"{one['width']} units, rate {one['rate']}" for one in tried]
    axes = left.subplots()
    axes.errorbar(found["mean_test_score"], names, xerr=found["std_test_score"], fmt="o", capsize=4)
    axes.set_xlabel("accuracy in cross-validation")
    right.suptitle(f"test accuracy {search.score(x_test, y_test):.1%}")
    for axes, image, read in zip(right.subplots(3, 7).flat, x_test, search.predict(x_test), strict=False):
        axes.imshow(image.reshape(8, 8), cmap="gray_r")
        axes.set_title(read, fontsize=8)
        axes.axis("off")
    figure.savefig(options.plot, dpi=100)
