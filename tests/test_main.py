"""`python -m kerasflow` and `%load_ext kerasflow`: unchanged programs run on kerasflow."""

import json
import os
import subprocess
import sys
import textwrap

import pytest

REPORT = """
    import json, sys
    import neighbour
    import keras
    print(json.dumps({
        "argv": sys.argv,
        "name": __name__,
        "kerasflow": "kerasflow" in sys.modules,
        "version": keras.__version__,
        "frameworks": sorted({"jax", "tensorflow", "torch"} & set(sys.modules)),
    }))
"""


@pytest.fixture
def folder(tmp_path):
    """A program with a module beside it."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "report.py").write_text(textwrap.dedent(REPORT))
    (programs / "neighbour.py").write_text("")
    return programs


def python(*arguments, cwd, **variables):
    environment = {
        key: value for key, value in os.environ.items() if key not in ("KERAS_BACKEND", "KERASFLOW_BACKEND")
    }
    environment |= {"KERAS_HOME": str(cwd / "keras_home"), **variables}
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


def report(finished):

    assert finished.returncode == 0, finished.stderr
    return json.loads(finished.stdout.splitlines()[-1])


def test_a_script_runs_as_python_would_run_it(folder, tmp_path):
    script = folder / "report.py"
    found = report(python("-m", "kerasflow", script, "--fast", "-m", cwd=tmp_path))
    assert found["argv"] == [str(script), "--fast", "-m"]
    assert found["name"] == "__main__"
    assert found["kerasflow"]
    assert found["frameworks"] == []


def test_a_module_runs_as_python_would_run_it(folder):
    found = report(python("-m", "kerasflow", "-m", "report", "x", cwd=folder))
    assert found["argv"] == [str(folder / "report.py"), "x"]
    assert found["name"] == "__main__"
    assert found["kerasflow"]


POOL = """
    import json, multiprocessing, sys
    from concurrent.futures import ProcessPoolExecutor
    import keras

    def look(*methods):
        frameworks = sorted({"jax", "tensorflow", "torch"} & set(sys.modules))
        engine = sys.modules["kerasflow"].backend() if "kerasflow" in sys.modules else None
        found = [[keras.backend.backend(), engine, frameworks]]
        if methods:
            with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(methods[0])) as pool:
                found += pool.submit(look, *methods[1:]).result()
        return found

    if __name__ == "__main__":
        print(json.dumps(look("spawn", "forkserver")))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no forkserver")
def test_processes_that_the_program_starts_run_on_kerasflow(tmp_path):
    (tmp_path / "pool.py").write_text(textwrap.dedent(POOL))
    # A backend that no process uses: that each of them has its name is enough.
    found = report(python("-m", "kerasflow", "pool.py", cwd=tmp_path, KERASFLOW_BACKEND="pytensor"))
    assert found == [["numpy", "pytensor", []]] * 3


def test_the_exit_code_is_the_scripts(folder):
    (folder / "quit.py").write_text("import sys; sys.exit(7)")
    assert python("-m", "kerasflow", "quit.py", cwd=folder).returncode == 7
    (folder / "crash.py").write_text("1 / 0")
    finished = python("-m", "kerasflow", "crash.py", cwd=folder)
    assert finished.returncode == 1
    assert "ZeroDivisionError" in finished.stderr


def test_mistakes_and_help(tmp_path):
    finished = python("-m", "kerasflow", "nowhere.py", cwd=tmp_path)
    assert (finished.returncode, finished.stderr) == (2, "python -m kerasflow: there is no file nowhere.py\n")
    (tmp_path / "train.py").write_text("")
    finished = python("-m", "kerasflow", "trian.py", cwd=tmp_path)
    expected = "python -m kerasflow: there is no file trian.py. Did you mean 'train.py'?\n"
    assert (finished.returncode, finished.stderr) == (2, expected)
    finished = python("-m", "kerasflow", "mnist", "--epochs", "1", cwd=tmp_path)
    assert (finished.returncode, finished.stderr) == (
        2,
        "python -m kerasflow: there is no file mnist. The command is: kerasflow mnist --epochs 1\n",
    )
    for arguments in ([], ["-m"], ["-x"]):
        finished = python("-m", "kerasflow", *arguments, cwd=tmp_path)
        assert finished.returncode == 2
        assert finished.stderr.startswith("usage: python -m kerasflow script.py")
    finished = python("-m", "kerasflow", "--help", cwd=tmp_path)
    assert finished.returncode == 0
    assert finished.stdout.startswith("usage:")


def test_the_ipython_extension(tmp_path):
    pytest.importorskip("IPython")
    program = tmp_path / "session.ipy"
    program.write_text(
        "%load_ext kerasflow\nimport keras, sys\nprint('jax' in sys.modules, keras.backend.backend())\n"
    )
    finished = python("-m", "IPython", "--no-banner", "--quick", program, cwd=tmp_path)
    assert finished.stdout.splitlines()[-2:] == ["Keras runs on kerasflow, backend numpy.", "False numpy"], (
        finished
    )


def test_the_ipython_extension_says_when_keras_came_first(tmp_path):
    pytest.importorskip("IPython")
    program = tmp_path / "session.ipy"
    program.write_text(
        "import sys, types\nsys.modules['keras'] = types.ModuleType('keras')\n%load_ext kerasflow\n"
    )
    finished = python("-m", "IPython", "--no-banner", "--quick", program, cwd=tmp_path)
    assert "ImportOrderError" in finished.stdout + finished.stderr
