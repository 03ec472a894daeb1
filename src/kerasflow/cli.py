"""The `kerasflow` command."""

from __future__ import annotations

import argparse
import importlib.util
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import kerasflow
from kerasflow.errors import KerasflowError
from kerasflow.files import check_writable, written_whole


@dataclass(frozen=True)
class Command:
    """A subcommand: what it is called, what it takes, and what it does with that."""

    name: str
    help: str
    add_arguments: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace], None]


def main(argv: Sequence[str] | None = None) -> int:
    """Runs the command line `argv` (default: the process's own) and returns its exit code.

    A mistake in the arguments, in a file or in a backend's name ends with a message on the error stream and code 2.
    """
    arguments = _parser().parse_args(argv)
    try:
        arguments.command.run(arguments)
    except KerasflowError as problem:
        print(f"kerasflow {arguments.command.name}: error: {problem}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="kerasflow", description="Keras 3 on pure NumPy.")
    parser.add_argument("--version", action="version", version=f"kerasflow {kerasflow.__version__}")
    commands = parser.add_subparsers(metavar="command", required=True)
    for command in COMMANDS:
        subparser = commands.add_parser(command.name, help=command.help, description=command.help)
        command.add_arguments(subparser)
        subparser.set_defaults(command=command)
    return parser


def _mnist_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    default = "(default: %(default)s)"
    names = ", ".join(kerasflow.backends())
    add(
        "--backend",
        default=kerasflow.backend(),
        metavar="NAME",
        help=f"what runs the network: {names} {default}",
    )
    add("--epochs", type=_count, default=20, metavar="N", help=f"passes over the training images {default}")
    add("--batch-size", type=_count, default=128, metavar="N", help=f"images a step {default}")
    add("--seed", type=_seed, default=0, metavar="N", help=f"of weights, shuffling and dropout {default}")
    add(
        "--data",
        type=_data_file,
        metavar="FILE.npz",
        help="MNIST in Keras's form; else it is found as Keras does",
    )
    add("--plot", type=_plot_file, metavar="FILE.png", help="draw curves and some predictions")
    add("--save", type=_model_file, metavar="FILE.keras", help="save the trained model")


def _mnist(arguments: argparse.Namespace) -> None:
    """Trains on MNIST. All that can be wrong in the arguments is found before the training begins."""
    with kerasflow.use_backend(arguments.backend):
        from kerasflow import workflow  # imports Keras: not for `kerasflow --help`
        from kerasflow.datasets import mnist

        train, test = mnist.load_data(arguments.data)
        print(f"Keras {version('keras')} on kerasflow {kerasflow.__version__}, backend {kerasflow.backend()}")
        outcome = workflow.train(
            train, test, epochs=arguments.epochs, batch_size=arguments.batch_size, seed=arguments.seed
        )
        if arguments.save:
            with written_whole(arguments.save) as draft:
                outcome.model.save(draft)
            print(f"model saved as {arguments.save}")
        if arguments.plot:
            from kerasflow.plotting import draw_run

            with written_whole(arguments.plot) as draft:
                draw_run(outcome.history, *test, outcome.predictions).savefig(draft)
            print(f"curves and predictions drawn into {arguments.plot}")
        print(f"test loss {outcome.loss:.4f}  test accuracy {outcome.accuracy:.4f}")


COMMANDS = (
    Command(
        "mnist",
        "train a network on the handwritten digits of MNIST, evaluate it, and read the test digits",
        _mnist_arguments,
        _mnist,
    ),
)


# What argparse calls on an argument's text. Its ArgumentTypeErrors become the message, with the option's name.


def _integer(text: str, least: int, most: int | None = None) -> int:
    try:
        number = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a whole number; received {text!r}") from None
    if number < least or (most is not None and number > most):
        limits = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise argparse.ArgumentTypeError(f"expected a whole number {limits}; received {text!r}")
    return number


def _count(text: str) -> int:
    return _integer(text, 1)


def _seed(text: str) -> int:
    return _integer(text, 0, 2**32 - 1)  # what NumPy's and so Keras's global seed may be


def _data_file(text: str) -> Path:
    if not Path(text).is_file():
        raise argparse.ArgumentTypeError(f"there is no file {text}")
    return Path(text)


def _output_file(text: str, *suffixes: str) -> Path:
    path = Path(text)
    try:
        check_writable(path, suffixes)
    except KerasflowError as problem:
        raise argparse.ArgumentTypeError(str(problem)) from problem
    return path


def _plot_file(text: str) -> Path:
    if importlib.util.find_spec("matplotlib") is None:
        raise argparse.ArgumentTypeError('drawing needs matplotlib: pip install "kerasflow[plot]"')
    return _output_file(text, ".png", ".pdf", ".svg")


def _model_file(text: str) -> Path:
    return _output_file(text, ".keras")
