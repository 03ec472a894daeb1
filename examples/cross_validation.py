"""K-fold cross-validation of a Keras network, by joblib: fold after fold, on the cores here, or on many machines.

    python examples/cross_validation.py                                           one fold after the other
    python examples/cross_validation.py --engine loky --workers 2                 two processes
    python examples/cross_validation.py --engine dask --workers 2                 two processes of a Dask cluster here
    python examples/cross_validation.py --engine dask --scheduler tcp://host:8786 the workers of a cluster elsewhere

`KERASFLOW_THREADS` says how many cores each worker takes. Dask: `pip install distributed`.
"""

import argparse
import contextlib

import joblib
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import StratifiedKFold


def accuracy(x, y, train, test, epochs):
    """Train on one part, and say how much of the other is read rightly.

    It runs in a worker, which has imported nothing of ours: so its imports are here, kerasflow before Keras.
    """
    import kerasflow  # noqa: F401
    import keras

    # Seeds of its own for each layer: Dask's threads draw from Python's random numbers, which Keras takes others from.
    def dense(units, activation, seed):
        return keras.layers.Dense(
            units, activation, kernel_initializer=keras.initializers.GlorotUniform(seed)
        )

    keras.utils.set_random_seed(0)  # how the samples are shuffled
    hidden = [dense(64, "relu", seed=1), keras.layers.Dropout(0.2, seed=2)]
    model = keras.Sequential([keras.Input((64,)), *hidden, dense(10, "softmax", seed=3)])
    model.compile(keras.optimizers.Adam(3e-3), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x[train], y[train], epochs=epochs, verbose=0)
    return model.evaluate(x[test], y[test], verbose=0, return_dict=True)["accuracy"]


@contextlib.contextmanager
def workers(engine, number, scheduler):
    """In the block, `joblib.Parallel` sends its tasks to these workers."""
    with contextlib.ExitStack() as stack:
        if engine == "dask":
            from dask.distributed import Client, LocalCluster

            # One task at a time in a process: the seeds are the whole process's.
            cluster = scheduler or stack.enter_context(LocalCluster(n_workers=number, threads_per_worker=1))
            stack.enter_context(Client(cluster))
        stack.enter_context(joblib.parallel_config(engine, n_jobs=number))
        yield


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--engine", choices=["sequential", "loky", "dask"], default="sequential")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument(
        "--scheduler", help="address of a Dask scheduler; without it, a cluster of processes here"
    )
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=20)
    options = parser.parse_args()

    x, y = load_digits(return_X_y=True)
    x = (x / 16).astype("float32")
    folds = StratifiedKFold(options.folds, shuffle=True, random_state=0).split(x, y)
    with workers(options.engine, options.workers, options.scheduler):
        scores = joblib.Parallel()(joblib.delayed(accuracy)(x, y, *fold, options.epochs) for fold in folds)
    print("folds:", *(f"{score:.4f}" for score in scores))
    print(f"accuracy: {np.mean(scores):.3f} ± {np.std(scores):.3f}")


if __name__ == "__main__":
    main()
