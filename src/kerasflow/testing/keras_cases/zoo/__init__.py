"""Twelve architectures, small, each with a task that it learns in seconds.

Plain Keras and NumPy: the same file runs on kerasflow's backends and on stock Keras. Each function returns a `Task`: a
compiled model, its data, and a score. With `exact=True` nothing in a training step is drawn at random: rates are zero,
noise comes with the data. Open `images` first.
"""

from .generative import variational_autoencoder, wasserstein_gan
from .images import lenet, mobilenet_block, resnet, unet, vgg_block
from .sequences import gru_encoder_decoder, lstm_tagger, transformer_encoder
from .structures import siamese, tree_lstm
from .task import Task

ARCHITECTURES = (
    lenet,
    vgg_block,
    resnet,
    mobilenet_block,
    unet,
    lstm_tagger,
    gru_encoder_decoder,
    transformer_encoder,
    variational_autoencoder,
    siamese,
    tree_lstm,
    wasserstein_gan,
)

__all__ = ["ARCHITECTURES", "Task"]
