"""On rank 1 alone, processes are started anew and forked, which use the model while the ranks train."""

import multiprocessing

import kerasflow  # isort: skip  (before Keras)
import keras
import numpy as np

keras.distribution.initialize()  # also where the program is imported by a process that rank 1 has started
keras.distribution.set_distribution(keras.distribution.DataParallel())
x = np.ones((64, 2))


def made() -> keras.Model:
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, kernel_initializer="ones")])
    model.compile("sgd", "mse")
    return model


def use(results: object) -> None:
    losses = [made().evaluate(x, x[:, :1], verbose=0) for _ in range(3)]
    results.put((kerasflow.backend(), keras.src.backend.distribution_lib.num_processes(), *losses))


if __name__ == "__main__":
    model = made()
    model.fit(x, x[:, :1], verbose=0)
    first = keras.src.backend.distribution_lib.process_id() == 0
    for method in () if first else ("spawn", "fork"):
        context = multiprocessing.get_context(method)
        results = context.Queue()
        process = context.Process(target=use, args=(results,))
        process.start()
        print(method, *results.get(timeout=60), flush=True)
        process.join()
    model.fit(x, x[:, :1], epochs=20, verbose=0)
