"""The reference program at work, and what the comparisons with it found."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

# Of each compared case the largest difference, for the summary at the end of the session.
DIFFERENCES = pytest.StashKey[dict[str, float]]()


class Reference:
    """The reference program at work, one case after the other, while the tests compute theirs."""

    def __init__(self, names: list[str], folder: Path) -> None:
        self.names, self.folder, self.log = names, folder, folder / "log.txt"
        (folder / "request.json").write_text(json.dumps(names))
        environment = os.environ | {"KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": "-1"}
        command = [
            sys.executable,
            str(Path(__file__).with_name("reference.py")),
            str(folder / "request.json"),
            str(folder),
        ]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    def results(self, name: str) -> dict[str, tuple[np.ndarray, str]]:
        """The arrays of a case, each with its dtype's name; waits for them."""
        path = self.folder / f"{self.names.index(name)}.npz"
        while not path.exists() and self.process.poll() is None:
            time.sleep(0.02)
        assert path.exists(), f"the reference program failed:\n{self.log.read_text()[-5000:]}"
        with np.load(path) as stored:
            found = {key.partition("|")[0]: (stored[key], key.partition("|")[2]) for key in stored.files}
        assert "error" not in found, f"the reference fails in {name}:\n{found['error'][0]}"
        return found
