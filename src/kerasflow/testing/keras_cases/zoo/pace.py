"""How fast the networks train where two engines are compared in single precision."""

from typing import Any

from .task import Task

# By what the learning rate is multiplied. In these networks rounding moves some number across a kink (of ReLU, of a
# maximum) within fifty steps, which changes a gradient by a whole term; at their own rates the curves part from there
# on, on any two engines. In double precision they are compared at their own rates.
SLOWER = {
    "vgg_block": 0.1,
    "resnet": 0.002,
    "mobilenet_block": 0.005,
    "unet": 0.03,
    "wasserstein_gan": 0.01,
}


def slow_down(task: Task, factor: float) -> None:
    """Multiply the learning rates of a task's model; it has not been trained yet."""
    for name in ("optimizer", "critic_optimizer"):
        if hasattr(task.model, name):
            setattr(task.model, name, _slower(getattr(task.model, name), factor))


def _slower(optimizer: Any, factor: float) -> Any:
    """The same optimizer at another rate; a schedule's first one is its `initial_learning_rate`."""
    config = optimizer.get_config()
    rate = config["learning_rate"]
    if isinstance(rate, dict):
        rate["config"]["initial_learning_rate"] *= factor
    else:
        config["learning_rate"] = rate * factor
    return type(optimizer).from_config(config)
