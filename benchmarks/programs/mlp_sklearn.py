"""scikit-learn's network of the same size as `mlp.py`'s. It has no dropout, and its loss is the cross-entropy."""

import time

import numpy as np
from measure import Run
from sklearn.metrics import log_loss
from sklearn.neural_network import MLPClassifier

run = Run()

with np.load(run.data) as data:
    x_train, x_test = (data[name].reshape(-1, 784).astype("float32") / 255 for name in ("x_train", "x_test"))
    y_train, y_test = data["y_train"], data["y_test"]

model = MLPClassifier((512,), batch_size=run.batch_size, random_state=run.seed)
random = np.random.default_rng(run.seed)
x_validation, y_validation = x_train[:1000], y_train[:1000]
for _ in range(run.epochs):
    begun = time.perf_counter()
    order = random.permutation(len(x_train) - 1000) + 1000
    model.partial_fit(x_train[order], y_train[order], classes=np.arange(10))
    model.score(x_validation, y_validation)
    run.epoch(time.perf_counter() - begun)
probabilities = model.predict_proba(x_test)
run.finish(log_loss(y_test, probabilities), np.mean(probabilities.argmax(axis=1) == y_test))
