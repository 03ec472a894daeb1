"""Makes the pictures of the gallery: runs its examples at their real size, and keeps what they draw.

    python docs/gallery/make.py                 all; on two cores twenty minutes
    python docs/gallery/make.py pinn gan        these

What an example draws becomes a PNG with a palette, which is a half or a third as large and looks the same. The digits
are MNIST's where Keras's cache has them, or a download.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

HERE = Path(__file__).resolve().parent
EXAMPLES = HERE.parents[1] / "examples"
MOST = 60_000


def names() -> list[str]:
    """The examples that draw."""
    return sorted(path.stem for path in EXAMPLES.glob("*.py") if '"--plot"' in path.read_text("utf-8"))


def make(name: str) -> None:
    """Runs an example and keeps its picture."""
    with tempfile.TemporaryDirectory() as folder:
        drawn = Path(folder) / "drawn.png"
        subprocess.run([sys.executable, EXAMPLES / f"{name}.py", "--plot", drawn], check=True)
        keep(drawn, name)


def keep(drawn: Path, name: str) -> None:
    """Stores a picture with as many colours as `MOST` bytes allow."""
    for colours in (256, 128, 64, 32, 16):
        Image.open(drawn).convert("RGB").quantize(colours).save(HERE / f"{name}.png", optimize=True)
        if (HERE / f"{name}.png").stat().st_size < MOST:
            break


if __name__ == "__main__":
    for name in sys.argv[1:] or names():
        make(name)
