"""A search for a network's numbers with KerasTuner: in one process, or in many that ask one chief what to try next.

    python examples/tuning.py --workers 2    a chief and two workers on this machine; without it, alone

On many machines that share a folder, start it everywhere with `--folder`, and with KERASTUNER_ORACLE_IP=10.0.0.1,
KERASTUNER_ORACLE_PORT=8000 and KERASTUNER_TUNER_ID=chief (then worker1, worker2, …) in the environment.
"""

import argparse
import os
import socket
import subprocess
import sys
import tempfile
import time

import kerasflow  # noqa: F401  (before keras)
import keras
import keras_tuner
from sklearn.datasets import load_digits

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
parser.add_argument("--trials", type=int, default=6)
parser.add_argument("--epochs", type=int, default=10)
parser.add_argument("--folder", help="where the search is kept; without it, in a temporary folder")
parser.add_argument("--workers", type=int, help="start a chief and this number of workers here")


def build(hp):
    """A compiled model; `hp` says what is tried."""
    keras.utils.set_random_seed(0)  # a trial's score is the same, whichever process it is in
    hidden = keras.layers.Dense(hp.Int("units", 16, 64, step=16), activation="relu")
    rate = hp.Float("rate", 1e-4, 1e-1, sampling="log")
    model = keras.Sequential([keras.Input((64,)), hidden, keras.layers.Dense(10, activation="softmax")])
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def search(folder, trials, epochs):
    """Search, or help in a search, by what the environment says that this process is."""
    x, y = load_digits(return_X_y=True)
    x = (x / 16).astype("float32")
    kept = {"directory": folder, "project_name": "digits"}
    tuner = keras_tuner.RandomSearch(build, "val_accuracy", max_trials=trials, seed=1, **kept)
    tuner.search(x[:1200], y[:1200], validation_data=(x[1200:], y[1200:]), epochs=epochs, verbose=0)
    if isinstance(
        tuner.oracle, keras_tuner.Oracle
    ):  # A worker has a line to the chief's, which may be gone by now.
        for trial in sorted(tuner.oracle.trials.values(), key=lambda trial: trial.trial_id):
            print(trial.trial_id, trial.hyperparameters.values, f"accuracy: {trial.score:.4f}")
        print("best:", tuner.get_best_hyperparameters()[0].values)


def start(folder, workers):
    """Start this program several times, as a chief and its workers; they end with the search."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    cluster = {**os.environ, "KERASTUNER_ORACLE_IP": "127.0.0.1", "KERASTUNER_ORACLE_PORT": str(port)}
    arguments = [sys.executable, *sys.argv, "--folder", folder]
    processes = []
    try:
        for name in ["chief", *(f"worker{i}" for i in range(workers))]:
            processes.append(subprocess.Popen(arguments, env={**cluster, "KERASTUNER_TUNER_ID": name}))
        while processes[0].poll() is None and not any(process.poll() for process in processes):
            time.sleep(0.1)
        return max(abs(process.returncode or 0) for process in processes)
    finally:  # A worker that comes when the chief has ended would wait for an hour.
        for process in processes:
            process.terminate()
            process.wait()


if __name__ == "__main__":
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or temporary
        if options.workers and "KERASTUNER_TUNER_ID" not in os.environ:
            sys.exit(start(folder, options.workers))
        search(folder, options.trials, options.epochs)
