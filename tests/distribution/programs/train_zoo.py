"""Trains networks of the zoo for three epochs: python train_zoo.py FILE.npz dtype steps [name …]

It keeps what came out, and does not know how many processes share it out.
"""

import sys

import keras
import numpy as np

from kerasflow.testing.keras_cases.zoo import ARCHITECTURES
from kerasflow.testing.keras_cases.zoo.pace import SLOWER, slow_down

file, dtype, steps, *names = sys.argv[1:]
keras.config.set_floatx(dtype)
keras.config.set_dtype_policy(dtype)
found = {}
for architecture in ARCHITECTURES:
    name = architecture.__name__
    if names and name not in names:
        continue
    keras.utils.set_random_seed(3)
    task = architecture()
    if dtype == "float32":
        slow_down(task, SLOWER.get(name, 1.0))
    history = task.model.fit(
        *task.train, batch_size=task.batch_size, epochs=3, steps_per_epoch=int(steps) or None, verbose=0
    )
    for key, values in history.history.items():
        found[f"{name} history {key}"] = np.asarray(values)
    variables = {id(v): v for v in [*task.model.variables, *task.model.optimizer.variables]}
    for i, variable in enumerate(variables.values()):
        found[f"{name} variable {i} {variable.path}"] = np.asarray(variable)
    print(name, flush=True)
if keras.src.backend.distribution_lib.process_id() == 0:
    np.savez(file, **found)
