"""Rents from a table of words and numbers: `FeatureSpace` prepares the columns, inside of the model that is saved.

The table is made here, by a rule with noise: a rent depends on the area, the district, the floor if there is no lift,
and on what a kind of heating costs in an old house. Whoever knows the rule is wrong by 40 on average.
"""

import argparse
import importlib.util
import tempfile
from pathlib import Path

import kerasflow
import keras
import numpy as np
from keras import layers


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--save", metavar="FOLDER", help="keep the model here, as Keras's file and as Python")
options = parser.parse_args()

draw = np.random.default_rng(0)
SIZE = 6000
PRICES = {"harbour": 15.0, "centre": 18.0, "hill": 13.0, "station": 10.0, "forest": 9.0}
HEATING = {"gas": 0.0, "heat pump": 60.0, "stove": -150.0}
table = {
    "area": draw.uniform(20, 120, SIZE).astype("float32"),
    "district": draw.choice(list(PRICES), SIZE),
    "heating": draw.choice(list(HEATING), SIZE),
    "floor": draw.integers(0, 6, SIZE),
    "built": draw.integers(1890, 2025, SIZE),
    "lift": draw.choice(["yes", "no"], SIZE),
}
rents = table["area"] * np.array([PRICES[name] for name in table["district"]])
rents += np.where(table["lift"] == "no", -25.0 * table["floor"], 0.0)
rents += np.where(table["built"] < 1950, [HEATING[name] for name in table["heating"]], 0.0)
rents = (rents + draw.normal(0, 50, SIZE)).astype("float32")


def rows(start, stop):
    return {name: column[start:stop] for name, column in table.items()}


keras.utils.set_random_seed(0)
F = keras.utils.FeatureSpace
space = F(
    {
        "area": F.float_normalized(),
        "district": F.string_categorical(num_oov_indices=1),
        "heating": F.string_categorical(num_oov_indices=1),
        "floor": F.integer_categorical(num_oov_indices=1),
        "built": F.float_discretized(num_bins=10),
        "lift": F.string_categorical(num_oov_indices=0),
    },
    crosses=[F.cross(("lift", "floor"), crossing_dim=32)],
    output_mode="concat",
)
space.adapt(rows(0, 5000))
hidden = layers.Dense(64, activation="relu")(space.get_encoded_features())
hidden = layers.Dense(64, activation="relu")(hidden)
model = keras.Model(dict(space.get_inputs()), layers.Rescaling(1000)(layers.Dense(1)(hidden)))
model.compile(optimizer=keras.optimizers.Adam(3e-3), loss="mae")
model.fit(rows(0, 5000), rents[:5000], batch_size=64, epochs=10, verbose=2)
error = model.evaluate(rows(5000, SIZE), rents[5000:], verbose=0)
print(f"mean absolute error: {error:.0f}; of the rule: {np.abs(draw.normal(0, 50, 9999)).mean():.0f}")

new = {name: column[:, None] for name, column in rows(5000, 5005).items()}  # each input is a column
found = model.predict(new, verbose=0)
with tempfile.TemporaryDirectory() as scratch:
    folder = Path(options.save or scratch)
    model.save(folder / "rents.keras")  # with its words and scales; stock Keras on TensorFlow reads it too
    again = keras.saving.load_model(folder / "rents.keras")
    assert np.array_equal(again.predict(new, verbose=0), found)
    kerasflow.export_numpy(model, folder / "rents.py", embed=True)  # needs NumPy alone
    spec = importlib.util.spec_from_file_location("rents", folder / "rents.py")
    exported = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(exported)
    print(f"exported: {np.abs(exported.predict(new) - found).max():.0e} apart")
