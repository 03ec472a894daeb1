"""The documentation: every Python block does what its page says, and the reference has every name."""

from __future__ import annotations

import os
import re
from pathlib import Path

import at_hand
import numpy as np
import pages
import pytest

import kerasflow
from kerasflow.datasets import standin

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md") if pages.blocks(path.read_text("utf-8")))


@pytest.fixture
def environment(tmp_path):
    """One epoch a training, and in Keras's cache a small stand-in for MNIST, so that nothing is downloaded."""
    (tmp_path / "keras_home" / "datasets").mkdir(parents=True)
    (x_train, y_train), (x_test, y_test) = standin.load_data(2_000, 200)
    np.savez(
        tmp_path / "keras_home" / "datasets" / "mnist.npz",
        x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test,
    )  # fmt: skip
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KERAS")}
    return {
        **kept,
        "KERAS_HOME": str(tmp_path / "keras_home"),
        "KERAS_MAX_EPOCHS": "1",
        "MPLBACKEND": "Agg",
        "PYTHONWARNINGS": "ignore:Limiting epochs",
        "PYTHONUTF8": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    }


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(DOCS).with_suffix("").as_posix())
def test_the_blocks_of_a_page(path, environment, tmp_path):
    at_hand.skip_without_those_of(pages.program(path))
    assert not (problems := pages.problems(path, env=environment, cwd=tmp_path)), "\n".join(problems)


PAGE = """
```python
def halve(x):
    return x / 0

print("one")
```

```text
{printed}
```

```python {{ .raises }}
halve({argument})
```

```text
{error}
```
"""


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({}, 0),
        ({"printed": "o…"}, 0),
        ({"printed": "…\none\n…"}, 0),
        ({"printed": "…\ntwo"}, 1),
        ({"printed": "two"}, 1),
        ({"error": "ZeroDivisionError: no"}, 1),
        ({"argument": "int"}, 1),
        ({"printed": "", "error": "…"}, 1),
    ],
)
def test_a_page_that_is_wrong_is_found(given, wrong, tmp_path):
    path = tmp_path / "page.md"
    given = {"printed": "one", "argument": "1", "error": "ZeroDivisionError: division by zero", **given}
    path.write_text(PAGE.format(**given))
    assert len(pages.problems(path)) == wrong


def test_the_reference_has_every_public_name():
    text = (DOCS / "api.md").read_text(encoding="utf-8")
    for name in set(kerasflow.__all__) - {"load_ipython_extension"}:  # that is for `%load_ext`
        assert re.search(rf"\bkerasflow\.(\w+\.)*{name}\b", text), name
