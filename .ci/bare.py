"""What of Keras is said to need no framework, where there is none.

    python .ci/bare.py bare    all that docs/compatibility.md says of an environment with nothing but kerasflow
    python .ci/bare.py data    what `kerasflow[data]` adds; and the examples of text and tables

To be run in an empty folder, by such an environment's Python.
"""

import importlib.util
import runpy
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "bare"))

import bare_page  # noqa: E402
import call_all  # noqa: E402

FRAMEWORKS = ("tensorflow", "torch", "jax", "pytensor")
EXAMPLES = ("reviews", "rents")
# One of each kind of network; all others ran when the table was made.
NETWORKS = {"MobileNetV2", "EfficientNetB0", "ConvNeXtTiny"}


def is_quick(name: str) -> bool:
    """Whether a name is no large network."""
    module, _, last = name.rpartition(".")
    return module != "keras.applications" or last in NETWORKS


def main(what: str) -> int:
    assert not [name for name in FRAMEWORKS if importlib.util.find_spec(name)]
    said = {"bare": bare_page.BARE, "data": "`kerasflow[data]`"}[what]
    names = [
        name for name, (_, with_) in bare_page.stored()["names"].items() if with_ == said and is_quick(name)
    ]
    errors = {name: error for name in names if (error := call_all.outcome(name))}
    for name, error in errors.items():
        print(f"{name}: {error}")
    print(f"{what}: {len(names) - len(errors)} of {len(names)} names of Keras's work")
    for example in EXAMPLES if what == "data" else ():
        runpy.run_path(str(ROOT / "examples" / f"{example}.py"))
    return len(errors)


if __name__ == "__main__":
    sys.exit(main(sys.argv.pop()))
