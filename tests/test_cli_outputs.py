"""The `kerasflow` command where its output is closed, narrow or read no further, and where Ctrl-C comes early."""

import os
import signal
import subprocess
import sys

import pytest

COMMAND = """
import sys
sys.argv[0] = "kerasflow"
{}
from kerasflow.cli.main import main
sys.exit(main())
"""
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="signals and pipes are others there")


def run(*arguments, before="", folder="", variables=None, **streams):
    """The command in a process of its own, after some lines; what lies in the folder is imported first."""
    path = os.pathsep.join([str(folder), *filter(None, sys.path)])
    return subprocess.run(
        [sys.executable, "-c", COMMAND.format(before), *arguments],
        env={**os.environ, "PYTHONPATH": path, **(variables or {})},
        text=True,
        timeout=120,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams},
    )


@POSIX
@pytest.mark.parametrize("module", ["kerasflow._version", "numpy", "argparse"])
def test_an_interruption_while_it_is_imported(module):
    press = f"""
import os, signal
class Press:
    def find_spec(self, name, *_):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)
sys.modules.pop({module!r}, None)
sys.meta_path.insert(0, Press())
"""
    finished = run("--version", before=press)
    assert (finished.returncode, finished.stdout, finished.stderr) == (-signal.SIGINT, "", "")


@POSIX
def test_an_interruption_before_a_command_runs():
    press = "import os, signal, kerasflow.cli.parser as p"
    press += "\np.Parser.check = lambda *_: os.kill(os.getpid(), signal.SIGINT)"
    finished = run("backends", before=press)
    assert (finished.returncode, finished.stderr) == (130, "interrupted\n")


@POSIX
def test_a_program_gets_interrupts_as_ever(tmp_path):
    """That the command ends at once while it is imported concerns no program."""
    (tmp_path / "train.py").write_text("import signal; print(signal.getsignal(signal.SIGINT).__name__)")
    command = [sys.executable, "-m", "kerasflow", "train.py"]
    finished = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert finished.stdout == "default_int_handler\n", finished.stderr


@POSIX
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_nobody_reads_on(unbuffered):
    """`kerasflow … | head`"""
    reading, writing = os.pipe()
    os.close(reading)
    finished = run("--version", stdout=writing, variables={"PYTHONUNBUFFERED": unbuffered})
    os.close(writing)
    assert (finished.returncode, finished.stderr) == (141, "")


def test_without_an_output():
    finished = run("mnist", "--data", "none.npz", before="sys.stdout = sys.stderr = None")
    assert finished.returncode == 2
    finished = run("--help", before="sys.stdout = None")
    assert (finished.returncode, finished.stderr) == (0, "")
