"""Where tests run: on this machine, or in a Debian in a directory, whose Pythons are others than this machine's."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MIRROR = "http://deb.debian.org/debian"

# The Debian has this machine's devices and processes, in a namespace that ends with the command.
_ENTER = """
mount --rbind /proc "$0/proc" && mount --rbind /dev "$0/dev" && mount -t tmpfs none "$0/dev/shm" || exit 1
export HOME=/root LANG=C.UTF-8 PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin
exec chroot "$0" env -C "$1" "${@:2}"
"""
# What could make another Keras, another kerasflow or other settings of what runs in the copy.
_FOREIGN = ("PYTHON", "KERAS", "VIRTUAL_ENV", "PYTEST")


def interpreter(python: str) -> str | None:
    """The path of a Python of this machine, "3.13" say, on the path or among pyenv's; None if it has none."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = [shutil.which(f"python{python}"), *sorted(map(str, pyenv.glob(f"{python}.*/bin/python")))]
    for candidate in filter(None, candidates):
        # Pyenv puts commands on the path that say that they are not there.
        if subprocess.run([candidate, "-c", ""], capture_output=True, check=False).returncode == 0:
            return candidate
    return None


@dataclass(frozen=True)
class Here:
    """This machine, with a folder for environments."""

    folder: Path

    def prepare(self) -> None:
        """Make the folder, with a copy of this project."""
        copy_project(self.folder / "work")

    def find(self, python: str) -> str | None:
        """The command of a Python, or None."""
        return interpreter(python)

    def inside(self, path: str) -> str:
        """What a path in the folder is to the commands."""
        return str(self.folder / path)

    def run(self, command: Sequence[str], log: Path) -> int:
        """Run a command in the copy of the project; what it says goes to the end of `log`.

        Returns:
            Its exit code.
        """
        return _logged(command, log, cwd=self.folder / "work")


@dataclass(frozen=True)
class Debian:
    """A Debian in a directory: `debootstrap` makes it, `chroot` enters it; both need root."""

    folder: Path
    suite: str
    architecture: str
    packages: tuple[str, ...]

    def prepare(self) -> None:
        """Make it, if it is not there yet, and put a copy of this project into it.

        Raises:
            RuntimeError: if it could not be made; its log says why.
        """
        done, log = self.folder / ".made", self.folder.with_suffix(".log")
        if not done.exists():
            command = ["debootstrap", "--variant=minbase", f"--arch={self.architecture}"]
            command += [f"--include={','.join(('ca-certificates', *self.packages))}"]
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            if _logged([*command, self.suite, str(self.folder), MIRROR], log):
                raise RuntimeError(f"debootstrap has not made {self.folder}: see {log}")
            done.touch()
        for path in filter(None, ("/etc/resolv.conf", ssl.get_default_verify_paths().cafile)):
            trusted = "etc/ssl/certs/ca-certificates.crt" if path.endswith((".crt", ".pem")) else path[1:]
            shutil.copyfile(path, self.folder / trusted)
        copy_project(self.folder / "work")

    def find(self, python: str) -> str | None:
        """The command of a Python, or None."""
        folders = (self.folder / "usr" / "bin", self.folder / "usr" / "local" / "bin")
        there = any(os.path.lexists(folder / f"python{python}") for folder in folders)
        return f"python{python}" if there else None

    def inside(self, path: str) -> str:
        """What a path in the folder is to the commands."""
        return f"/{path}"

    def run(self, command: Sequence[str], log: Path) -> int:
        """Run a command in the copy of the project; what it says goes to the end of `log`.

        Returns:
            Its exit code.
        """
        return _logged(["unshare", "--mount", "bash", "-c", _ENTER, str(self.folder), "/work", *command], log)


Place = Here | Debian


def copy_project(to: Path) -> None:
    """Copy what belongs to the project as it is now, without what tests and builds have left in it."""
    shutil.rmtree(to, ignore_errors=True)
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).exists():
            (to / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, to / name)


def _logged(command: Sequence[str], log: Path, cwd: Path | None = None) -> int:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    with log.open("a", encoding="utf-8") as output:
        output.write(f"$ {' '.join(command)}\n")
        output.flush()
        return subprocess.run(
            command,
            cwd=cwd,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        ).returncode
