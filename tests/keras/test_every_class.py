"""Every public class of Keras has a case, or stands in a list with its reason."""

from typing import Any

import keras
import pytest

from kerasflow.testing.keras_cases.case import public_classes
from kerasflow.testing.keras_cases.layers import ABSTRACT, EXCLUDED
from kerasflow.testing.keras_cases.optimizers import APART
from kerasflow.testing.keras_cases.tables import all_cases

FAMILIES: dict[str, tuple[Any, Any, dict[str, str]]] = {
    "optimizer": (keras.optimizers, keras.optimizers.Optimizer, {"ScheduleFreeAdamW": "in test_formulas.py"}),
    "schedule": (keras.optimizers.schedules, keras.optimizers.schedules.LearningRateSchedule, {}),
    "loss": (keras.losses, keras.losses.Loss, {}),
    "metric": (keras.metrics, keras.metrics.Metric, {}),
    "layer": (keras.layers, keras.layers.Layer, EXCLUDED),
    "constraint": (keras.constraints, keras.constraints.Constraint, {}),
    "regularizer": (keras.regularizers, keras.regularizers.Regularizer, {}),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_every_class_has_a_case(family: str) -> None:
    module, base, reasons = FAMILIES[family]
    covered = {case.covers for case in all_cases().values()}
    missing = set(public_classes(module, base)) - covered - set(reasons)
    assert not missing
    assert not covered & set(reasons), "has a case and a reason not to have one"


def test_lists_name_what_exists() -> None:
    layers = set(public_classes(keras.layers, keras.layers.Layer)) | {"Layer"}
    if keras.__version__ >= "3.15":  # Older ones lack some.
        assert set(EXCLUDED) <= layers
    assert set(ABSTRACT) <= layers
    assert {"LossScaleOptimizer"} <= APART
