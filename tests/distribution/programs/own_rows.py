"""Each rank gives its own rows of every batch, unevenly: python own_rows.py FILE.npz; on one process all rows."""

import sys

import keras
import numpy as np

from kerasflow.errors import RankError

keras.config.set_floatx("float64")
keras.utils.set_random_seed(0)
distribution = keras.distribution.DataParallel(auto_shard_dataset=False)
keras.distribution.set_distribution(distribution)
rank, size = distribution.data_shard_id, distribution.num_processes
model = keras.Sequential(
    [keras.Input((4,)), keras.layers.Dense(8, activation="tanh"), keras.layers.BatchNormalization()]
    + [keras.layers.Dropout(0.3), keras.layers.Dense(1)]
)
model.compile("adam", "mse", metrics=["mae", keras.metrics.R2Score()])
x = np.random.default_rng(0).normal(size=(30, 4))
y = x.sum(axis=1, keepdims=True)


class Rows(keras.utils.PyDataset):
    """Batches of 12, 12 and 6 samples; of each, rank 0 of two has the first third."""

    def __len__(self) -> int:
        return 3

    def __getitem__(self, i: int) -> tuple[np.ndarray, np.ndarray]:
        batch = slice(12 * i, min(12 * i + 12, 30))
        count = batch.stop - batch.start
        ends = [0, count // 3, count] if size == 2 else [0, count]
        own = slice(batch.start + ends[rank], batch.start + ends[rank + 1])
        return x[own], y[own]


history = model.fit(Rows(), epochs=3, shuffle=False, verbose=0).history
found = {
    **history,
    "evaluate": model.evaluate(Rows(), verbose=0),
    "predict": model.predict(Rows(), verbose=0),
}
found |= {
    f"variable {i}": np.asarray(v) for i, v in enumerate([*model.variables, *model.optimizer.variables])
}
if rank == 0:
    np.savez(sys.argv[1], **found)
if size > 1:
    for wrong in (x[: 2 * rank],):  # rank 0 has none
        try:
            model.predict_on_batch(wrong)
        except RankError as error:
            assert "0, 2 samples" in str(error), error
        else:
            raise AssertionError("a rank without samples was not refused")
    model.run_eagerly = True
    try:
        model.evaluate(Rows(), verbose=0)
    except RankError as error:
        assert "auto_shard_dataset=True" in str(error)
    else:
        raise AssertionError("eager steps were not refused")
    distribution.auto_shard_dataset = True
    model.run_eagerly = False
    np.testing.assert_allclose(model.predict(x, batch_size=12, verbose=0), found["predict"], rtol=1e-12)
