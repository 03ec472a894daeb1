"""Time series forecasting: the next two days of a power grid, hour by hour, and how sure the forecast is.

The series is drawn here: days, weeks and weather that lingers. The network learns three quantiles at once.
"""

import argparse

import kerasflow  # noqa: F401  (before keras)
import keras
import numpy as np
from keras import layers

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--plot", metavar="FILE", help="draw four forecasts into this picture")
options = parser.parse_args()

PAST, AHEAD, QUANTILES = 168, 48, np.array([0.1, 0.5, 0.9], "float32")
rng = np.random.default_rng(0)
hours = np.arange(3 * 365 * 24)
weather = np.zeros(len(hours))
for hour, surprise in enumerate(rng.normal(0, 0.06, len(hours))):
    weather[hour] = 0.985 * weather[hour - 1] + surprise
day = np.sin((hours - 8) * np.pi / 12) + 0.5 * np.sin((hours - 5) * np.pi / 6)
weekend = hours // 24 % 7 >= 5
load = 10 + day * np.where(weekend, 0.6, 1.2) - weekend + weather + rng.normal(0, 0.1, len(hours))
load = load.astype("float32")

starts = np.arange(PAST, len(load) - AHEAD)  # of each forecast
past = load[starts[:, None] + np.arange(-PAST, 0)]
future = load[starts[:, None] + np.arange(AHEAD)]
split = int(0.8 * len(starts))
train, test = slice(0, split - AHEAD, 5), slice(split, None, 7)  # no hour is in both


def pinball(wanted, quantiles):
    """Its least value is where a tenth, half and nine tenths of the wanted values lie below."""
    missed = wanted[..., None] - quantiles
    return keras.ops.mean(keras.ops.maximum(QUANTILES * missed, (QUANTILES - 1) * missed), axis=(1, 2))


keras.utils.set_random_seed(0)
series = keras.Input((PAST,))
level = keras.ops.mean(series, axis=1, keepdims=True)
x = keras.ops.expand_dims(series - level, -1)
for dilation in (1, 2, 4, 8, 16):
    x = layers.Conv1D(16, 3, dilation_rate=dilation, padding="causal", activation="relu")(x)
x = layers.Concatenate()([layers.Flatten()(x[:, -AHEAD:]), series - level])
x = layers.Dense(AHEAD * 3)(layers.Dense(128, activation="relu")(x))
model = keras.Model(series, layers.Reshape((AHEAD, 3))(x) + keras.ops.expand_dims(level, -1))
model.compile(keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(2e-3, 1300)), loss=pinball)
model.fit(past[train], future[train], batch_size=64, epochs=20, verbose=2)

low, middle, high = np.moveaxis(model.predict(past[test], batch_size=500, verbose=0), -1, 0)
wanted, week_ago = future[test], past[test][:, :AHEAD]
print(f"mean absolute error: {np.mean(abs(middle - wanted)):.3f}", end=", ")
print(f"of the same hours a week ago {np.mean(abs(week_ago - wanted)):.3f}")
print(
    f"between the outer quantiles: {np.mean((low < wanted) & (wanted < high)):.0%} of the hours (right: 80%)"
)

if options.plot:
    import matplotlib.pyplot as plt

    figure, grid = plt.subplots(2, 2, figsize=(9, 4.2), sharex=True, sharey=True, layout="constrained")
    for axes, i in zip(grid.flat, (3, 70, 200, 330), strict=True):
        ahead = np.arange(AHEAD)
        axes.plot(np.arange(-72, 0), past[test][i, -72:], color="grey", label="known")
        axes.fill_between(ahead, low[i], high[i], alpha=0.3, label="four hours in five")
        axes.plot(ahead, middle[i], label="forecast")
        axes.plot(ahead, wanted[i], "k.", markersize=3, label="what came")
        axes.set_xticks(range(-72, 49, 24))
    grid[0, 0].legend(fontsize=7, loc="upper left", ncols=2)
    figure.supxlabel("hours from now")
    figure.savefig(options.plot, dpi=100)
