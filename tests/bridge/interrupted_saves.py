"""Saves that are interrupted, each in a forked process; prints what each has left, as JSON.

    python interrupted_saves.py FOLDER

A save is killed (SIGKILL) while it writes, or when it asks something of the file system for the nth time; it meets a
disk that is full (no file may be larger than 40 kB); it has no right to write.
"""

import json
import os
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import kerasflow  # noqa: F401  # isort: skip  (before Keras)
import keras
from keras import layers

WAYS: dict[str, Callable[[Any, str], object]] = {
    "model.keras": lambda model, name: model.save(name),
    "model.h5": lambda model, name: model.save(name),
    "model.weights.h5": lambda model, name: model.save_weights(name),
    "parts.weights.json": lambda model, name: model.save_weights(name, max_shard_size=1e-4),
}
KILLED_AT = (1, 3)  # of what is asked of the file system after the draft's folder was made
NOBODY = 65534


class Fragile(layers.Dense):
    """A layer that can be made to kill its process while it is being saved."""

    killed_by = ""

    def save_own_variables(self, store: Any) -> None:
        super().save_own_variables(store)
        if self.killed_by == "variables":
            os.kill(os.getpid(), signal.SIGKILL)

    def get_config(self) -> dict[str, Any]:
        if self.killed_by == "config":
            os.kill(os.getpid(), signal.SIGKILL)
        return super().get_config()


def killed_while_writing(save: Callable[[], object], model: Any, name: str) -> None:
    # Of a legacy file the configuration is the first thing that is written; its layers do not save their variables.
    model.layers[-1].killed_by = "config" if name == "model.h5" else "variables"
    save()


def killed_at(moment: int) -> Callable[[Callable[[], object], Any, str], None]:
    def kill(save: Callable[[], object], model: Any, name: str) -> None:
        count = -1

        def hook(event: str, arguments: Any) -> None:
            nonlocal count
            if count >= 0 or (event == "os.mkdir" and os.path.basename(str(arguments[0])).startswith(".")):
                if event not in ("open", "os.rename", "os.mkdir", "os.rmdir", "os.remove", "shutil.rmtree"):
                    return
                count += 1
                if count == moment:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)
        save()

    return kill


def full_disk(save: Callable[[], object], model: Any, name: str) -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))
    save()


def no_right(save: Callable[[], object], model: Any, name: str) -> None:
    if os.getuid() == 0:  # Root may do everything.
        os.setuid(NOBODY)
    save()


HOW = {
    "killed while writing": killed_while_writing,
    **{f"killed at {n}": killed_at(n) for n in KILLED_AT},
    "full disk": full_disk,
    "no right": no_right,
}


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() if file.is_file() else b"" for file in folder.iterdir()}


def main(place: str) -> None:
    os.chmod(place, 0o755)
    os.chdir(place)
    model = keras.Sequential([layers.Input((16,)), Fragile(128), Fragile(128), Fragile(128)])
    model.compile("adam", keras.losses.MeanSquaredError())
    found = {}
    for name, way in WAYS.items():
        for how, interrupt in HOW.items():
            folder = Path(f"{name}, {how}")
            folder.mkdir()
            target = str(folder / name)
            way(model, target)
            before = contents(folder)
            model.layers[0].kernel.assign(model.layers[0].kernel + 1)
            if how == "no right":
                for path in [*folder.iterdir(), folder]:
                    path.chmod(0o555)
            reading, writing = os.pipe()
            child = os.fork()
            if child == 0:
                try:
                    interrupt(lambda way=way, target=target: way(model, target), model, name)
                except BaseException as error:
                    text = "\n".join([f"{type(error).__name__}: {error}", *getattr(error, "__notes__", [])])
                    os.write(writing, text.encode())
                os._exit(0)
            os.close(writing)
            with open(reading, encoding="utf-8") as pipe:
                error = pipe.read()
            _, status = os.waitpid(child, 0)
            after = contents(folder)
            drafts = [other for other in after if other.startswith(".")]
            folder.chmod(0o755)
            for path in folder.iterdir():
                if path.is_file():
                    path.chmod(0o644)
            way(model, target)
            later = contents(folder)
            found[str(folder)] = {
                "signal": os.WTERMSIG(status),
                "error": error,
                # The previous file, or, where the process was killed after the move, the new one.
                "whole": any(all(after[o] == files[o] for o in before) for files in (before, later)),
                "drafts": len(drafts),
                "drafts later": sum(other.startswith(".") for other in later),
            }
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
