"""A Keras network as a scikit-learn classifier: scaling, cross-validation, a search for its width and rate."""

import kerasflow  # noqa: F401  (before keras)
import keras
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


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
