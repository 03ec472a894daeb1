"""What libraries that make, quantise or convert Keras's models show first: functions as in `neighbour_examples.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
from neighbour_examples import IMAGES, RNG, X, Y, convolutional, trained

# Models and layers


def keras_hub(folder: Path) -> None:
    """a small `BertTextClassifier`: `fit`, `save_to_preset`, `from_preset`"""
    import keras_hub

    backbone = keras_hub.models.BertBackbone(
        vocabulary_size=50,
        num_layers=1,
        num_heads=2,
        hidden_dim=8,
        intermediate_dim=16,
        max_sequence_length=8,
    )
    model = keras_hub.models.BertTextClassifier(backbone, num_classes=2)
    tokens = RNG.integers(0, 50, (32, 8))
    x = {"token_ids": tokens, "segment_ids": tokens * 0, "padding_mask": tokens > 0}
    model.fit(x, tokens[:, 0] % 2, epochs=1, verbose=0)
    model.save_to_preset(str(folder / "preset"))
    again = keras_hub.models.TextClassifier.from_preset(str(folder / "preset"))
    np.testing.assert_allclose(again.predict(x, verbose=0), model.predict(x, verbose=0), rtol=1e-4, atol=1e-5)


def keras_rs(folder: Path) -> None:
    """a ranking model of `FeatureCross` and `DotInteraction`"""
    import keras_rs

    inputs = keras.Input((4,))
    crossed = keras_rs.layers.FeatureCross(projection_dim=2)(inputs, inputs)
    dotted = keras_rs.layers.DotInteraction()([crossed, inputs])
    model = keras.Model(inputs, keras.layers.Dense(1)(keras.layers.Concatenate()([crossed, dotted])))
    model.compile("adam", "mse")
    assert np.isfinite(model.fit(X, Y, epochs=2, verbose=0).history["loss"]).all()


def keras_tcn(folder: Path) -> None:
    """a `TCN` layer, trained"""
    from tcn import TCN

    model = keras.Sequential(
        [keras.Input((12, 1)), TCN(4, kernel_size=2, dilations=(1, 2)), keras.layers.Dense(1)]
    )
    model.compile("adam", "mse")
    x = RNG.normal(size=(32, 12, 1)).astype("float32")
    model.fit(x, x.sum(axis=1), epochs=2, verbose=0)


def ncps(folder: Path) -> None:
    """an `LTC` cell with `AutoNCP` wiring, trained"""
    from ncps.keras import LTC
    from ncps.wirings import AutoNCP

    model = keras.Sequential([keras.Input((6, 2)), LTC(AutoNCP(8, 1), return_sequences=True)])
    model.compile("adam", "mse")
    x = RNG.normal(size=(16, 6, 2)).astype("float32")
    model.fit(x, x[:, :, :1], epochs=1, verbose=0)


def einops(folder: Path) -> None:
    """`rearrange` and `reduce` in a layer's `call`, trained"""
    from einops import rearrange, reduce

    class Patches(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            return reduce(
                rearrange(x, "b (h p) (w q) c -> b (h w) (p q c)", p=8, q=8), "b n d -> b d", "mean"
            )

    model = keras.Sequential([keras.Input((32, 32, 3)), Patches(), keras.layers.Dense(2, "softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    model.fit(IMAGES, np.arange(16) % 2, epochs=1, verbose=0)


def kimm(folder: Path) -> None:
    """`MobileNetV2W050` without weights: `predict`, features"""
    import kimm

    model = kimm.models.MobileNetV2W050(input_shape=(32, 32, 3), weights=None, classes=2)
    assert model.predict(IMAGES, verbose=0).shape == (16, 2)


def kecam(folder: Path) -> None:
    """`GhostNetV2` without weights: `predict`"""
    from keras_cv_attention_models import ghostnet

    model = ghostnet.GhostNetV2_100(input_shape=(32, 32, 3), pretrained=None, num_classes=2)
    assert model.predict(IMAGES, verbose=0).shape == (16, 2)


def segmentation_models(folder: Path) -> None:
    """`Unet` without weights, trained"""
    import segmentation_models as sm

    model = sm.Unet("mobilenetv2", encoder_weights=None, input_shape=(32, 32, 3))
    model.compile("adam", sm.losses.bce_jaccard_loss)
    model.fit(IMAGES, IMAGES[..., :1].round(), epochs=1, verbose=0)


# Bayesian, graphs


def bayesflow(folder: Path) -> None:
    """`BasicWorkflow` on two moons"""
    import bayesflow

    workflow = bayesflow.BasicWorkflow(simulator=bayesflow.benchmarks.TwoMoons())
    workflow.fit_online(epochs=1, batch_size=16, num_batches_per_epoch=2)


def tensorflow_probability(folder: Path) -> None:
    """`DenseFlipout` in a model"""
    import tensorflow_probability as tfp

    layer = tfp.layers.DenseFlipout(2)
    keras.Sequential([keras.Input((4,)), layer])


def spektral(folder: Path) -> None:
    """`GCNConv` in a model"""
    from spektral.layers import GCNConv

    nodes, edges = keras.Input((4,)), keras.Input((5,))
    keras.Model([nodes, edges], GCNConv(2)([nodes, edges]))


def kgcnn(folder: Path) -> None:
    """`make_model` of `kgcnn.literature.GCN`"""
    from kgcnn.literature.GCN import make_model

    model = make_model(name="GCN")
    assert model.count_params() > 0


def keras_geometric(folder: Path) -> None:
    """two `GCNConv` layers in a model of one graph, trained"""
    from keras_geometric.layers import GCNConv

    class Network(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = GCNConv(8), GCNConv(2)

        def call(self, graph: Any) -> Any:
            nodes, edges = graph
            return keras.ops.softmax(self.second([keras.ops.relu(self.first([nodes, edges])), edges]))

    edges = np.array([[0, 1, 2, 3, 4, 5], [1, 2, 3, 4, 5, 0]])
    model = Network()
    model.compile(keras.optimizers.Adam(0.05), "sparse_categorical_crossentropy")
    losses = [float(model.train_on_batch([X[:6], edges], Y[:6])) for _ in range(5)]
    assert losses[-1] < losses[0]


# Quantisers


def hgq(folder: Path) -> None:
    """`QDense` with quantised sums, trained, its bits counted"""
    from hgq.config import LayerConfigScope, QuantizerConfigScope
    from hgq.layers import QDense

    with QuantizerConfigScope(default_q_type="kbi"), LayerConfigScope(enable_ebops=True, beta0=1e-5):
        model = keras.Sequential([keras.Input((4,)), QDense(8, activation="relu"), QDense(2)])
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(X, Y, epochs=2, verbose=0)
    assert sum(float(layer.ebops) for layer in model.layers) > 0


def qkeras(folder: Path) -> None:
    """`QDense` and `QActivation`, trained"""
    from qkeras import QActivation, QDense, quantized_bits

    bits = quantized_bits(4, 0, 1)
    model = keras.Sequential(
        [
            keras.Input((4,)),
            QDense(8, kernel_quantizer=bits, bias_quantizer=bits),
            QActivation("quantized_relu(4)"),
            QDense(2, kernel_quantizer=bits, bias_quantizer=bits),
        ]
    )
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    model.fit(X, Y, epochs=2, verbose=0)


# Converters


def onnxruntime(folder: Path) -> None:
    """`model.export(…, format="onnx")`, run"""
    import onnxruntime

    model = trained()
    model.export(folder / "model.onnx", format="onnx", verbose=False)
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    (output,) = session.run(None, {session.get_inputs()[0].name: X})
    np.testing.assert_allclose(output, model.predict(X, verbose=0), rtol=1e-4, atol=1e-6)


def hls4ml(folder: Path) -> None:
    """`convert_from_keras_model`, and the C++ project written"""
    import hls4ml

    model = trained()
    config = hls4ml.utils.config_from_keras_model(model)
    converted = hls4ml.converters.convert_from_keras_model(
        model, hls_config=config, output_dir=str(folder / "project"), backend="Vitis"
    )
    converted.write()
    assert list((folder / "project" / "firmware").glob("*.cpp"))


def keras2c(folder: Path) -> None:
    """`k2c`: a model as C"""
    from keras2c import k2c

    k2c(trained(), "classifier", num_tests=2)


def netron(folder: Path) -> None:
    """a `.keras` file served to a browser"""
    from urllib.request import urlopen

    import netron

    trained().save(folder / "model.keras")
    host, port = netron.start(str(folder / "model.keras"), browse=False)
    assert b"netron" in urlopen(f"http://{host}:{port}").read().lower()
    netron.stop((host, port))


def art(folder: Path) -> None:
    """`BlackBoxClassifierNeuralNetwork` and an attack that asks for no gradient (`SquareAttack`)"""
    from art.attacks.evasion import SquareAttack
    from art.estimators.classification import BlackBoxClassifierNeuralNetwork

    model = convolutional()
    classifier = BlackBoxClassifierNeuralNetwork(
        lambda x: model.predict(x, verbose=0), (32, 32, 3), 2, channels_first=False, clip_values=(0, 1)
    )
    assert SquareAttack(classifier, max_iter=3, verbose=False).generate(IMAGES[:2]).shape == (2, 32, 32, 3)
