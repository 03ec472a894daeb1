"""What a model's files are asked on either side: kerasflow in the tests, stock Keras where this file is the program.

    python exchange.py FOLDER NAMES TRAINED

The program finds in FOLDER the files that kerasflow has saved of the networks of the zoo called NAMES (with commas
between them), says what it loads from them, trains those of TRAINED on, and saves all in FOLDER/BACKEND.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

Results = dict[str, np.ndarray]

STEPS = 3
# What a model that is a class of its own predicts from, of what it is trained on; the others predict from all of it.
SAMPLES: dict[str, Callable[[Any], Any]] = {
    "variational_autoencoder": lambda x: x[0],
    "wasserstein_gan": lambda x: x[1][:, 0],
}
# Legacy files whose training configuration stock Keras cannot use, and what it says; without it they load. (Of the
# others too it restores the weights alone: it builds the optimizer for no variables, warns that the optimizer begins
# anew, and cannot train the model before it is compiled again.)
REFUSED = {"wasserstein_gan": "WassersteinGAN.compile() got an unexpected keyword argument 'optimizer'"}


def samples(name: str, task: Any) -> Any:
    """A few inputs for a prediction."""
    return keras.tree.map_structure(lambda a: a[:4], SAMPLES.get(name, lambda x: x)(task.train[0]))


def optimizers(model: Any) -> list[Any]:
    return [getattr(model, name) for name in ("optimizer", "critic_optimizer") if hasattr(model, name)]


def state(model: Any) -> Results:
    """The weights and the optimizers' variables."""
    kinds = {"weight": model.weights, "optimizer": [v for o in optimizers(model) for v in o.variables]}
    return {
        f"{kind} {i}": keras.ops.convert_to_numpy(v)
        for kind, variables in kinds.items()
        for i, v in enumerate(variables)
    }


def train(model: Any, task: Any, begin: int, steps: int, losses: Any) -> np.ndarray:
    """The losses of some steps, from number `begin` on; the data come in their order. `losses`: a `Losses()`."""
    n = task.batch_size
    data = keras.tree.map_structure(lambda a: a[n * begin : n * (begin + steps)], task.train)
    model.fit(*data, batch_size=n, shuffle=False, verbose=0, callbacks=[losses])
    assert len(losses.values) == steps
    return np.array(losses.values)


def save(model: Any, stem: Path) -> None:
    """All the files of a model."""
    model.save(f"{stem}.keras")
    model.save_weights(f"{stem}.weights.h5")
    Path(f"{stem}.json").write_text(model.to_json())
    # Comes last: in stock Keras a model that was saved so has no optimizer in later files.
    model.save(f"{stem}.h5")


def load(stem: Path, cls: Any) -> dict[str, Any]:
    """A model of each kind of file; "refused" is why the legacy file was not loaded with its training configuration."""
    found = {"keras": keras.saving.load_model(f"{stem}.keras"), "refused": ""}
    known = {cls.__name__: cls}  # Legacy files do not know of registered classes of models.
    try:
        found["h5"] = keras.saving.load_model(f"{stem}.h5", custom_objects=known)
    except TypeError as error:
        found["refused"] = str(error)
        found["h5"] = keras.saving.load_model(f"{stem}.h5", custom_objects=known, compile=False)
    found["weights"] = model = keras.models.model_from_json(Path(f"{stem}.json").read_text())
    if not model.optimizer.built:  # Only a built one is given its state.
        model.optimizer.build(model.trainable_variables)
    model.load_weights(f"{stem}.weights.h5")
    return found


def describe(stem: Path, cls: Any, x: Any) -> tuple[Any, Results]:
    """The model of the `.keras` file, and what all files have loaded: state, predictions."""
    models = load(stem, cls)
    found = {"refused": np.array(models.pop("refused"))}
    for kind, model in models.items():
        found |= {f"{kind}: {key}": value for key, value in state(model).items()}
        found[f"{kind} predicts"] = keras.ops.convert_to_numpy(model(x, training=False))
    return models["keras"], found


def main(place: str, names: str, trained: str) -> None:
    from keras_cases.case import Losses
    from keras_cases.zoo import ARCHITECTURES
    from keras_cases.zoo_steps import with_whole_gradients

    assert "kerasflow" not in sys.modules
    ours = Path(place, keras.backend.backend())
    ours.mkdir()
    known = {architecture.__name__: architecture for architecture in ARCHITECTURES}
    for name in names.split(","):
        task = known[name](exact=True)
        model, found = describe(Path(place, name), type(task.model), samples(name, task))
        if name in trained.split(","):
            for optimizer in optimizers(model):
                with_whole_gradients(optimizer)
            # On TensorFlow a few steps take less time than a program for them.
            model.run_eagerly = keras.backend.backend() == "tensorflow"
            found["losses"] = train(model, task, STEPS, STEPS, Losses())
        save(model, ours / name)
        after = {f"after: {key}": value for key, value in state(model).items()}
        after["after predicts"] = keras.ops.convert_to_numpy(model(samples(name, task), training=False))
        np.savez(ours / "unfinished.npz", **found, **after)
        os.replace(ours / "unfinished.npz", ours / f"{name}.npz")


if __name__ == "__main__":
    from reference import find_cases

    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    find_cases()
    main(*sys.argv[1:])
