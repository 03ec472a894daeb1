"""`%load_ext kerasflow`: Keras on kerasflow in a notebook or an IPython session."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kerasflow.compiler import backend

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


def load_ipython_extension(ipython: InteractiveShell) -> None:
    """What IPython calls. To load the extension it has imported the package, and so Keras is ours already."""
    print(f"Keras runs on kerasflow, backend {backend()}.")
