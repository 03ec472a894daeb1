"""`kerasflow compare`: a program on several backends, in real processes, and what is said about it."""

import math
import re
import textwrap

import pytest
from plugins import POINTS, SOURCE

from kerasflow.cli import main as cli
from kerasflow.cli.compare import Difference, Epoch, Fit, Run, as_text, differences, judge, may_be_drift, run

# Prints a word, trains two models, the second with validation data, and takes the number of epochs as an argument.
TRAINING = """
    import sys
    import keras
    import numpy as np

    print("a word of the program", sys.argv[1:], __name__)
    x = np.random.normal(size=(64, 3)).astype("float32")
    y = (x[:, :1] > x[:, 1:2]).astype("float32")

    def make(name):
        model = keras.Sequential(
            [keras.Input((3,)), keras.layers.Dense(4, "tanh", name="hidden"), keras.layers.Dense(1)], name=name
        )
        model.compile("adam", "mse", metrics=["mae"])
        return model

    make("first").fit(x, y, epochs=2, verbose=0)
    second = make("second")
    second.fit(x, y, epochs=int(sys.argv[1]), validation_data=(x, y), callbacks=keras.callbacks.Callback())
    second.train_on_batch(x, y)
"""


@pytest.fixture
def compare(tmp_path, plugin, monkeypatch, capfd):
    """Writes a program, runs `kerasflow compare` on it, and gives the exit code, the output and the errors."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras_home"))
    monkeypatch.chdir(tmp_path)
    plugin("strange_backends", SOURCE, POINTS)

    def run(program, *options):
        (tmp_path / "program.py").write_text(textwrap.dedent(program))
        code = cli.main(["compare", "program.py", *options])
        return code, *capfd.readouterr()

    return run


def numbers(output, label):
    """The numbers in the first row with this label."""
    row = next(line for line in output.splitlines() if line.startswith(f"{label}  "))
    return [float(x) if x != "-" else None for x in row.removeprefix(label).replace("MB", "").split()]


def test_backends_that_agree(compare):
    code, output, errors = compare(TRAINING, "--backends", "numpy,right", "--", "3")
    assert code == 0, output + errors
    assert "a word" not in output + errors
    assert errors.splitlines() == ["running program.py on numpy …", "running program.py on right …"]
    assert all(len(line) <= 100 for line in output.splitlines())
    first, second = output.partition("fit 2 of second ")[::2]
    assert first.startswith("fit 1 of first ")
    for fit, epochs in ((first, 2), (second, 3)):
        for epoch in range(1, epochs + 1):
            ours, theirs, difference = numbers(fit, f"loss, epoch {epoch}")
            assert ours == pytest.approx(theirs, rel=1e-4)
            assert difference <= 1e-4
        assert len(numbers(fit, "first epoch, seconds")) == len(numbers(fit, "later epochs, median")) == 2
    assert "val_" not in first
    assert re.search(r"^val_mae, epoch [123] ", second, re.M)
    assert min(numbers(output, "whole program, seconds")) > 0
    assert all(20 < peak < 2000 for peak in numbers(output, "peak memory"))
    assert "`train_on_batch` was called 1 times" in output
    assert re.search(
        r"^They agree: the largest relative difference is .* \(fit \d, epoch \d, `\w+`\)", output, re.M
    )


def test_backends_that_disagree(compare, monkeypatch):
    monkeypatch.setenv("BROKEN", "tanh")
    code, output, _ = compare(TRAINING, "--backends", "numpy,wrong", "--tolerance", "1e-5", "--", "1")
    assert code == 1
    found = re.search(r"They disagree, first at fit 1, epoch 1, `(\w+)`: numpy (\S+), wrong (\S+)\n", output)
    assert found and found[1] in ("loss", "mae")
    assert 1e-5 < abs(float(found[2]) / float(found[3]) - 1) < 1e-1
    assert "tolerance 1e-05" in output
    assert "It is more than rounding: numpy itself" in output
    assert output.endswith("which:\n    kerasflow compare program.py --backends=numpy,wrong --in-step -- 1\n")


def test_three_backends_and_their_output(compare):
    code, output, _ = compare(TRAINING, "--backends", "numpy,right,another", "--show-output", "--", "1")
    assert code == 0
    assert output.count("a word of the program ['1'] __main__") == 3
    assert len(numbers(output[output.index("fit 1") :], "loss, epoch 1")) == 4


def test_the_seed(tmp_path):
    script = tmp_path / "program.py"
    script.write_text(textwrap.dedent(TRAINING))
    first, second = (run("numpy", [str(script), "1"], seed=seed) for seed in (0, 1))
    assert first.fits[0].value(1, "loss") != second.fits[0].value(1, "loss")


def test_one_backend_stops_earlier(compare):
    program = TRAINING + '\n    if kerasflow.backend() == "right": second.fit(x, y, epochs=1)'
    program = program.replace("import sys\n", "import sys\n    import kerasflow\n", 1)
    code, output, _ = compare(program, "--backends", "numpy,right", "--", "1")
    assert code == 1
    assert re.search(r"^fit 3 of second ", output, re.M)
    assert "first at fit 3, epoch 1, `loss`: numpy -, right 0." in output


@pytest.mark.parametrize(
    ("program", "options", "complaint"),
    [
        (
            "",
            ["numpy,abacus"],
            r"no backend 'abacus'. Available: another, backwards, homeless, numpy, .*right",
        ),
        (
            "raise SystemExit(3)",  # it does not come so far
            ["numpy,homeless"],
            r"needs the module 'strange_backends_elsewhere', .* pip install \"strange-backends\[homeless\]\"",
        ),
        ("1 / 0", ["numpy,right"], r"program.py failed on numpy, with exit code 1:.*ZeroDivisionError"),
        (
            "import sys, kerasflow, keras, numpy as np\nif kerasflow.backend() == 'right': sys.exit('no more')\n"
            "model = keras.Sequential([keras.layers.Dense(1)])\nmodel.compile('sgd', 'mse')\n"
            "model.fit(np.ones((4, 1)), np.ones((4, 1)), verbose=0)",
            ["numpy,right"],
            r"failed on right, with exit code 1:.*no more",
        ),
        ("import os; os._exit(0)", ["numpy,right"], r"failed on numpy, with exit code 0"),
        ("import keras, sys; sys.exit(0)", ["numpy,right"], r"trains nothing that can be compared"),
        ("", ["numpy,right,another", "--in-step"], r"--in-step takes two backends"),
        ("import keras", ["numpy,right", "--in-step"], r"runs no programs that could be compared"),
    ],
)
def test_what_cannot_be_compared(program, options, complaint, compare):
    code, output, errors = compare(program, "--backends", *options)
    assert (code, output) == (2, "")
    assert re.search(complaint, errors, re.S), errors


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["nowhere.py", "--backends", "a,b"], "there is no file nowhere.py"),
        (["program.py", "--backends", "numpy"], "expected two or more different names; received 'numpy'"),
        (["program.py", "--backends", "numpy,numpy"], "expected two or more different names"),
        (["program.py"], "--backends"),
        (
            ["program.py", "--backends", "a,b", "--tolerance", "-1"],
            "expected a positive number; received '-1'",
        ),
        (["program.py", "--backends", "a,b", "--epochs", "3"], "The script's own arguments stand behind --."),
    ],
)
def test_mistakes_in_the_arguments(options, complaint, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "program.py").write_text("")
    with pytest.raises(SystemExit, match="2"):
        cli.main(["compare", *options])
    assert complaint in capsys.readouterr().err


def test_only_a_script_has_arguments_of_its_own(capsys):
    with pytest.raises(SystemExit, match="2"):
        cli.main(["backends", "--", "--epochs"])
    assert "backends: error: it takes no arguments behind --; received --epochs" in capsys.readouterr().err


# -- rounding that grows --------------------------------------------------------------------------------------

# A training that makes much of rounding: at this rate the weights jump about.
CHAOTIC = """
    import keras
    import numpy as np

    x = np.random.normal(size=(64, 4)).astype("float32")
    y = np.sin(3 * x[:, :1] * x[:, 1:2])
    model = keras.Sequential(
        [keras.Input((4,)), *[keras.layers.Dense(32, "tanh") for _ in range(3)], keras.layers.Dense(1, "tanh")]
    )
    model.compile(keras.optimizers.Adam(0.05), "mse")
    model.fit(x, y, epochs=8, batch_size=8, verbose=0)
"""


def test_drift(compare):
    code, output, errors = compare(CHAOTIC, "--backends", "numpy,another")
    assert code == 0, output
    assert (
        errors.splitlines()[-1]
        == "running program.py on numpy again, its weights changed in the last digits …"
    )
    found = re.search(
        r"They drift apart, first at epoch (\d+), `loss`: numpy \S+, another \S+\n"
        r"\(relative difference (\S+), tolerance 0.001\)\..* comes to (\S+) by then\.",
        output,
        re.S,
    )
    assert found, output
    epoch, difference, own = map(float, found.groups())
    assert epoch > 1 and 1e-3 < difference <= 10 * own * 1.05
    assert "kerasflow compare program.py --backends=numpy,another --in-step" in output


def test_what_is_drift():
    def apart(relative, epoch=1, fit=1, metric="loss"):
        return Difference(fit, epoch, metric, "other", 1.0, 1.0 + relative)

    own = [apart(1e-6), apart(1e-4, 2), apart(1e-5, 3), apart(0, 1, 2)]
    for found, kind, where in (
        ([apart(1e-7), apart(5e-4, 2)], "agree", 1),
        ([apart(1e-7), apart(5e-3, 2)], "disagree", 1),
        ([apart(1e-7), apart(1.5e-3, 2), apart(1e-3 + 1e-6, 3)], "disagree", 1),
        ([apart(5e-3), apart(1e-3, 2)], "disagree", 0),
        ([apart(1e-7), apart(9e-4, 2)], "agree", 1),
    ):
        verdict = judge(found, 1e-3, own)
        assert (verdict.kind, verdict.difference) == (kind, found[where])
    # As far as ten times the first backend's own two runs; what has grown stays, in later epochs and fits.
    drifting = [apart(9e-4, 2), apart(9e-4, 3, metric="mae"), apart(9e-4, 1, 2)]
    verdict = judge(drifting, 1e-5, own)
    assert (verdict.kind, verdict.difference, verdict.own) == (
        "drift",
        drifting[0],
        pytest.approx(1e-4, rel=1e-3),
    )
    assert judge(drifting, 1e-5).kind == "disagree"
    assert not may_be_drift([apart(1e-2), Difference(1, 1, "loss", "other", 1.0, math.nan)])
    assert may_be_drift([apart(1e-2)]) and not may_be_drift([])


def test_progress_on_a_terminal(compare, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    code, _, errors = compare(TRAINING, "--backends", "numpy,right", "--", "2")
    assert code == 0
    lines = errors.splitlines()
    for name in ("numpy", "right"):
        told = [line for line in lines if line.startswith(f"    {name}: ")]
        assert [line.split(", ")[:2] for line in told] == [
            [f"    {name}: fit {fit}", f"epoch {epoch}"] for fit in (1, 2) for epoch in (1, 2)
        ]
        assert re.search(r", loss [\d.]+, [\d.]+ s$", told[0])


# -- in step --------------------------------------------------------------------------------------------------


def test_in_step(compare, monkeypatch):
    options = ("--in-step", "--backends", "numpy,wrong", "--", "1")
    code, output, errors = compare(TRAINING, *options)
    assert code == 0, output + errors
    agreed = re.fullmatch(r"They agree: (\d+) operations of (\d+) programs compared, [\d.]+ s\.\n", output)
    assert agreed and int(agreed[1]) > 100
    monkeypatch.setenv("BROKEN", "tanh")
    code, output, _ = compare(TRAINING, *options)
    assert code == 1
    assert output.startswith("The backends differ at `tanh` in first/hidden:")


# -- numbers --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("a", "b", "relative"),
    [
        (2.0, 2.0, 0),
        (2.0, 1.0, 0.5),
        (-1.0, 1.0, 2),
        (0.0, 0.0, 0),
        (1e-9, 0.0, 1e-3),  # numbers below 1e-6 count as that much
        (math.nan, math.nan, 0),
        (math.inf, math.inf, 0),
        (math.nan, 1.0, math.inf),
        (math.inf, 1.0, math.inf),
        (None, 1.0, math.inf),
    ],
)
def test_relative_difference(a, b, relative):
    for pair in ((a, b), (b, a)):
        assert Difference(1, 1, "loss", "other", *pair).relative == pytest.approx(relative)


def test_a_long_training_is_shortened_and_a_long_name_too():
    name = "a_metric_with_a_name_that_does_not_want_to_end"

    def trained(backend, factor):
        epochs = [Epoch(0.1, {"loss": factor / (k + 1), name: 1.0}) for k in range(500)]
        return Run(backend, [Fit("model", epochs)], 0, 1.0, None)

    runs = [trained("one", 1.0), trained("two", 1.0), trained("three", 1.25)]
    found = list(differences(runs))
    assert len(found) == 500 * 2 * 2
    text = as_text(runs, found, 1e-3, judge(found, 1e-3))
    assert len(text.splitlines()) < 40
    assert numbers(text, "loss, epoch 10") == [0.1, 0.1, 0.125, 0.2]
    assert "loss, epoch 11 " not in text and "loss, epoch 491 " in text and "loss, epoch 500 " in text
    assert all(len(line) <= 100 for line in text.splitlines())
    assert numbers(text, "peak memory") == [None] * 3
    assert text.endswith("three 1.25\n(relative difference 2.0e-01, tolerance 0.001).")
