"""Layers that prepare images and sounds: value and gradients from the same random draws under both engines."""

from functools import partial
from typing import Any

import keras
import numpy as np

from .case import Case, Results, known, public_classes, rng
from .layer_use import Use, drawn, use_cases

L = keras.layers

PICTURES = rng("pictures").uniform(5, 250, (3, 12, 10, 3)).astype("float32")
SOUND = rng("sound").standard_normal((3, 200)).astype("float32")
BOXES = np.array(
    [[[1.0, 2, 6, 9], [0, 0, 4, 4]], [[2, 2, 8, 8], [5, 1, 9, 11]], [[0, 3, 3, 6], [1, 1, 2, 2]]]
)
LABELS = np.array([[0, 1], [1, 1], [2, 0]])

# What TensorFlow takes for the derivative is something else: of a projective transformation the inverse
# transformation of the cotangent, of conversions to and from hue none. Ours are tested against differences, operation
# by operation, in tests/bridge.
VALUE = {"differentiable": False}


def augmented(make: Any, **kwargs: Any) -> Use:
    """A layer in training, its random draws replaced by fixed ones."""
    return Use(make, PICTURES, call=(("training", True),), drawn=True, **kwargs)


def plain(make: Any, **kwargs: Any) -> Use:
    return Use(make, PICTURES, **kwargs)


USES: dict[str, dict[str, Use]] = {
    "AugMix": {"": augmented(lambda: L.AugMix(num_chains=2, chain_depth=2), differentiable=False)},
    "AutoContrast": {"": plain(L.AutoContrast)},
    "CenterCrop": {
        "": plain(lambda: L.CenterCrop(6, 5)),
        "larger": plain(lambda: L.CenterCrop(14, 9)),
    },
    "ContrastLimitedAdaptiveHistogramEqualization": {
        "": plain(
            lambda: L.ContrastLimitedAdaptiveHistogramEqualization(tile_grid_size=(2, 2)),
            differentiable=False,
        )
    },
    "Equalization": {"": plain(L.Equalization, differentiable=False)},
    # The changes that it chooses from have cases of their own.
    "RandAugment": {"inference": plain(L.RandAugment, call=(("training", False),))},
    "RandomBrightness": {"": augmented(lambda: L.RandomBrightness(0.3))},
    "RandomColorDegeneration": {"": augmented(lambda: L.RandomColorDegeneration(0.5))},
    "RandomColorJitter": {
        "": augmented(
            lambda: L.RandomColorJitter(
                brightness_factor=0.2, contrast_factor=0.2, saturation_factor=0.3, hue_factor=0.2
            ),
            **VALUE,
        )
    },
    "RandomContrast": {"": augmented(lambda: L.RandomContrast(0.4))},
    "RandomCrop": {
        "": augmented(lambda: L.RandomCrop(7, 6)),
        "inference": plain(lambda: L.RandomCrop(7, 6), call=(("training", False),)),
    },
    # TensorFlow's operation does not draw by `keras.random`.
    "RandomElasticTransform": {
        "inference": plain(lambda: L.RandomElasticTransform(1.0, 0.8), call=(("training", False),))
    },
    "RandomErasing": {"": augmented(lambda: L.RandomErasing(1.0, scale=(0.2, 0.4), fill_value=7.0))},
    "RandomFlip": {
        "": augmented(L.RandomFlip),
        "horizontal": augmented(lambda: L.RandomFlip("horizontal")),
    },
    "RandomGaussianBlur": {"": augmented(lambda: L.RandomGaussianBlur(1.0, 3, 1.0))},
    "RandomGrayscale": {"": augmented(lambda: L.RandomGrayscale(0.6))},
    "RandomHue": {"": augmented(lambda: L.RandomHue(0.3), **VALUE)},
    "RandomInvert": {"": augmented(lambda: L.RandomInvert(0.5))},
    "RandomPerspective": {
        "": augmented(lambda: L.RandomPerspective(1.0, 0.5)),
        "nearest": augmented(lambda: L.RandomPerspective(1.0, 0.5, interpolation="nearest")),
    },
    "RandomPosterization": {"": augmented(lambda: L.RandomPosterization(4), differentiable=False)},
    "RandomRotation": {
        "": augmented(lambda: L.RandomRotation(0.2), **VALUE),
        "constant": augmented(lambda: L.RandomRotation(0.2, fill_mode="constant", fill_value=9.0), **VALUE),
    },
    "RandomSaturation": {"": augmented(lambda: L.RandomSaturation(0.4), **VALUE)},
    "RandomSharpness": {"": augmented(lambda: L.RandomSharpness(0.6))},
    "RandomShear": {
        "": augmented(lambda: L.RandomShear(0.3, 0.2), **VALUE),
        "constant": augmented(lambda: L.RandomShear(0.3, 0.2, fill_mode="constant"), **VALUE),
    },
    "RandomTranslation": {
        "": augmented(lambda: L.RandomTranslation(0.3, 0.2), **VALUE),
        "nearest": augmented(lambda: L.RandomTranslation(0.3, 0.2, "nearest", "nearest"), **VALUE),
    },
    "RandomZoom": {"": augmented(lambda: L.RandomZoom(0.3, 0.2), **VALUE)},
    "Resizing": {
        "": plain(lambda: L.Resizing(7, 15)),
        "cropped": plain(lambda: L.Resizing(8, 8, crop_to_aspect_ratio=True)),
        "padded": plain(lambda: L.Resizing(8, 8, pad_to_aspect_ratio=True)),
        "nearest": plain(lambda: L.Resizing(7, 15, "nearest")),
        # TensorFlow reads the cubic's values from a table of 1,024.
        "bicubic": plain(
            lambda: L.Resizing(7, 15, "bicubic"),
            limits=tuple(
                dict.fromkeys(("eager", "result 0", "result 1", "gradient of input 0"), 1e-3).items()
            ),
        ),
        "lanczos, antialiased": plain(lambda: L.Resizing(5, 7, "lanczos3", antialias=True)),
    },
    "Solarization": {"": augmented(lambda: L.Solarization(0.3, 0.5))},
    "MixUp": {"": augmented(lambda: L.MixUp(0.4))},
    "CutMix": {"": augmented(L.CutMix)},
    "STFTSpectrogram": {
        mode: Use(partial(L.STFTSpectrogram, mode, 32, 16), SOUND[..., None])
        for mode in ("log", "magnitude", "psd", "real", "imag", "stft")
    },
    "MelSpectrogram": {
        "": Use(lambda: L.MelSpectrogram(64, 16, num_mel_bins=10), SOUND),
        "power": Use(lambda: L.MelSpectrogram(64, 16, num_mel_bins=10, power_to_db=False), SOUND),
    },
}


def labelled(make: Any) -> Results:
    """What a layer makes of images with boxes around things and the things' kinds."""
    layer = make()
    data = {"images": PICTURES, "bounding_boxes": {"boxes": BOXES.astype("float32"), "labels": LABELS}}
    with drawn(layer):
        found = layer(data, training=True)
    boxes = found["bounding_boxes"]
    return {
        "images": keras.ops.convert_to_numpy(found["images"]),
        "boxes": keras.ops.convert_to_numpy(boxes["boxes"]),
        "labels": keras.ops.convert_to_numpy(boxes["labels"]),
    }


WITH_BOXES = {
    "MaxNumBoundingBoxes": lambda: L.MaxNumBoundingBoxes(3, bounding_box_format="xyxy"),
    "RandomFlip": lambda: L.RandomFlip(bounding_box_format="xyxy"),
    "RandomTranslation": lambda: L.RandomTranslation(0.3, 0.2, bounding_box_format="xyxy"),
    "RandomRotation": lambda: L.RandomRotation(0.2, bounding_box_format="xyxy"),
    "RandomZoom": lambda: L.RandomZoom(0.3, bounding_box_format="xyxy"),
    "RandomShear": lambda: L.RandomShear(0.3, 0.2, bounding_box_format="xyxy"),
    "RandomPerspective": lambda: L.RandomPerspective(1.0, 0.5, bounding_box_format="xyxy"),
    "RandomCrop": lambda: L.RandomCrop(7, 6, bounding_box_format="xyxy"),
    "Resizing": lambda: L.Resizing(7, 15, bounding_box_format="xyxy"),
    "CenterCrop": lambda: L.CenterCrop(6, 5, bounding_box_format="xyxy"),
}


def cases() -> list[Case]:
    return use_cases(USES) + [
        Case(f"layer/{name} with boxes", partial(labelled, WITH_BOXES[name]), covers=name)
        for name in known(WITH_BOXES, public_classes(L, L.Layer))
    ]
