"""The examples of cross-validation and tuning give the same numbers in one process and in several, and leave none."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("sklearn")
pytestmark = pytest.mark.skipif(
    os.name != "posix", reason="processes that are left are looked for by their group"
)

EXAMPLES = Path(__file__).parents[1] / "examples"
LIMIT = 240  # seconds; they take ten on an idle machine
NUMBER = r"\d\.\d{4}"


def run(example: str, *arguments: str, **variables: str) -> str:
    """What an example prints. It is an error if a process that it has started lives longer than it does."""
    environment = {**os.environ, "KERASFLOW_THREADS": "1", **variables}
    with subprocess.Popen(
        [sys.executable, str(EXAMPLES / f"{example}.py"), *arguments],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            output, errors = process.communicate(timeout=LIMIT)  # to the end of all who could write
            assert process.returncode == 0, errors
            assert _soon_alone(process.pid)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    return output


def _soon_alone(group: int) -> bool:
    """Whether the processes of a group are gone, or soon will be."""
    for _ in range(100):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


@pytest.fixture(scope="module")
def folds() -> list[str]:
    output = run("cross_validation", "--folds", "3", "--epochs", "3")
    return re.findall(NUMBER, output)


@pytest.mark.parametrize("engine", ["loky", "dask"])
def test_cross_validation(engine: str, folds: list[str]) -> None:
    if engine == "dask":
        pytest.importorskip("distributed", reason="Dask's workers: pip install distributed")
    output = run("cross_validation", "--folds", "3", "--epochs", "3", "--engine", engine, "--workers", "2")
    assert len(folds) == 3
    assert re.findall(NUMBER, output) == folds


def test_tuning(tmp_path: Path) -> None:
    pytest.importorskip("keras_tuner")
    pytest.importorskip("grpc", reason="KerasTuner's chief and workers: pip install grpcio protobuf")
    # Where TensorFlow is missing, its import fails.
    (tmp_path / "tensorflow.py").write_text("raise ModuleNotFoundError('no TensorFlow', name='tensorflow')")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    size = ["--trials", "4", "--epochs", "2"]
    alone = run("tuning", *size, PYTHONPATH=path)
    folder = tmp_path / "search"
    together = run("tuning", *size, "--workers", "2", "--folder", str(folder), PYTHONPATH=path)
    scores = re.findall(rf"accuracy: ({NUMBER})$", alone, re.MULTILINE)
    assert len(scores) == 4
    assert re.findall(rf"accuracy: ({NUMBER})$", together, re.MULTILINE) == scores
    trials = sorted(path.name for path in (folder / "digits").glob("trial_*"))
    assert trials == ["trial_0", "trial_1", "trial_2", "trial_3"]
