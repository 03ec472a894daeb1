"""`%load_ext kerasflow`: Keras on kerasflow in a notebook or an IPython session."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell


def load_ipython_extension(ipython: InteractiveShell) -> None:
    """What IPython calls. To load the extension it has imported the package, and so Keras is ours already."""
    import kerasflow

    print(f"Keras runs on kerasflow, backend {kerasflow.backend()}.")
