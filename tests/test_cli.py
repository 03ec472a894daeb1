"""The `kerasflow` command: what it does, and that mistakes are found before the training."""

import contextlib
import io
import os
import re
import signal
import subprocess
import sys
from importlib.metadata import version

import keras
import numpy as np
import pytest

import kerasflow
from kerasflow.cli import main as cli
from kerasflow.cli import mnist as workflow
from kerasflow.cli import screen
from kerasflow.datasets import standin


@pytest.fixture(autouse=True)
def clean_place(tmp_path, monkeypatch):
    """Every run in an empty folder, with an empty Keras home."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras_home"))
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """A small file in MNIST's form."""
    path = tmp_path_factory.mktemp("data") / "small.npz"
    (x_train, y_train), (x_test, y_test) = standin.load_data(1_800, 300)
    np.savez_compressed(path, x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)
    return str(path)


def test_mnist_trains_plots_and_saves(data, clean_place, capfd):
    import keras

    command = ["mnist", "--data", data, "--epochs", "2", "--batch-size", "100"]
    assert cli.main([*command, "--plot", "run.png", "--save", "model.keras"]) == 0
    screen = capfd.readouterr().out
    assert "Epoch 2/2" in screen
    assert "backend numpy" in screen
    result = re.fullmatch(r"test loss (\d\.\d{4})  test accuracy (\d\.\d{4})", screen.splitlines()[-1])
    assert result
    assert re.fullmatch(r"whole time \d+\.\d s", screen.splitlines()[-2])
    assert "\x1b" not in screen and "\b" not in screen  # no terminal
    assert sorted(path.name for path in clean_place.iterdir()) == ["model.keras", "run.png"]
    assert (clean_place / "run.png").read_bytes().startswith(b"\x89PNG")

    model = keras.models.load_model("model.keras")
    _, test = standin.load_data(1_800, 300)
    loss, accuracy = model.evaluate(*workflow.prepare(*test), verbose=0)
    assert f"{loss:.4f} {accuracy:.4f}" == " ".join(result.groups())


def test_results_on_the_stand_in_say_so(clean_place, monkeypatch, capfd):
    import keras

    from kerasflow.inspect import drawing as plotting

    def no_network(**_):
        raise Exception("URL fetch failure: no route to host")

    digits = standin.load_data(1_200, 100)
    monkeypatch.setattr(keras.datasets.mnist, "load_data", no_network)
    monkeypatch.setattr(standin, "load_data", lambda: digits)
    figures, draw = [], plotting.draw_run
    monkeypatch.setattr(plotting, "draw_run", lambda *args: figures.append(draw(*args)) or figures[0])
    assert cli.main(["mnist", "--epochs", "1", "--plot", "run.png"]) == 0
    screen = capfd.readouterr().out
    assert "kerasflow mnist --data FILE.npz" in screen.partition("Epoch 1/1")[0]
    assert screen.splitlines()[-1].endswith("  (kerasflow's stand-in digits, not MNIST)")
    curves, _ = figures[0].subfigs
    assert curves.get_suptitle() == "kerasflow's stand-in digits, not MNIST"
    assert [[tick for tick in axes.get_xticks() if 0.5 <= tick <= 1.5] for axes in curves.axes] == [[1], [1]]
    assert all(axes.get_xlim() == (0.5, 1.5) for axes in curves.axes)


def test_the_same_seed_gives_the_same_numbers(data, capfd):
    def last_line(*options):
        assert cli.main(["mnist", "--data", data, "--epochs", "1", *options]) == 0
        return capfd.readouterr().out.splitlines()[-1]

    first = last_line("--seed", "7")
    assert last_line("--seed", "7") == first
    assert last_line("--seed", "8") != first


@pytest.fixture
def no_training(monkeypatch):
    monkeypatch.setattr(workflow, "train", lambda *_, **__: pytest.fail("the training began"))


@pytest.mark.usefixtures("no_training")
@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--backend", "abacus"], r"abacus.*numpy"),
        (["--epochs", "0"], r"--epochs: expected a whole number of at least 1; received '0'"),
        (["--epochs", "many"], r"--epochs: expected a whole number; received 'many'"),
        (["--batch-size", "-5"], r"--batch-size: expected a whole number of at least 1"),
        (["--seed", "-1"], r"--seed: expected a whole number from 0 to 4294967295; received '-1'"),
        (["--data", "nowhere.npz"], r"--data: there is no file nowhere\.npz"),
        (
            ["--plot", "run.txt"],
            r"--plot: the name has to end in \.png or \.pdf or \.svg; received 'run\.txt'",
        ),
        (["--plot", "missing/run.png"], r"--plot: there is no folder missing; make it first"),
        (["--plot", "folder.png"], r"--plot: folder\.png is a folder"),
        (["--plot", "file/run.png"], r"--plot: there is no folder file"),
        (["--save", "model.h5"], r"--save: the name has to end in \.keras"),
        (["--save", "missing/model.keras"], r"--save: there is no folder missing"),
        (["--data", "file"], r"error: file is not a usable MNIST file"),
        (["--surprise"], r"there is no option --surprise\.$"),
        (["--epcohs=3"], r"kerasflow mnist: error: there is no option --epcohs\. Did you mean '--epochs'\?"),
        (["--backend", "nmupy"], r"no backend 'nmupy'\. Did you mean 'numpy'\?"),
    ],
    ids=" ".join,
)
def test_a_mistake_is_told_before_the_training(options, complaint, data, clean_place, capsys):
    (clean_place / "folder.png").mkdir()
    (clean_place / "file").write_text("no archive")
    before = sorted(clean_place.rglob("*"))
    try:
        code = cli.main(["mnist", "--data", data, *options])
    except SystemExit as end:  # argparse's way
        code = end.code
    errors = capsys.readouterr().err
    assert code == 2
    assert re.search(complaint, errors.strip().replace("\n", " ")), errors
    assert "Traceback" not in errors
    assert sorted(clean_place.rglob("*")) == before


@pytest.mark.usefixtures("no_training")
def test_a_folder_that_takes_no_files_is_found_before_the_training(data, monkeypatch, capsys):
    def refuse(**_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)  # root may write anywhere
    with pytest.raises(SystemExit, match="2"):
        cli.main(["mnist", "--data", data, "--plot", "run.png"])
    assert "nothing can be written into .: Permission denied" in capsys.readouterr().err


@pytest.mark.usefixtures("no_training")
def test_without_matplotlib_a_plot_is_refused_before_the_training(data, monkeypatch, capsys):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(SystemExit, match="2"):
        cli.main(["mnist", "--data", data, "--plot", "run.png"])
    assert 'pip install "kerasflow[plot]"' in capsys.readouterr().err


def test_too_few_images_are_an_error(tmp_path, capsys):
    (x_train, y_train), (x_test, y_test) = standin.load_data(1_000, 10)
    np.savez(tmp_path / "few.npz", x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)
    assert cli.main(["mnist", "--data", str(tmp_path / "few.npz")]) == 2
    assert "more than 1,000 images" in capsys.readouterr().err


def test_a_failed_save_leaves_the_old_file(data, clean_place, monkeypatch, capsys):
    class FullDisk:
        def save(self, path):
            path.write_bytes(b"half a mod")
            raise OSError(28, "No space left on device")

    outcome = workflow.Outcome(FullDisk(), {}, 0.0, 1.0, np.zeros((300, 10), np.float32))
    monkeypatch.setattr(workflow, "train", lambda *_, **__: outcome)
    (clean_place / "model.keras").write_text("the old one")
    assert cli.main(["mnist", "--data", data, "--save", "model.keras"]) == 2
    assert "model.keras could not be written: [Errno 28]" in capsys.readouterr().err
    assert [path.name for path in clean_place.iterdir()] == ["model.keras"]
    assert (clean_place / "model.keras").read_text() == "the old one"


@pytest.fixture
def interrupted_at(monkeypatch):
    """Has Ctrl-C pressed at the beginning of a step; gives the weights as they were then."""
    import keras

    weights = []

    class Press(keras.callbacks.Callback):
        def __init__(self, step):
            super().__init__()
            self.left = step

        def on_train_batch_begin(self, batch, logs=None):
            if not self.left:
                weights[:] = self.model.get_weights()
                signal.raise_signal(signal.SIGINT)
            self.left -= 1

    def at(step):
        fit = keras.Model.fit
        monkeypatch.setattr(keras.Model, "fit", lambda *a, **k: fit(*a, **k, callbacks=[Press(step)]))
        return weights

    return at


def test_an_interrupted_training_is_kept(data, interrupted_at, capsys):
    import keras

    weights = interrupted_at(13)
    command = ["mnist", "--data", data, "--epochs", "3", "--batch-size", "100", "--save", "model.keras"]
    assert cli.main(command) == 130
    assert capsys.readouterr().err == (
        "interrupted after 1 of 3 epochs, 13 steps in all; the model as it was then is saved as model.keras\n"
    )
    model = keras.models.load_model("model.keras")
    assert int(model.optimizer.iterations) == 13
    for kept, expected in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(kept, expected)


def test_what_has_learnt_nothing_replaces_nothing(data, interrupted_at, clean_place, capsys):
    interrupted_at(0)
    (clean_place / "model.keras").write_text("the old one")
    assert cli.main(["mnist", "--data", data, "--save", "model.keras"]) == 130
    assert "0 of 20 epochs, 0 steps in all; model.keras is not written" in capsys.readouterr().err
    assert (clean_place / "model.keras").read_text() == "the old one"


def test_an_interruption_ends_without_a_traceback(data, monkeypatch, capsys):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(workflow, "train", interrupt)
    assert cli.main(["mnist", "--data", data]) == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_the_backend_is_in_force_for_the_run_alone(data, monkeypatch):
    seen = []
    outcome = workflow.Outcome(None, {}, 0.0, 1.0, np.zeros((300, 10), np.float32))
    monkeypatch.setattr(workflow, "train", lambda *_, **__: seen.append(kerasflow.backend()) or outcome)
    before = kerasflow.backend()
    assert cli.main(["mnist", "--data", data, "--backend", "numpy"]) == 0
    assert seen == ["numpy"]
    assert kerasflow.backend() == before


def test_help(capsys):
    for options, expected in ((["--help"], "mnist"), (["mnist", "--help"], "--plot")):
        with pytest.raises(SystemExit, match="0"):
            cli.main(options)
        assert expected in capsys.readouterr().out


COMMAND_LINE = "import sys; from kerasflow.cli.main import main; sys.exit(main(sys.argv[1:]))"


@pytest.mark.parametrize("command", [("-m", "kerasflow", "--help"), ("-c", COMMAND_LINE, "run", "--help")])
def test_what_an_encoding_lacks_ends_nothing(command):
    variables = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    done = subprocess.run([sys.executable, *command], env=variables, capture_output=True, check=False)
    assert done.returncode == 0 and b"script.py [argument ?]" in done.stdout, done.stderr


def test_without_a_command_it_says_how_to_begin(capsys):
    assert cli.main([]) == 0
    screen = capsys.readouterr()
    assert screen.out.startswith("usage: kerasflow ")
    assert "\nto begin:\n  kerasflow mnist" in screen.out
    assert screen.err == ""


@pytest.mark.parametrize(
    "arguments",
    [
        ["mnist", "--data", "\x1b[2J"],
        ["mnist", "--\x1b[2J"],
        ["mnist", "\x1b[2J"],
        ["mnist", "--save", "\x1b[2J/model.keras"],
        ["compare", "\x1b[2J.py", "--backends", "a,b"],
        ["run", "-n", "2", "\x1b[2J.py"],
    ],
)
def test_what_is_cited_of_a_command_is_text(arguments, capsys):
    with contextlib.suppress(SystemExit):
        assert cli.main(arguments) == 2
    errors = capsys.readouterr().err
    assert r"\x1b[2J" in errors and "\x1b" not in errors


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["mnits"], "kerasflow: error: there is no command 'mnits'. Did you mean 'mnist'? Commands: mnist, "),
        (
            ["surprise"],
            "kerasflow: error: there is no command 'surprise'. Commands: mnist, run, compare, backends\n",
        ),
        (["--verison"], "kerasflow: error: there is no option --verison. Did you mean '--version'?\n"),
        (
            ["backends", "--jsno"],
            "kerasflow backends: error: there is no option --jsno. Did you mean '--json'?\n",
        ),
        (["compare", "--backnds", "a,b"], "there is no option --backnds. Did you mean '--backends'?\n"),
        (["version"], "there is no command 'version'. Did you mean '--version'? Commands: mnist, "),
        (["-V"], "kerasflow: error: there is no option -V. Options: -h, --help, --version\n"),
        (["-m", "pkg"], "-m is no command. To run a program: python -m kerasflow -m pkg\n"),
        (
            ["backends", "all"],
            "usage: kerasflow backends [-h] [--json]\nkerasflow backends: error: unrecognized ",
        ),
    ],
)
def test_what_may_have_been_meant(arguments, complaint, capsys):
    with pytest.raises(SystemExit, match="2"):
        cli.main(arguments)
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize("columns", ["80", "120"])
def test_screens_are_as_wide_as_the_terminal(columns, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", columns)
    for options in (["--help"], *([command.name, "--help"] for command in cli.COMMANDS)):
        with pytest.raises(SystemExit, match="0"):
            cli.main(options)
    lines = capsys.readouterr().out.splitlines()
    assert int(columns) - 20 < max(map(len, lines)) <= int(columns)


def test_the_versions_for_a_report(monkeypatch, capsys):
    monkeypatch.setenv("KERASFLOW_THREADS", "2")
    with pytest.raises(SystemExit, match="0"):
        cli.main(["--version"])
    found = dict(re.split(r"\s{2,}", line, maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert found["kerasflow"] == kerasflow.__version__
    assert found["Python"].startswith(sys.version.split()[0])
    assert (found["Keras"], found["NumPy"]) == (keras.__version__, np.__version__)
    assert {"BLAS", "threads", "platform", "processor"} <= set(found)
    for name in kerasflow.backends():
        assert found[f"backend {name}"].startswith("kerasflow")
    assert f"pytensor {version('pytensor')}" in found["backend pytensor"]
    assert found["KERASFLOW_THREADS"] == "2"


def test_the_versions_of_a_strangers_backend(plugin, tmp_path, capsys):
    plugin("odd_backends", "", {"odd": "odd_backends:Backend", "homeless": "nowhere:Backend"})
    with (tmp_path / "odd_backends-1.0.dist-info" / "METADATA").open("a") as file:
        file.write("Requires-Dist: numpy>=2\nRequires-Dist: kerasflow\n")
        file.write("Requires-Dist: no-such-framework[gpu]>=1; extra == 'homeless'\n")
    with pytest.raises(SystemExit, match="0"):
        cli.main(["--version"])
    screen = capsys.readouterr().out
    assert re.search(rf"backend odd +odd-backends 1.0, numpy {np.__version__}\n", screen)
    assert re.search(rf"backend homeless +odd-backends 1.0, numpy {np.__version__}\n", screen)


def test_the_versions_need_no_framework():
    program = (
        "import sys; from kerasflow.cli.main import main\n"
        "try: main(['--version'])\n"
        "except SystemExit: print(sorted({'keras', 'tensorflow', 'pytensor'} & set(sys.modules)))"
    )
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert finished.stdout.splitlines()[-1] == "[]", finished


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("kerasflow mn", ["mnist"]),
        ("kerasflow mnist --ep", ["--epochs"]),
        ("kerasflow mnist --backend pyt", ["pytensor"]),
        ("kerasflow compare --backends numpy,t", ["numpy,tensorflow"]),
    ],
)
def test_a_shell_completes_the_line(line, expected, clean_place, monkeypatch):
    pytest.importorskip("argcomplete")
    asked = {
        "_ARGCOMPLETE": "1",
        "_ARGCOMPLETE_IFS": " ",
        "_ARGCOMPLETE_STDOUT_FILENAME": "answer",
        "COMP_LINE": line,
        "COMP_POINT": str(len(line)),
    }
    for name, value in asked.items():
        monkeypatch.setenv(name, value)
    program = "from kerasflow.cli.main import main; main()"
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert finished.returncode == 0, finished.stderr
    assert (clean_place / "answer").read_text().split() == expected


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("stream", "variables", "shown"),
    [
        (Terminal, {}, True),
        (Terminal, {"NO_COLOR": ""}, True),
        (Terminal, {"NO_COLOR": "1"}, False),
        (Terminal, {"TERM": "dumb"}, False),
        (io.StringIO, {}, False),
    ],
)
def test_colours_are_for_terminals_that_want_them(stream, variables, shown, monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stdout", stream())
    monkeypatch.setattr(sys, "stderr", stream())
    with screen.without_unwanted_colours():
        print("\x1b[1m3/4\x1b[0m \x1b[32m━━\x1b[0m", flush=True)
        assert sys.stdout.isatty() is (stream is Terminal)
    screen.complain("kerasflow", "no")
    assert sys.stdout.getvalue() == ("\x1b[1m3/4\x1b[0m \x1b[32m━━\x1b[0m\n" if shown else "3/4 ━━\n")
    error = "\x1b[1;31merror:\x1b[0m" if shown else "error:"
    assert sys.stderr.getvalue() == f"kerasflow: {error} no\n"


def test_a_program_is_no_command(capsys):
    with pytest.raises(SystemExit, match="2"):
        cli.main(["train.py", "--fast"])
    assert (
        "train.py is no command. To run a program: python -m kerasflow train.py --fast"
        in capsys.readouterr().err
    )
