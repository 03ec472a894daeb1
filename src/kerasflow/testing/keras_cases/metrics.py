"""Every metric: several updates with and without weights, result, reset; compiled into a model's step."""

from functools import partial
from typing import Any

import keras
import numpy as np

from .case import Case, Results, classes, known, normal, public_classes, rng, set_weights

N, K = 24, 4


def one_hot(i: int) -> np.ndarray:
    return np.eye(K, dtype="float32")[classes(N, K, f"one hot {i}")]


def bits(i: int) -> np.ndarray:
    return rng(f"bits {i}").integers(0, 2, (N, K)).astype("float32")


def reals(i: int) -> np.ndarray:
    return normal(N, K, seed=f"reals {i}")


def positive(i: int) -> np.ndarray:
    return np.abs(reals(i)) + 0.1


def scores(i: int) -> np.ndarray:
    """Between 0 and 1, away from the thresholds that metrics use."""
    return (np.floor(rng(f"scores {i}").random((N, K)) * 200) / 200 + 0.00251).astype("float32")


def distribution(i: int) -> np.ndarray:
    x = np.exp(reals(i + 100))
    return x / x.sum(-1, keepdims=True)


def labels(i: int) -> np.ndarray:
    return classes(N, K, f"labels {i}")


def predicted(i: int) -> np.ndarray:
    return np.where(rng(f"same {i}").random(N) < 0.5, labels(i), classes(N, K, f"guesses {i}")).astype(
        "int32"
    )


def column(values: Any) -> Any:
    return lambda i: values(i)[:, 0]


# For each metric: true values, predictions, and lists of arguments.
LABELS, TWO = [{"num_classes": K}], [{"num_classes": 2, "target_class_ids": [0, 1]}]
SENSITIVITY = [{"sensitivity": 0.6}]
METRICS: dict[str, tuple[Any, Any, list[dict[str, Any]]]] = {
    "AUC": (
        bits,
        scores,
        [{}, {"curve": "PR"}, {"multi_label": True, "num_labels": K}, {"summation_method": "minoring"}],
    ),
    "Accuracy": (labels, predicted, [{}]),
    "BinaryAccuracy": (bits, scores, [{}, {"threshold": 0.7}]),
    "BinaryCrossentropy": (bits, scores, [{}, {"label_smoothing": 0.1}]),
    "BinaryIoU": (column(bits), column(scores), [{}, {"target_class_ids": [1], "threshold": 0.3}]),
    "CategoricalAccuracy": (one_hot, distribution, [{}]),
    "CategoricalCrossentropy": (one_hot, distribution, [{}, {"from_logits": True}]),
    "CategoricalHinge": (one_hot, reals, [{}]),
    "ConcordanceCorrelation": (reals, positive, [{}]),
    "CosineSimilarity": (reals, positive, [{}]),
    "F1Score": (one_hot, distribution, [{}, {"average": "macro", "threshold": 0.4}, {"average": "weighted"}]),
    "FBetaScore": (one_hot, distribution, [{"beta": 2.0}, {"average": "micro", "beta": 0.5}]),
    "FalseNegatives": (bits, scores, [{}, {"thresholds": [0.2, 0.8]}]),
    "FalsePositives": (bits, scores, [{}]),
    "Hinge": (bits, reals, [{}]),
    "IoU": (labels, predicted, [{"num_classes": K, "target_class_ids": [0, 2]}]),
    "KLDivergence": (distribution, distribution, [{}]),
    "LogCoshError": (reals, positive, [{}]),
    "Mean": (None, reals, [{}]),
    "MeanAbsoluteError": (reals, positive, [{}]),
    "MeanAbsolutePercentageError": (positive, reals, [{}]),
    "MeanIoU": (labels, predicted, LABELS),
    "MeanMetricWrapper": (reals, positive, [{"fn": keras.metrics.mean_squared_error}]),
    "MeanSquaredError": (reals, positive, [{}]),
    "MeanSquaredLogarithmicError": (positive, positive, [{}]),
    "OneHotIoU": (one_hot, distribution, [{"num_classes": K, "target_class_ids": [1, 3]}]),
    "OneHotMeanIoU": (one_hot, distribution, LABELS),
    "PearsonCorrelation": (reals, positive, [{}]),
    "Poisson": (positive, positive, [{}]),
    "Precision": (bits, scores, [{}, {"top_k": 2}, {"class_id": 1, "thresholds": 0.6}]),
    "PrecisionAtRecall": (bits, scores, [{"recall": 0.6}]),
    "R2Score": (
        reals,
        reals,
        [{}, {"class_aggregation": "variance_weighted_average"}, {"class_aggregation": None}],
    ),
    "Recall": (bits, scores, [{}, {"thresholds": [0.1, 0.5, 0.9]}]),
    "RecallAtPrecision": (bits, scores, [{"precision": 0.4}]),
    "RootMeanSquaredError": (reals, positive, [{}]),
    "SensitivityAtSpecificity": (bits, scores, [{"specificity": 0.4}]),
    "SparseCategoricalAccuracy": (labels, distribution, [{}]),
    "SparseCategoricalCrossentropy": (labels, distribution, [{}]),
    "SparseTopKCategoricalAccuracy": (labels, distribution, [{"k": 2}]),
    "SpecificityAtSensitivity": (bits, scores, SENSITIVITY),
    "SquaredHinge": (bits, reals, [{}]),
    "Sum": (None, reals, [{}]),
    "TopKCategoricalAccuracy": (one_hot, distribution, [{"k": 2}]),
    "TrueNegatives": (bits, scores, [{}]),
    "TruePositives": (bits, scores, [{}]),
}


def update(name: str, arguments: dict[str, Any]) -> Results:
    true, predictions, _ = METRICS[name]
    found: Results = {}
    for weighted in (False, True):
        metric = getattr(keras.metrics, name)(**arguments)
        for i in range(3):
            # The first batch's labels and predictions must differ where both are drawn in the same way.
            values = (
                [predictions(i + 1)]
                if true is None
                else [true(i), predictions(i + (predictions is not predicted))]
            )
            weight = (
                {"sample_weight": rng(f"weight {i}").uniform(0, 2, N).astype("float32")} if weighted else {}
            )
            metric.update_state(*values, **weight)
            result = metric.result()
            found[f"result {i} {weighted}"] = np.asarray(keras.ops.convert_to_numpy(result))
        found |= {f"variable {j} {weighted}": v.numpy() for j, v in enumerate(metric.variables)}
        metric.reset_state()
        found |= {f"reset {j} {weighted}": v.numpy() for j, v in enumerate(metric.variables)}
    return found


def compiled(names: list[str], last: str | None, true: Any) -> Results:
    """Metrics of a model: training, evaluation with weights."""
    model = keras.Sequential([keras.layers.Input((6,)), keras.layers.Dense(K, activation=last)])
    plain, weighted = ([getattr(keras.metrics, n)(**METRICS[n][2][0]) for n in names] for _ in range(2))
    model.compile("sgd", "mse", metrics=plain, weighted_metrics=weighted, jit_compile=False)
    set_weights(model.trainable_variables)
    x, y = normal(3 * N, 6), np.concatenate([true(i) for i in range(3)])
    weight = rng("weights").uniform(0, 2, 3 * N).astype("float32")
    history = model.fit(x, y, 16, 2, 0, shuffle=False, sample_weight=weight, validation_split=0.25)
    found = {k: np.array(v) for k, v in history.history.items()}
    logs = model.evaluate(x, y, 20, 0, weight, return_dict=True)
    return found | {f"evaluate {k}": np.asarray(v) for k, v in logs.items()}


def cases() -> list[Case]:
    found = []
    for name in known(METRICS, public_classes(keras.metrics, keras.metrics.Metric)):
        for number, arguments in enumerate(METRICS[name][2]):
            found.append(Case(f"metric/{name} {number}", partial(update, name, arguments), 1e-5, name))
    groups: dict[str, tuple[str, str | None, Any]] = {
        "of scores": ("AUC Precision Recall TruePositives BinaryAccuracy", "sigmoid", bits),
        "of classes": ("CategoricalAccuracy F1Score TopKCategoricalAccuracy OneHotIoU", "softmax", one_hot),
        "of values": ("RootMeanSquaredError R2Score CosineSimilarity MeanAbsoluteError", None, reals),
    }
    for what, (names, last, true) in groups.items():
        found.append(Case(f"metric/compiled, {what}", partial(compiled, names.split(), last, true)))
    return found
