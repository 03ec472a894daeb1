"""The version, below all that writes it into files. (`kerasflow.version` is a function of Keras's.)"""

from __future__ import annotations

__version__ = "0.2.0"
