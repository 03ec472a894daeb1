"""Where tests run: on this machine, in a Debian in a directory, or in one for another processor, which is emulated.

A place makes an environment in a few steps, and says with which command its Python begins.
"""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MIRROR = "http://deb.debian.org/debian"

# The Debian has this machine's devices and processes, in a namespace that ends with the command.
_ENTER = """
for part in proc sys dev; do mount --rbind "/$part" "$0/$part" || exit 1; done
mount -t tmpfs none "$0/dev/shm" || exit 1
export HDF5_DIR=/$(cd "$0" && echo usr/lib/*/hdf5/serial)  # where h5py is built against
export HOME=/root LANG=C.UTF-8 PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin
exec chroot "$0" env -C "$1" "${@:2}"
"""
# Debian has no Python without the global lock: it is made of Debian's source.
FREE_THREADED = f"""
echo 'deb-src {MIRROR} trixie main' > /etc/apt/sources.list.d/source.list
apt-get -qq -o Acquire::Check-Valid-Until=false update
cd /root
apt-get -qq source python3.13
cd python3.13-*/
./configure -q --disable-gil --with-ensurepip=no --prefix=/opt/3.13t  # Debian's ensurepip is for environments alone
make -s altinstall
ln -sf /opt/3.13t/bin/python3.13t /usr/local/bin/
"""
FOR_FREE_THREADED = (
    *("dpkg-dev", "make"),
    *("zlib1g-dev", "libssl-dev", "libffi-dev", "libbz2-dev", "liblzma-dev", "libsqlite3-dev"),
)
# What packages without a wheel are built with: without isolation, so that the NumPy that is there serves.
BUILDING = ("setuptools", "hatchling", "editables", "cython", "pkgconfig")
_QUIETLY = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--prefer-binary")
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


def _virtual(command: str, environment: str, requirements: Sequence[str], *options: str) -> list[list[str]]:
    """The steps that make a virtual environment; the project and NumPy are the first two of the requirements."""
    install = [f"{environment}/bin/python", *_QUIETLY]
    return [
        [command, "-m", "venv", "--clear", *options, environment],
        [*install, *BUILDING, requirements[1]],
        [*install, "--no-build-isolation", "-e", *requirements],
    ]


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

    def steps(self, command: str, name: str, requirements: Sequence[str]) -> list[list[str]]:
        """The commands that make an environment with that name, with a Python's command."""
        return _virtual(command, str(self.folder / name), requirements)

    def python(self, command: str, name: str) -> list[str]:
        """How the environment's Python is called."""
        return [str(self.folder / name / "bin" / "python")]

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
    shared: bool = False  # whether environments have the packages of the system too
    more: str = ""  # a program of bash that is run in it once it is made

    def prepare(self) -> None:
        """Make it, if it is not there yet, and put a copy of this project into it.

        Raises:
            RuntimeError: if it could not be made; its log says why.
        """
        done, log = self.folder / ".made", self.folder.with_suffix(".log")
        new = not done.exists()
        if new:
            _bootstrap(self.folder, self.suite, self.architecture, ("ca-certificates", *self.packages), log)
        for path in filter(None, ("/etc/resolv.conf", ssl.get_default_verify_paths().cafile)):
            trusted = "etc/ssl/certs/ca-certificates.crt" if path.endswith((".crt", ".pem")) else path[1:]
            shutil.copyfile(path, self.folder / trusted)
        if new and self.run(["bash", "-euc", self.more], log, "/"):
            raise RuntimeError(f"what else {self.folder} needs could not be made: see {log}")
        done.touch()
        copy_project(self.folder / "work")

    def find(self, python: str) -> str | None:
        """The command of a Python, or None."""
        folders = (self.folder / "usr" / "bin", self.folder / "usr" / "local" / "bin")
        there = any(os.path.lexists(folder / f"python{python}") for folder in folders)
        return f"python{python}" if there else None

    def steps(self, command: str, name: str, requirements: Sequence[str]) -> list[list[str]]:
        """The commands that make an environment with that name, with a Python's command."""
        return _virtual(command, f"/{name}", requirements, *["--system-site-packages"] * self.shared)

    def python(self, command: str, name: str) -> list[str]:
        """How the environment's Python is called."""
        return [f"/{name}/bin/python"]

    def run(self, command: Sequence[str], log: Path, folder: str = "/work") -> int:
        """Run a command in the copy of the project, or in another folder; what it says goes to the end of `log`.

        Returns:
            Its exit code.
        """
        return _logged(["unshare", "--mount", "bash", "-c", _ENTER, str(self.folder), folder, *command], log)


@dataclass(frozen=True)
class Emulated:
    """A Debian for another kind of processor, of which QEMU runs the Python, an instruction at a time.

    Nothing of it runs but that: what is installed are wheels, by this machine's pip, and a process that it starts is
    one of this machine.
    """

    folder: Path
    suite: str
    architecture: str  # Debian's name
    machine: str  # Python's, and QEMU's

    def prepare(self) -> None:
        """Unpack it, if it is not there yet, and make a copy of this project beside it.

        Raises:
            RuntimeError: if it could not be made; its log says why.
        """
        done = self.folder / ".made"
        if not done.exists():
            log = self.folder.with_suffix(".log")
            _bootstrap(self.folder, self.suite, self.architecture, ("python3",), log, "--foreign")
            done.touch()
        copy_project(self.folder / "work")

    def find(self, python: str) -> str | None:
        """The path of a Python, or None."""
        path = self.folder / "usr" / "bin" / f"python{python}"
        return str(path) if path.exists() and shutil.which(self._qemu) else None

    def steps(self, command: str, name: str, requirements: Sequence[str]) -> list[list[str]]:
        """The commands that make an environment with that name, with a Python's path."""
        platforms = [f"--platform=manylinux_2_{glibc}_{self.machine}" for glibc in (28, 27, 17)]
        version = f"--python-version={Path(command).name.removeprefix('python')}"
        options = [
            "--upgrade",
            "--target",
            str(self.folder / name),
            *platforms,
            version,
            "--only-binary=:all:",
        ]
        return [[sys.executable, *_QUIETLY, *options, *requirements]]

    def python(self, command: str, name: str) -> list[str]:
        """How the environment's Python is called."""
        variables = [f"PYTHONPATH={self.folder / name}", "OPENBLAS_NUM_THREADS=1"]
        return [
            self._qemu,
            "-L",
            str(self.folder),
            *(part for variable in variables for part in ("-E", variable)),
            command,
        ]

    def run(self, command: Sequence[str], log: Path) -> int:
        """Run a command in the copy of the project; what it says goes to the end of `log`.

        Returns:
            Its exit code.
        """
        return _logged(command, log, cwd=self.folder / "work")

    @property
    def _qemu(self) -> str:
        return f"qemu-{self.machine}-static"


Place = Here | Debian | Emulated


def _bootstrap(
    folder: Path, suite: str, architecture: str, packages: Sequence[str], log: Path, *options: str
) -> None:
    command = ["debootstrap", *options, "--variant=minbase", f"--arch={architecture}"]
    command += [f"--include={','.join(packages)}", suite, str(folder), MIRROR]
    folder.parent.mkdir(parents=True, exist_ok=True)
    if _logged(command, log):
        raise RuntimeError(f"debootstrap has not made {folder}: see {log}")


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
