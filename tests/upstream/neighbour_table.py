"""The libraries around Keras that `neighbours.py` tries: what each needs, its example, and why it may fail."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Neighbour:
    """A library around Keras.

    Args:
        name: on the page. kind: of library. needs: what is installed, the library first.
        function: its example in `neighbour_examples.py`, or in the file `module`.
        note: what users should know where it works.
        because: why it does not work. error: what its error then contains.
    """

    name: str
    kind: str
    needs: tuple[str, ...]
    function: str
    note: str = ""
    because: str = ""
    error: str = ""
    module: str = "neighbour_examples"

    @property
    def package(self) -> str:
        """The name of its distribution."""
        return re.split(r"[^\w.-]", self.needs[0])[0]


def model(name: str, kind: str, needs: tuple[str, ...], function: str, **more: str) -> Neighbour:
    """A row whose example is in `neighbour_models.py`."""
    return Neighbour(name, kind, needs, function, module="neighbour_models", **more)


NEIGHBOURS = (
    Neighbour(
        "KerasTuner",
        "tuner",
        ("keras-tuner", "six"),
        "keras_tuner",
        note="with six, which `kerasflow[tune]` brings",
    ),
    Neighbour("Optuna", "tuner", ("optuna", "optuna-integration[keras]"), "optuna"),
    Neighbour("Ray Tune", "tuner", ("ray[tune]",), "ray_tune"),
    Neighbour(
        "AutoKeras",
        "tuner",
        ("autokeras", "tensorflow-cpu"),
        "autokeras",
        because="it gives `Dense` an integer of NumPy, which this Keras refuses, on stock TensorFlow too",
        error="invalid value for `units`",
    ),
    Neighbour(
        "scikit-learn",
        "estimators",
        ("scikit-learn",),
        "scikit_learn",
        note="but Keras's wrappers forget `fit_kwargs` when scikit-learn clones them, on every backend",
    ),
    Neighbour("SciKeras", "estimators", ("scikeras",), "scikeras"),
    Neighbour("imbalanced-learn", "tabular", ("imbalanced-learn",), "imbalanced_learn"),
    Neighbour("skrub", "tabular", ("skrub",), "skrub"),
    Neighbour("MAPIE", "intervals", ("mapie",), "mapie"),
    Neighbour("crepes", "intervals", ("crepes", "scikit-learn"), "crepes"),
    Neighbour("PyOD", "outliers", ("pyod",), "pyod"),
    Neighbour("SHAP", "explainer", ("shap",), "shap"),
    Neighbour("SHAP: gradients", "explainer", ("shap", "tensorflow-cpu"), "shap_gradients"),
    Neighbour("LIME", "explainer", ("lime",), "lime"),
    Neighbour("DALEX", "explainer", ("dalex",), "dalex"),
    Neighbour(
        "alibi", "explainer", ("alibi",), "alibi", note="the newest whose requirements go with NumPy 2"
    ),
    Neighbour("TensorBoard", "tracker", ("tensorboard", "tensorflow-cpu"), "tensorboard"),
    Neighbour("MLflow", "tracker", ("mlflow",), "mlflow"),
    Neighbour("Weights & Biases", "tracker", ("wandb", "tensorflow-cpu"), "wandb"),
    Neighbour("Comet", "tracker", ("comet-ml",), "comet"),
    Neighbour("Neptune", "tracker", ("neptune", "neptune-tensorflow-keras"), "neptune"),
    Neighbour("DVCLive", "tracker", ("dvclive", "tensorflow-cpu"), "dvclive"),
    Neighbour("tqdm", "progress", ("tqdm", "pandas"), "tqdm"),
    Neighbour("livelossplot", "progress", ("livelossplot",), "livelossplot"),
    Neighbour(
        "visualkeras",
        "pictures",
        ("visualkeras",),
        "visualkeras",
        because="it reads `layer.output_shape`, which Keras 3 does not have",
        error="has no attribute 'output_shape'",
    ),
    model("KerasHub", "models", ("keras-hub",), "keras_hub"),
    model("KerasRS", "recommenders", ("keras-rs",), "keras_rs"),
    model("keras-tcn", "layers", ("keras-tcn",), "keras_tcn"),
    model("ncps", "layers", ("ncps",), "ncps"),
    model("einops", "layers", ("einops",), "einops"),
    model("kimm", "models", ("kimm",), "kimm"),
    model(
        "keras-cv-attention-models",
        "models",
        ("keras-cv-attention-models", "tensorflow-cpu"),
        "kecam",
        because="it calls TensorFlow's functions on the inputs of a functional model, which Keras 3 refuses, on stock"
        " TensorFlow too",
        error="A KerasTensor cannot be used as input to a TensorFlow function",
    ),
    model(
        "Segmentation Models",
        "models",
        ("segmentation-models", "tensorflow-cpu"),
        "segmentation_models",
        because="it is written for Keras 2, and asks for `keras.utils.generic_utils`",
        error="module 'keras.utils' has no attribute 'generic_utils'",
    ),
    model(
        "BayesFlow",
        "Bayesian",
        ("bayesflow", "jax"),
        "bayesflow",
        because="`import bayesflow` refuses the backend's name: its approximators are written once for each framework,"
        " and their Jacobians call its functions. Take a process with stock Keras (`KERAS_BACKEND=jax`)",
        error="Backend 'numpy' is not supported",
    ),
    model(
        "TensorFlow Probability",
        "Bayesian",
        ("tensorflow-probability", "tensorflow-cpu", "tf-keras"),
        "tensorflow_probability",
        because="its layers are of Keras 2 (`tf_keras`), and no layers to Keras 3",
        error="Only instances of `keras.Layer` can be added to a Sequential model",
    ),
    model(
        "Spektral",
        "graph networks",
        ("spektral", "tensorflow-cpu"),
        "spektral",
        because="its layers call TensorFlow, by functions of Keras 2; stock Keras 3 with TensorFlow ends here too",
        error="GCNConv.call()",
    ),
    model(
        "kgcnn",
        "graph networks",
        ("kgcnn", "dm-tree"),
        "kgcnn",
        because="its ready models and `kgcnn.models.force` name the backends that they take, and NumPy is none of them;"
        " its layers import, and forces are `kerasflow.grad` of a model of the energy",
        error="Backend 'numpy' for model 'GCN' is not supported",
    ),
    model(
        "Keras Geometric",
        "graph networks",
        ("keras-geometric",),
        "keras_geometric",
        note="which it requires, with PyTorch; neither is imported",
    ),
    model("HGQ2", "quantiser", ("HGQ2",), "hgq"),
    model(
        "QKeras",
        "quantiser",
        ("qkeras", "tensorflow-cpu", "pyparsing"),
        "qkeras",
        because="nor on Keras 3 with TensorFlow: its quantisers call `K.cast_to_floatx` of Keras 2, which makes a NumPy"
        " array of Keras 3's variables; HGQ2 works",
        error="when calling QDense.call()",
    ),
    model("ONNX Runtime", "converter", ("onnxruntime", "onnx"), "onnxruntime"),
    model("hls4ml", "converter", ("hls4ml",), "hls4ml"),
    model("keras2c", "converter", ("keras2c", "pydantic<2"), "keras2c", note="with pydantic 1"),
    model("Netron", "pictures", ("netron",), "netron"),
    model("Adversarial Robustness Toolbox", "attacks", ("adversarial-robustness-toolbox",), "art"),
)
