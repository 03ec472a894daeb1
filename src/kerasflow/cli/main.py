# PYTHON_ARGCOMPLETE_OK
"""The `kerasflow` command."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kerasflow
from kerasflow.bridge.files import written_whole
from kerasflow.bridge.versions import keras_version
from kerasflow.cli import kinds
from kerasflow.cli.completion import backend_names, complete
from kerasflow.cli.parser import Parser
from kerasflow.cli.screen import complain, replace_unknown_characters, without_unwanted_colours
from kerasflow.errors import ComparisonError, KerasflowError, UnknownBackendError

BEGIN = """\
to begin:
  kerasflow mnist --epochs 5      train a network on handwritten digits
  python -m kerasflow train.py    run a Keras program of yours, unchanged
  kerasflow mnist --help          what a command takes
"""


@dataclass(frozen=True)
class Command:
    """A subcommand.

    Attributes:
        name, help: what it is called, and what it is for.
        add_arguments: says what it takes.
        run: does it, and returns the exit code.
        takes_rest: whether it takes the arguments behind `--`, as they are.
        before_program: if what stands behind its own options is a program with its arguments, those options of its own
            that have a value.
    """

    name: str
    help: str
    add_arguments: Callable[[Parser], None]
    run: Callable[[argparse.Namespace], int]
    takes_rest: bool = False
    before_program: frozenset[str] | None = None


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line `argv` (default: the process's own) and returns its exit code.

    A mistake in the arguments, in a file or in a backend's name ends with a message on the error stream and code 2.
    """
    replace_unknown_characters()
    parser = _parser()
    if "_ARGCOMPLETE" in os.environ:  # A shell asks what could come next.
        complete(parser)
    own, rest = _split(list(sys.argv[1:] if argv is None else argv))
    if not own and not rest:
        parser.print_help()
        return 0
    if own and own[0].endswith(".py"):
        parser.error(
            f"{own[0]} is no command. To run a program: {shlex.join(['python', '-m', 'kerasflow', *own])}"
        )
    parser.check(own)
    arguments = parser.parse_args(own)
    if rest and not arguments.command.takes_rest and arguments.command.before_program is None:
        parser.error(f"{arguments.command.name} takes no arguments behind --; received {' '.join(rest)}")
    arguments.rest = rest
    try:
        return arguments.command.run(arguments)
    except KerasflowError as problem:
        complain(f"kerasflow {arguments.command.name}", str(problem))
        return 2
    except KeyboardInterrupt as interrupt:
        print(str(interrupt) or "interrupted", file=sys.stderr)
        return 130


def _split(argv: list[str]) -> tuple[list[str], list[str]]:
    """What stands before the first `--`, and what behind it; or before a program, and that with its arguments."""
    for command in COMMANDS:
        if argv[:1] == [command.name] and command.before_program is not None:
            place = _program(argv, command.before_program)
            return argv[:place], argv[place:]
    place = argv.index("--") if "--" in argv else len(argv)
    return argv[:place], argv[place + 1 :]


def _program(argv: list[str], valued: frozenset[str]) -> int:
    """Where the program begins, behind a command and its options."""
    place = 1
    while place < len(argv) and argv[place].startswith("-") and argv[place] != "-m":
        place += 2 if argv[place] in valued else 1
    return place


def _parser() -> Parser:
    parser = Parser(
        prog="kerasflow",
        description="Ordinary Keras 3 programs on NumPy, TensorFlow or PyTensor.",
        epilog=BEGIN,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--version",
        action=_Versions,
        nargs=0,
        help="show the versions of all that matters, for a report of a bug",
    )
    for command in COMMANDS:
        subparser = parser.add_command(command.name, command.help)
        command.add_arguments(subparser)
        subparser.set_defaults(command=command)
    return parser


class _Versions(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from kerasflow.cli.versions import as_text

        print(as_text())
        parser.exit()


def _mnist_arguments(parser: Parser) -> None:
    add = parser.add_argument
    default = "(default: %(default)s)"
    names = ", ".join(kerasflow.backends())
    add(
        "--backend",
        default=kerasflow.backend(),
        metavar="NAME",
        help=f"what runs the network: {names} {default}",
        completer=backend_names,
    )
    add(
        "--epochs",
        type=kinds.count,
        default=20,
        metavar="N",
        help=f"passes over the training images {default}",
    )
    add("--batch-size", type=kinds.count, default=128, metavar="N", help=f"images a step {default}")
    add(
        "--seed", type=kinds.seed, default=0, metavar="N", help=f"of weights, shuffling and dropout {default}"
    )
    add(
        "--data",
        type=kinds.file,
        metavar="FILE.npz",
        help="MNIST in Keras's form; else it is found as Keras does",
    )
    add("--plot", type=kinds.plot_file, metavar="FILE.png", help="draw curves and some predictions")
    add("--save", type=kinds.model_file, metavar="FILE.keras", help="save the trained model")


def _mnist(arguments: argparse.Namespace) -> int:
    """Trains on MNIST. All that can be wrong in the arguments is found before the training begins."""
    begun = time.perf_counter()
    with kerasflow.use_backend(arguments.backend), without_unwanted_colours():
        from kerasflow.cli import mnist as workflow  # imports Keras: not for `kerasflow --help`
        from kerasflow.datasets import mnist

        train, test, is_standin = mnist.find(arguments.data)
        notice = "kerasflow's stand-in digits, not MNIST" if is_standin else ""
        print(f"Keras {keras_version()} on kerasflow {kerasflow.__version__}, backend {kerasflow.backend()}")
        try:
            outcome = workflow.train(
                train,
                test,
                epochs=arguments.epochs,
                batch_size=arguments.batch_size,
                seed=arguments.seed,
                verbose=1 if sys.stdout.isatty() else 2,  # Bars fill a file with what they draw over.
            )
        except workflow.Interrupted as interrupt:
            print(flush=True)  # The progress bar has left its line open.
            raise KeyboardInterrupt(f"{interrupt}{_kept(interrupt, arguments.save)}") from None
        if arguments.save:
            with written_whole(arguments.save) as draft:
                outcome.model.save(draft)
            print(f"model saved as {arguments.save}")
        if arguments.plot:
            from kerasflow.inspect.drawing import draw_run

            with written_whole(arguments.plot) as draft:
                draw_run(outcome.history, *test, outcome.predictions, notice).savefig(draft)
            print(f"curves and predictions drawn into {arguments.plot}")
        print(f"whole time {time.perf_counter() - begun:.1f} s")
        result = f"test loss {outcome.loss:.4f}  test accuracy {outcome.accuracy:.4f}"
        print(f"{result}  ({notice})" if notice else result)
    return 0


def _kept(interrupt: Any, path: Path | None) -> str:
    """Saves the model of an interrupted training, if it has learnt anything; what there is to say of it."""
    if path is None:
        return ""
    if not interrupt.steps:
        return f"; {path} is not written"
    with written_whole(path) as draft:
        interrupt.model.save(draft)
    return f"; the model as it was then is saved as {path}"


def _run_arguments(parser: Parser) -> None:
    parser.usage = "%(prog)s -n N [options] script.py [argument …]"
    parser.epilog = (
        "Each batch is shared out among the processes; losses, metrics and weights are those of one process. The first "
        "one prints and writes files. The program may also be a module: -m package.train."
    )
    add = parser.add_argument
    add("-n", type=kinds.count, required=True, metavar="N", help="processes")
    add("--all-output", action="store_true", help="let all processes print, not the first one alone")
    add(
        "--launcher",
        default="",
        metavar="COMMAND",
        help="what starts the processes, with its own options (default: mpiexec): "
        '--launcher "mpiexec -hosts a,b"',
    )


def _run(arguments: argparse.Namespace) -> int:
    """Runs a program on several processes."""
    from kerasflow.cli.run import launch

    program = arguments.rest
    if not program:
        complain("kerasflow run", "name a program behind the options: kerasflow run -n 4 train.py")
        return 2
    if program[0] != "-m" and not Path(program[0]).is_file():
        complain("kerasflow run", f"there is no file {program[0]}")
        return 2
    return launch(arguments.n, program, arguments.all_output, arguments.launcher)


def _backends_arguments(parser: Parser) -> None:
    parser.add_argument("--json", action="store_true", help="for programs: a list of objects")


def _backends(arguments: argparse.Namespace) -> int:
    """Tells what backends there are; each is loaded in a process of its own."""
    from kerasflow.cli.backends import as_text, describe

    found = describe(kerasflow.backends())
    if arguments.json:
        print(json.dumps([dataclasses.asdict(backend) for backend in found], indent=2))
    else:
        print(as_text(found))
    return 0


# By how much losses and metrics may differ. In float32 those of small networks agree to 1e-6; after many steps
# rounding has moved the weights.
_TOLERANCE = 1e-3


def _compare_arguments(parser: Parser) -> None:
    add = parser.add_argument
    parser.usage = "%(prog)s [options] script.py --backends NAME,NAME [-- …]"
    parser.hint = " The script's own arguments stand behind --."
    parser.epilog = (
        "What stands behind -- are the script's own arguments. The exit code is 0 if the backends agree or drift apart "
        "no further than rounding explains, 1 if they disagree, 2 if they cannot be compared. Data that the script "
        "draws from generators without a seed of its own (numpy.random.default_rng()) differ from run to run, and so "
        "do the losses."
    )
    add("script", type=kinds.file, metavar="script.py", help="an ordinary Keras program")
    add(
        "--backends",
        type=kinds.backend_names,
        required=True,
        metavar="NAME,NAME",
        completer=backend_names,
        help="two or more; the others are compared with the first",
    )
    add(
        "--in-step",
        action="store_true",
        help="run two backends in one process, operation by operation on the same numbers, and stop at the first "
        "operation whose results differ",
    )
    add(
        "--tolerance",
        type=kinds.positive,
        metavar="X",
        help=f"relative difference that counts as agreement (default: {_TOLERANCE:g} for losses and metrics; "
        "with --in-step by dtype, 1e-4 for float32)",
    )
    add(
        "--seed",
        type=kinds.seed,
        default=0,
        metavar="N",
        help="unless the script sets one (default: %(default)s)",
    )
    add("--show-output", action="store_true", help="show what the script prints")


def _compare(arguments: argparse.Namespace) -> int:
    """Runs a program on several backends and compares; a backend that cannot be loaded is found before it begins."""
    from kerasflow.cli.backends import describe

    for description in describe(arguments.backends):
        if description.problem:
            raise UnknownBackendError(description.problem)

    return (_in_step if arguments.in_step else _side_by_side)(
        arguments, [str(arguments.script), *arguments.rest]
    )


def _side_by_side(arguments: argparse.Namespace, command: list[str]) -> int:
    from kerasflow.cli import compare

    def run(name: str, how: str = "", **nudged: bool) -> compare.Run:
        _announce(f"{command[0]} on {name}{how}")
        return compare.run(
            name, command, seed=arguments.seed, show=arguments.show_output, told=_telling(name), **nudged
        )

    runs = [run(name) for name in arguments.backends]
    found = list(compare.differences(runs))
    tolerance = arguments.tolerance or _TOLERANCE
    own = None
    if compare.may_be_drift(compare.beyond(found, tolerance)):
        again = run(runs[0].backend, " again, its weights changed in the last digits", nudged=True)
        own = list(compare.differences([runs[0], again]))
    verdict = compare.judge(found, tolerance, own)
    in_step = [f"--backends={runs[0].backend},{verdict.difference.backend}", "--in-step"]
    seed = [f"--seed={arguments.seed}"] if arguments.seed else []
    rest = ["--", *arguments.rest] if arguments.rest else []
    in_step = ["kerasflow", "compare", str(arguments.script), *in_step, *seed, *rest]
    print(compare.as_text(runs, found, tolerance, verdict, shlex.join(in_step)))
    return int(verdict.kind == compare.DISAGREE)


def _in_step(arguments: argparse.Namespace, command: list[str]) -> int:
    from kerasflow.cli import compare

    names = arguments.backends
    if len(names) != 2:
        raise ComparisonError(f"--in-step takes two backends; received {', '.join(names)}")
    _announce(f"{command[0]} on {' and '.join(names)} in step")
    found = compare.run_in_step(
        names,
        command,
        tolerance=arguments.tolerance,
        seed=arguments.seed,
        show=arguments.show_output,
        told=_telling(" and ".join(names)),
    )
    if found.disagreement:
        print(found.disagreement)
        return 1
    if not found.compared:
        raise ComparisonError(
            f"{command[0]} runs no programs that could be compared: it calls neither `fit`, `evaluate`, `predict` nor "
            "`kerasflow.jit`, or it runs eagerly, or it chooses its backends itself."
        )
    print(
        f"They agree: {found.compared} operations of {found.programs} programs compared, {found.seconds:.1f} s."
    )
    return 0


def _telling(name: str) -> Callable[[str], None] | None:
    """Who is told what happens on a backend: somebody at a terminal, if there is one."""
    if not sys.stderr.isatty():
        return None
    return lambda line: print(f"    {name}: {line}", file=sys.stderr, flush=True)


def _announce(what: str) -> None:
    print(f"running {what} …", file=sys.stderr, flush=True)


COMMANDS = (
    Command(
        "mnist",
        "train a network on the handwritten digits of MNIST, evaluate it, and read the test digits",
        _mnist_arguments,
        _mnist,
    ),
    Command(
        "run",
        "run a Keras program, unchanged, on several processes that share its batches out",
        _run_arguments,
        _run,
        before_program=frozenset(("-n", "--launcher")),
    ),
    Command(
        "compare",
        "run a Keras program on several backends and show losses, metrics, times and memory side by side",
        _compare_arguments,
        _compare,
        takes_rest=True,
    ),
    Command(
        "backends",
        "list the backends, with what they need and can use",
        _backends_arguments,
        _backends,
    ),
)
