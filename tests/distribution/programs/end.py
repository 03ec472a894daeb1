"""Ends in the middle of a training, in the way that `sys.argv` says, on rank 1."""

import os
import signal
import sys

import keras
import numpy as np

model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
model.compile("sgd", "mse")
rank = keras.src.backend.distribution_lib.process_id()


class End(keras.callbacks.Callback):
    def on_train_batch_end(self, batch: int, logs: object = None) -> None:
        if rank == 1 and batch == 2:
            if sys.argv[1] == "raise":
                raise LookupError("nothing there")
            if sys.argv[1] == "exit":
                sys.exit(3)
            if sys.argv[1] == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if sys.argv[1] == "early":
                sys.exit(0)


print("trains", flush=True)
x = np.ones((64, 2))
model.fit(x, x[:, :1], batch_size=4, epochs=1000, verbose=0, callbacks=[End()])
