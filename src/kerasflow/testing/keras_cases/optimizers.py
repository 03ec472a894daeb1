"""Every optimizer with its options, every learning-rate schedule: 20 steps of a small network."""

from collections.abc import Callable
from functools import partial
from typing import Any

import keras

from .case import Case, Results, classes, known, normal, options, public_classes, train

STEPS, BATCH = 20, 16

# Each optimizer alone, and with what the base class offers; Adam with each option on its own.
COMMON: dict[str, dict[str, Any]] = {
    "plain": {},
    "with options": {
        "clipnorm": 0.1,
        "weight_decay": 0.02,
        "use_ema": True,
        "ema_overwrite_frequency": 3,
        "gradient_accumulation_steps": 3,
    },
}
ADAM: dict[str, dict[str, Any]] = {
    "amsgrad": {"amsgrad": True},
    "clipnorm": {"clipnorm": 0.05},
    "clipvalue": {"clipvalue": 0.01},
    "global_clipnorm": {"global_clipnorm": 0.05},
    "weight_decay": {"weight_decay": 0.1},
    "ema": {"use_ema": True, "ema_momentum": 0.8},
    "ema, overwriting": {"use_ema": True, "ema_momentum": 0.9, "ema_overwrite_frequency": 7},
    "accumulation": {"gradient_accumulation_steps": 3},
    "loss_scale_factor": {"loss_scale_factor": 8.0},
}
OWN: dict[str, dict[str, dict[str, Any]]] = {
    "SGD": {"momentum": {"momentum": 0.9}, "nesterov": {"momentum": 0.9, "nesterov": True}},
    "RMSprop": {
        "centered": {"centered": True},
        "momentum": {"momentum": 0.9},
        "centered, momentum": {"centered": True, "momentum": 0.9},
    },
    "Adam": ADAM,
    "AdamW": {"amsgrad": {"amsgrad": True}},
    "Ftrl": {"regularized": {"l1_regularization_strength": 0.01, "l2_regularization_strength": 0.02}},
    "Adafactor": {"not relative": {"relative_step": False, "beta_2_decay": -0.6}},
    "Muon": {"no nesterov": {"nesterov": False}},
}
# Wrappers have cases of their own. Stock Keras on TensorFlow does not run ScheduleFreeAdamW as written: what the update
# keeps as `momentum_old` is the variable itself, which it then changes. See test_formulas.py.
APART = {"LossScaleOptimizer", "MultiOptimizer", "ScheduleFreeAdamW"}

SCHEDULES: dict[str, tuple[Any, ...]] = {
    "CosineDecay": (0.1, 15, 0.1, "warmed_up", 0.2, 4),
    "CosineDecayRestarts": (0.1, 6),
    "ExponentialDecay": (0.1, 5, 0.5, True),
    "InverseTimeDecay": (0.1, 4, 0.5),
    "PiecewiseConstantDecay": ([5, 12], [0.1, 0.05, 0.01]),
    "PolynomialDecay": (0.1, 8, 0.001, 2.0, True),
}


def network(**layer: Any) -> Any:
    layers = keras.layers
    return keras.Sequential(
        [
            layers.Input((10,)),
            layers.Dense(24, activation="tanh", name="first", **layer),
            layers.Dense(5, name="last", **layer),
        ]
    )


def fit(optimizer: Any) -> Results:
    model = network()
    model.compile(optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=False)
    n = STEPS * BATCH
    return train(model, normal(n, 10), classes(n, 5), BATCH)


def case(what: str, make: Callable[[], Any], covers: str = "") -> Case:
    return Case(f"optimizer/{what}", lambda: fit(make()), covers=covers)


def loss_scale(**kwargs: Any) -> Any:
    return keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(0.01), **kwargs)


def multi() -> Any:
    o = keras.optimizers
    chosen = o.OptimizerMap(
        o.SGD(0.05, momentum=0.9), {"first/.*": o.Adam(0.01), "last/kernel": o.RMSprop(0.005)}
    )
    return o.MultiOptimizer(chosen)


# Made of others.
MADE: dict[str, Callable[[], Any]] = {"MultiOptimizer": multi}


def scheduled(schedule: Any, arguments: tuple[Any, ...]) -> Any:
    return keras.optimizers.SGD(schedule(*arguments), momentum=0.5)


def cases() -> list[Case]:
    found = []
    here = public_classes(keras.optimizers, keras.optimizers.Optimizer)
    for name, cls in here.items():
        if name in APART:
            continue
        for option, kwargs in (COMMON | OWN.get(name, {})).items():
            if kwargs != options(cls, **kwargs):
                continue
            found.append(case(f"{name} {option}", partial(cls, learning_rate=0.02, **kwargs), name))
    found += [
        # Scales that overflow at first, that stay, and that grow.
        case("LossScaleOptimizer", lambda: loss_scale(initial_scale=1024.0), "LossScaleOptimizer"),
        case("LossScaleOptimizer growing", lambda: loss_scale(initial_scale=4.0, dynamic_growth_steps=4)),
        case("LossScaleOptimizer overflowing", lambda: loss_scale(initial_scale=2.0**127)),
    ]
    found += [case(name, MADE[name], name) for name in known(MADE, here)]
    schedules = keras.optimizers.schedules
    for name, cls in known(SCHEDULES, public_classes(schedules, schedules.LearningRateSchedule)).items():
        found.append(case(f"schedule {name}", partial(scheduled, cls, SCHEDULES[name]), name))
    return found
