"""Settings from the environment, and what is said of those that make no sense."""

import subprocess
import sys

import pytest

from kerasflow._settings import VARIABLES, Settings, from_environment, unknown_variables
from kerasflow.errors import SettingError


def test_the_environment_is_read():
    said = {
        "KERASFLOW_BACKEND": "pytensor",
        "KERASFLOW_THREADS": "3",
        "KERASFLOW_PROGRAMS": "7",
        "KERASFLOW_VERIFY": "0",
        "KERASFLOW_DEBUG_NANS": "1",
        "KERASFLOW_NOTEBOOK_EPOCHS": "1",
    }
    assert list(said) == list(VARIABLES)
    assert from_environment(said) == Settings("pytensor", 3, 7, False, True)
    assert from_environment({"KERASFLOW_VERIFY": "1"}).verify is True


def test_an_empty_variable_is_as_good_as_none():
    empty = dict.fromkeys(VARIABLES, "")
    assert from_environment(empty) == from_environment({}) == Settings("numpy", None, 128, True)


@pytest.mark.parametrize("name", ["KERASFLOW_THREADS", "KERASFLOW_PROGRAMS", "KERASFLOW_NOTEBOOK_EPOCHS"])
@pytest.mark.parametrize("number", ["0", "-1", "two", " ", "²", "9" * 5_000])
def test_what_is_no_number(name, number):
    with pytest.raises(SettingError, match=f"^{name} must be a positive integer; received '{number}'.$"):
        from_environment({name: number})


@pytest.mark.parametrize("text", ["2", "no", "True"])
def test_what_is_no_switch(text):
    with pytest.raises(SettingError, match=f"^KERASFLOW_VERIFY must be 0 or 1; received '{text}'.$"):
        from_environment({"KERASFLOW_VERIFY": text})


def test_what_is_no_backend():
    allowed = "^KERASFLOW_BACKEND must be one of the backends .*numpy.*; received "
    with pytest.raises(SettingError, match=f"{allowed}'Tensorflwo'. Did you mean 'tensorflow'\\?$"):
        from_environment({"KERASFLOW_BACKEND": "Tensorflwo"})
    with pytest.raises(SettingError, match=f"{allowed}'abacus'.$"):
        from_environment({"KERASFLOW_BACKEND": "abacus"})


def test_unknown_variables():
    environment = {"KERASFLOW_BACKNED": "numpy", "KERASFLOW_XYZ": "1", "OTHER": "", "KERASFLOW_THREADS": "2"}
    assert list(unknown_variables(environment)) == [
        "KERASFLOW_BACKNED is no setting of kerasflow, and changes nothing. Did you mean 'KERASFLOW_BACKEND'?",
        "KERASFLOW_XYZ is no setting of kerasflow, and changes nothing.",
    ]


COMMAND = "import sys; sys.argv[0] = 'bin/kerasflow'; from kerasflow.cli.main import main; sys.exit(main())"


def ran(*arguments, monkeypatch, **variables):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    "arguments",
    [("-m", "kerasflow", "no.py"), ("-mkerasflow", "no.py"), ("-c", COMMAND, "backends"), ("-c", COMMAND)],
    ids=["-m", "-m joined", "kerasflow backends", "kerasflow"],
)
def test_a_command_ends_with_one_line(arguments, monkeypatch):
    finished = ran(*arguments, monkeypatch=monkeypatch, KERASFLOW_THREADS="all")
    assert (finished.returncode, finished.stdout, finished.stderr) == (
        2,
        "",
        "kerasflow: error: KERASFLOW_THREADS must be a positive integer; received 'all'.\n",
    )


def test_a_program_gets_an_exception(monkeypatch):
    program = (
        "try: import kerasflow\nexcept ValueError as error: print(type(error).__name__, error, sep=': ')"
    )
    finished = ran("-c", program, monkeypatch=monkeypatch, KERASFLOW_VERIFY="no")
    assert finished.stdout == "SettingError: KERASFLOW_VERIFY must be 0 or 1; received 'no'.\n", (
        finished.stderr
    )


def test_an_unknown_variable_is_a_warning(tmp_path, monkeypatch):
    program = tmp_path / "program.py"
    program.write_text("import kerasflow\n")
    remark = (
        "KERASFLOW_THREAD is no setting of kerasflow, and changes nothing. Did you mean 'KERASFLOW_THREADS'?"
    )
    finished = ran(program, monkeypatch=monkeypatch, KERASFLOW_THREAD="2")
    assert finished.returncode == 0
    assert f"program.py:1: UserWarning: {remark}" in finished.stderr
    finished = ran("-c", COMMAND, monkeypatch=monkeypatch, KERASFLOW_THREAD="2")
    assert (finished.returncode, finished.stderr) == (0, f"kerasflow: warning: {remark}\n")
