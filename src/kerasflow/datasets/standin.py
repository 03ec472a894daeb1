"""Digits drawn by the package itself: what `mnist.load_data` gives where MNIST cannot be had.

Every class has one or more skeletons (`GLYPHS`), each a set of pens that follow quadratic curves. An image is a
skeleton whose control points are moved at random, put through a random affine map, drawn as ink on the pixel
grid, blurred and thresholded into a stroke of random thickness, and soiled with a little noise.

Only IEEE additions, products, square roots and a counter-based generator are used (no BLAS, no sine), so that the
images are the same bits on every machine.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SIDE = 28
SEED = 20_150_327
VERSION = 1  # of the drawings: another one, and what is kept of earlier versions is not used
CHUNK = 2_000  # images drawn at once: about 50 MB of scratch memory

Floats = NDArray[np.float32]
Split = tuple[NDArray[np.uint8], NDArray[np.uint8]]

# Skeletons by class, in a box from 0,0 top left to 100,100 bottom right, x before y. A stroke is a chain of quadratic
# curves (point, control, point, control, point, …); a slash lifts the pen.
GLYPHS: tuple[tuple[str, ...], ...] = (
    (  # 0: round; begun at the right and left open
        "50,2 12,2 10,50 12,98 50,98 88,98 90,50 88,2 50,2",
        "75,12 35,-10 15,40 0,100 50,98 95,95 88,45 80,5 50,8",
    ),
    (  # 1: a bar; with a flag; with a flag and a foot
        "50,0 50,50 50,100",
        "30,22 42,15 54,0 53,50 52,100",
        "30,22 42,15 54,0 53,50 52,100 / 28,100 50,99 76,100",
    ),
    (  # 2: with a straight foot; with a loop at the foot
        "12,25 20,0 50,0 90,2 82,35 75,60 10,98 50,95 92,96",
        "15,20 30,-2 55,0 90,10 75,45 60,80 25,95 0,98 10,82 25,68 50,88 70,102 95,90",
    ),
    (  # 3: round; with a flat top
        "15,15 30,0 50,0 85,2 80,25 75,46 42,47 90,50 87,75 82,100 45,100 20,99 10,85",
        "15,3 50,2 85,3 65,22 45,42 95,42 88,75 78,102 12,93",
    ),
    (  # 4: open; closed
        "22,3 18,30 12,55 50,56 90,52 / 75,5 72,50 68,100",
        "68,100 68,50 68,0 40,30 8,65 50,66 95,65",
    ),
    (  # 5: with a separate roof; in one go
        "25,3 22,25 20,45 50,32 75,50 98,75 70,93 45,105 10,90 / 25,3 50,4 85,1",
        "88,2 60,4 35,3 30,25 24,42 85,36 84,70 75,105 10,95",
    ),
    (  # 6: round; lean
        "72,2 35,12 20,50 8,98 50,98 88,96 85,70 78,46 50,48 25,50 17,72",
        "50,0 30,35 20,70 22,100 48,99 80,95 75,72 68,55 48,60 30,65 20,80",
    ),
    (  # 7: plain; with a bar; with a hooked roof
        "10,5 50,6 90,3 65,40 42,100",
        "10,5 50,6 90,3 65,40 42,100 / 30,52 50,51 85,50",
        "10,25 12,10 18,6 50,10 88,5 62,45 55,100",
    ),
    (  # 8: in one go; two rings
        "75,12 60,-2 42,2 10,10 28,36 45,50 68,62 95,85 55,98 5,100 25,68 35,52 62,38 85,22 75,12",
        "50,0 18,2 20,23 22,45 50,46 78,45 80,23 82,2 50,0 / 50,46 12,48 12,72 12,99 50,100 88,99 "
        "88,72 88,48 50,46",
    ),
    (  # 9: with a straight stem; with a curved one
        "82,15 65,-3 42,2 12,8 15,32 20,55 50,50 78,45 82,12 78,50 72,100",
        "80,25 75,0 48,1 15,5 16,30 20,52 48,50 78,47 80,22 92,75 62,93 42,103 20,93",
    ),
)


@dataclass(frozen=True)
class Skeleton:
    """A glyph ready to be drawn: P sample points, each a weighted sum of three of its K control points.

    Attributes:
        control: float32 (K, 2), the control points about the centre of the box.
        index: intp (P, 3), which control points a sample point is made of.
        weight: float32 (P, 3), the quadratic Bernstein weights.
        joined: float32 (P,), 1 where the pen came from the point before, 0 where a stroke begins.
    """

    control: Floats
    index: NDArray[np.intp]
    weight: Floats
    joined: Floats

    @classmethod
    def of(cls, glyph: str, samples_per_curve: int = 18) -> Skeleton:
        """The skeleton of one entry of `GLYPHS`."""
        index, weight, joined = [], [], []
        control: list[list[int]] = []
        for stroke in glyph.split("/"):
            points = [[int(number) for number in point.split(",")] for point in stroke.split()]
            curves = len(points) // 2
            position = np.linspace(0, curves, curves * samples_per_curve + 1)
            curve = np.minimum(position.astype(np.intp), curves - 1)
            t = position - curve
            index.append(len(control) + 2 * curve[:, None] + np.arange(3))
            weight.append(np.stack([(1 - t) ** 2, 2 * t * (1 - t), t**2], axis=1))
            joined.append(np.arange(len(t)) > 0)
            control += points
        return cls(
            np.array(control, np.float32) / np.float32(100) - np.float32(0.5),
            np.concatenate(index),
            np.concatenate(weight).astype(np.float32),
            np.concatenate(joined).astype(np.float32),
        )

    def draw(self, count: int, generator: np.random.Generator) -> NDArray[np.uint8]:
        """Draws `count` variations of the glyph: uint8 (count, 28, 28), white ink on black."""
        control = self.control + 0.125 * _centred(generator, count, *self.control.shape)
        control = _affine(control, generator)
        first, second, third = (control[:, self.index[:, i]] * self.weight[:, i, None] for i in range(3))
        path = first + second + third
        ink = _smooth(_splat(path[..., 0], path[..., 1], self.joined))
        return _develop(ink, generator)


def _centred(generator: np.random.Generator, *shape: int) -> Floats:
    """float32 numbers about 0, bell-shaped: the sum of three uniform ones, standard deviation 1/2."""
    first, second, third = (generator.random(shape, np.float32) for _ in range(3))
    return first + second + third - np.float32(1.5)


def _affine(points: Floats, generator: np.random.Generator) -> Floats:
    """Scales, slants, turns and shifts each image's points: float32 (N, K, 2), from the unit box to pixels."""
    count = len(points)
    width = 14.0 + 6.0 * _centred(generator, count, 1)
    height = 18.5 + 4.0 * _centred(generator, count, 1)
    slant = 0.12 + 0.5 * _centred(generator, count, 1)
    turn = 0.35 * _centred(generator, count, 1)
    x = width * points[..., 0]
    y = height * points[..., 1]
    x = x - slant * y
    x, y = x - turn * y, y + turn * x
    middle = np.float32((SIDE - 1) / 2)
    shift = 2.2 * _centred(generator, count, 2, 1)
    return np.stack([x + middle + shift[:, 0], y + middle + shift[:, 1]], axis=-1)


def _splat(x: Floats, y: Floats, joined: Floats) -> Floats:
    """Lays ink along the pens' paths (N, P), as much as they are long, shared among the four nearest pixels.

    Returns float32 (N, 28, 28). Ink beyond the edge is lost.
    """
    count = len(x)
    ink = np.zeros_like(x)
    ink[:, 1:] = joined[1:] * np.sqrt(np.diff(x) ** 2 + np.diff(y) ** 2)
    left, top = np.floor(x), np.floor(y)
    right_share, bottom_share = x - left, y - top
    # A margin of two pixels takes what falls off the edge; it is cut away below.
    side = SIDE + 4
    column = np.clip(left.astype(np.int32) + 2, 0, side - 2)
    row = np.clip(top.astype(np.int32) + 2, 0, side - 2)
    corner = (np.arange(count, dtype=np.int32)[:, None] * side + row) * side + column
    pixels = np.zeros(count * side * side)
    for down, share in ((0, 1 - bottom_share), (1, bottom_share)):
        for across, part in ((0, 1 - right_share), (1, right_share)):
            cell = corner + (down * side + across)
            pixels += np.bincount(cell.ravel(), (ink * share * part).ravel(), minlength=pixels.size)
    return pixels.reshape(count, side, side)[:, 2:-2, 2:-2].astype(np.float32)


def _smooth(images: Floats) -> Floats:
    """Blurs (N, 28, 28) with the binomial kernel 1 4 6 4 1 along both axes; beyond the edge is black."""
    for axis in (1, 2):
        for _ in range(2):  # twice 1 2 1
            images = np.moveaxis(images, axis, 0)
            blurred = 2 * images
            blurred[1:] += images[:-1]
            blurred[:-1] += images[1:]
            images = np.moveaxis(blurred, 0, axis) * np.float32(0.25)
    return images


def _develop(ink: Floats, generator: np.random.Generator) -> NDArray[np.uint8]:
    """Turns blurred ink (N, 28, 28) into uint8 strokes of random thickness and darkness, with a little noise."""
    count = len(ink)
    gain = 4.5 + 3.0 * _centred(generator, count, 1, 1)
    threshold = np.float32(0.25)
    peak = 235 + 40 * _centred(generator, count, 1, 1)
    image = np.clip(np.maximum(gain, 2.2) * ink - threshold, 0, 1) * np.clip(peak, 150, 255)
    grain = generator.random(ink.shape, np.float32) - np.float32(0.5)
    image += 60 * grain * (image > 0)
    return np.clip(image, 0, 255).astype(np.uint8)


def load_data(train: int = 60_000, test: int = 10_000, seed: int = SEED) -> tuple[Split, Split]:
    """Draws the stand-in for MNIST.

    Args:
        train: how many training images to draw.
        test: how many test images to draw.
        seed: another seed gives other images of the same kind.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: uint8 images (train, 28, 28) and (test, 28, 28), uint8 labels (train,)
        and (test,) from 0 to 9.
    """
    generator = np.random.Generator(np.random.Philox(seed))
    count = train + test
    labels = generator.integers(10, size=count, dtype=np.uint8)
    variants = generator.random(count, np.float32)
    images = np.empty((count, SIDE, SIDE), np.uint8)
    for digit, glyphs in enumerate(GLYPHS):
        variant = np.where(labels == digit, (variants * len(glyphs)).astype(np.int8), -1)
        for number, glyph in enumerate(glyphs):
            skeleton = Skeleton.of(glyph)
            chosen = np.flatnonzero(variant == number)
            for start in range(0, len(chosen), CHUNK):
                part = chosen[start : start + CHUNK]
                images[part] = skeleton.draw(len(part), generator)
    return (images[:train], labels[:train]), (images[train:], labels[train:])
