"""`python -m kerasflow script.py args…`: runs a Keras program, unchanged, on kerasflow.

By the time this module runs, Python has imported the package, and with that Keras is ours: what is left is to run the
program just as `python script.py args…` would, and to reach the processes that it starts. As one of several processes
(`mpiexec -n 4 python -m kerasflow --data-parallel script.py`) it joins the others before the program begins.
"""

from __future__ import annotations

import os
import runpy
import shlex
import sys
from pathlib import Path

from kerasflow._command import interrupt_as_python
from kerasflow.bridge.job import ending_as_one, share_batches_out
from kerasflow.bridge.spawned import reach_new_processes
from kerasflow.graph import printable
from kerasflow.suggestion import did_you_mean

USAGE = """\
usage: python -m kerasflow script.py [argument …]
       python -m kerasflow -m module [argument …]
       python -m kerasflow --data-parallel [--all-output] script.py [argument …]

Runs a Keras program, unchanged, on kerasflow. KERASFLOW_BACKEND names the backend (default: numpy).

--data-parallel  share each batch out among the processes that `mpiexec` has started: `kerasflow run` does both
--all-output     let all of them print, not the first one alone"""


def main(argv: list[str]) -> int:
    """Runs the program that `argv`, the arguments after `python -m kerasflow`, names. Returns the exit code."""
    interrupt_as_python()
    reach_new_processes()
    if argv[:1] == ["--data-parallel"]:
        silent, argv = argv[1:2] != ["--all-output"], argv[1:]
        with ending_as_one():
            share_batches_out(silent)
            return _run(argv if silent else argv[1:])
    return _run(argv)


def _run(argv: list[str]) -> int:
    match argv:
        case ["-m", module, *_]:
            sys.argv = argv[1:]
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        case ["-h" | "--help", *_]:
            from kerasflow.cli.screen import replace_unknown_characters

            replace_unknown_characters()
            print(USAGE)
        case [script, *_] if not script.startswith("-"):
            if not os.path.exists(script):
                missing = printable(f"there is no file {script}{_meant(argv)}")
                print(f"python -m kerasflow: {missing}", file=sys.stderr)
                return 2
            sys.argv = argv
            if not sys.flags.safe_path:  # as `python script.py` does: modules beside the script are found
                sys.path[0] = os.path.dirname(os.path.abspath(script))
            runpy.run_path(script, run_name="__main__")
        case _:
            print(USAGE, file=sys.stderr)
            return 2
    return 0


def _meant(argv: list[str]) -> str:
    """What to say if it is the `kerasflow` command that knows these arguments, or there is a file of a similar name."""
    from kerasflow.cli.main import COMMANDS

    if any(command.name == argv[0] for command in COMMANDS):
        return f". The command is: {shlex.join(['kerasflow', *argv])}"
    script = Path(argv[0])
    suggestion = did_you_mean(script.name, [file.name for file in script.parent.glob("*.py")])
    return f".{suggestion}" if suggestion else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
