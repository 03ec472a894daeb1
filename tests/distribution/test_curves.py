"""On several processes a program gives the numbers of one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from launched import Launch

# Where rounding decides in single precision: gradients that are 0 but for it, and Adam makes steps of their sign (the
# bias of a key moves all scores alike; a critic's unit that is on for all samples, true and made, gets as much from
# either with opposite signs); networks that amplify it. mobilenet_block on one process moves by the same 3e-4 if each
# of its weights is changed by one unit in the last place before the first step.
ROUNDING = ("key/bias", "mobilenet_block", "wasserstein_gan")


def differences(first: Path, second: Path, tolerance: float, but: tuple[str, ...] = ()) -> list[str]:
    """What differs by more than the tolerance, absolute or relative."""
    one, other = np.load(first), np.load(second)
    assert set(one) == set(other) and len(one.files) > 10
    return [
        f"{name}: by {np.abs(one[name] - other[name]).max():.1e}"
        for name in one
        if not any(word in name for word in but)
        and not np.allclose(one[name], other[name], rtol=tolerance, atol=tolerance)
    ]


def compared(
    launch: Launch, folder: Path, program: str, ranks: int, *arguments: object, **options: object
) -> list[Path]:
    """The files of the program's results on one process and on several."""
    files = [folder / "one.npz", folder / "several.npz"]
    launch("alone", program, files[0], *arguments)
    launch(ranks, program, files[1], *arguments, **options)
    return files


def test_the_zoo_in_double_precision(launch: Launch, tmp_path: Path) -> None:
    assert differences(*compared(launch, tmp_path, "train_zoo.py", 2, "float64", 1), 1e-10) == []


@pytest.mark.slow
@pytest.mark.parametrize("ranks", [2, 3, 4])
def test_the_zoo_at_length(launch: Launch, tmp_path: Path, ranks: int) -> None:
    assert differences(*compared(launch, tmp_path, "train_zoo.py", ranks, "float64", 6), 1e-10) == []


@pytest.mark.slow
@pytest.mark.parametrize("ranks", [2, 3])
def test_the_zoo_in_single_precision(launch: Launch, tmp_path: Path, ranks: int) -> None:
    files = compared(launch, tmp_path, "train_zoo.py", ranks, "float32", 5)
    assert differences(*files, 1e-5, but=ROUNDING) == []


def test_all_that_may_be_wrong(launch: Launch, tmp_path: Path) -> None:
    """Random images and masks, uneven batches, weights, exact metrics, odd optimizers, batches of one sample."""
    files = compared(launch, tmp_path, "train_everything.py", 3)
    assert differences(*files, 1e-10, but=("half",)) == []
    assert differences(*files, 1e-3) == []


def test_each_rank_gives_its_own_rows(launch: Launch, tmp_path: Path) -> None:
    assert differences(*compared(launch, tmp_path, "own_rows.py", 2), 1e-10) == []


@pytest.mark.parametrize("backend", ["tensorflow", "pytensor"])
def test_on_another_backend(launch: Launch, tmp_path: Path, backend: str) -> None:
    pytest.importorskip(backend)
    env = {"KERASFLOW_BACKEND": backend}
    files = compared(launch, tmp_path, "train_zoo.py", 2, "float64", 2, "lstm_tagger", env=env)
    assert differences(*files, 1e-9) == []
