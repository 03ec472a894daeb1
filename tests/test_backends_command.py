"""`kerasflow backends`: what is said of backends that work, that lack something, and that fail in odd ways."""

import json
import sys
from importlib.metadata import version

import numpy as np
import pytest

import kerasflow
from kerasflow._settings import settings
from kerasflow.cli import main as cli
from kerasflow.cli.backends import describe

# A package of backends whose import goes as an environment variable says.
ODD = """
    import os, sys

    print("a framework likes to talk")
    __version__ = "7.8"

    class Backend:
        name = "odd"
        primitives = frozenset()
        framework = "odd_backends"

        def devices(self):
            if os.environ["ODD"] == "devices":
                raise OSError("no driver")
            return {"cpu:0": "", "abacus:0": "wood"}

        compile = from_host = to_host = None

    match os.environ["ODD"]:
        case "raise":
            raise RuntimeError("two frameworks in one process")
        case "import":
            raise ImportError("cannot import name 'x'")
        case "exit":
            sys.exit("good-bye")
        case "die":
            print("out of luck", file=sys.stderr, flush=True)
            os._exit(7)
"""


@pytest.fixture
def odd(plugin, monkeypatch):
    points = {"odd": "odd_backends:Backend", "homeless": "no_such_module.inside:Backend"}
    plugin("odd_backends", ODD, points)
    monkeypatch.setenv("ODD", "well")


def described(capfd):
    assert cli.main(["backends", "--json"]) == 0
    return {backend["name"]: backend for backend in json.loads(capfd.readouterr().out)}


@pytest.mark.parametrize(
    ("requirements", "brings"),
    [
        (("abacus; extra == 'homeless'",), True),
        (("abacus; python_version < '3' and extra == 'homeless'", "wood; extra == 'odd'"), False),
        (("abacus; python_version < '3' and extra == 'homeless'", "beads; extra == 'homeless'"), True),
        (("abacus; python_version < '3'", "wood"), True),
    ],
)
def test_an_extra_that_brings_nothing_here_is_no_remedy(odd, tmp_path, capfd, requirements, brings):
    with (tmp_path / "odd_backends-1.0.dist-info" / "METADATA").open("a") as file:
        file.writelines(f"Requires-Dist: {requirement}\n" for requirement in requirements)
    problem = described(capfd)["homeless"]["problem"]
    assert problem.endswith('pip install "odd-backends[homeless]"') is brings
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    assert (f"odd-backends[homeless] brings nothing for Python {python}" in problem) is not brings


def test_what_is_known_of_each(odd, capfd):
    found = described(capfd)
    assert list(found) == kerasflow.backends()
    assert found["odd"] == {
        "name": "odd",
        "default": False,
        "distribution": "odd-backends 1.0",
        "usable": True,
        "framework": "odd_backends 7.8",
        "devices": ["cpu:0", "abacus:0 (wood)"],
        "problem": None,
    }
    assert found["numpy"]["default"] is True
    assert found["numpy"]["framework"] == f"numpy {np.__version__}"
    assert found["numpy"]["distribution"] == f"kerasflow {version('kerasflow')}"
    assert found["numpy"]["devices"][0].startswith("cpu:0 (")
    assert found["homeless"]["usable"] is False
    assert found["homeless"]["problem"].endswith('pip install "odd-backends[homeless]"')
    for name, backend in found.items():
        assert backend["usable"] is (backend["problem"] is None), name
        if backend["usable"]:
            assert backend["devices"] and backend["framework"].split()[1]
    assert "odd_backends" not in sys.modules


def test_the_table(odd, capfd):
    assert cli.main(["backends"]) == 0
    output = capfd.readouterr().out
    assert all(len(line) <= 100 for line in output.splitlines())
    rows = [line.split() for line in output.splitlines()]
    assert rows[0] == ["backend", "framework", "devices", "from"]
    assert ["homeless", "not", "usable", "-", "odd-backends", "1.0"] in rows
    odd_row = rows.index(["odd", "odd_backends", "7.8", "cpu:0", "odd-backends", "1.0"])
    assert rows[odd_row + 1] == ["abacus:0", "(wood)"]
    assert [row[:2] for row in rows if row[:1] == ["*"]] == [["*", "numpy"], ["*", "runs"]]
    assert "homeless: The backend 'homeless' needs the module 'no_such_module'" in output


@pytest.mark.parametrize(
    ("way", "problem"),
    [
        ("raise", "The backend 'odd' cannot be loaded: RuntimeError: two frameworks in one process"),
        ("import", "The backend 'odd' cannot be loaded: ImportError: cannot import name 'x'"),
        ("exit", "The backend 'odd' cannot be loaded: SystemExit: good-bye"),
        ("die", "Loading 'odd' ended its process with code 7: out of luck"),
        ("devices", "OSError: no driver"),
    ],
)
def test_odd_failures_are_reported(way, problem, odd, monkeypatch):
    monkeypatch.setenv("ODD", way)
    described_odd, numpy = describe(["odd", "numpy"])
    assert described_odd.problem == problem
    assert numpy.usable


def test_a_default_that_there_is_not(odd, monkeypatch, capfd):
    monkeypatch.setattr(settings, "backend", "abacus")
    assert cli.main(["backends"]) == 0
    assert "KERASFLOW_BACKEND is 'abacus': there is no such backend." in capfd.readouterr().out


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "name = 'half'; compile = None",
            r"\(Half\) is none: it lacks `primitives`, `from_host`, `to_host`\. ",
        ),
        (
            "name = 'other'; primitives = compile = from_host = to_host = ()",
            r"\(Half\) calls itself 'other': the attribute `name` has to be that of its entry point",
        ),
    ],
)
def test_what_is_no_whole_backend(text, problem, plugin):
    """It is found when it is chosen, not at the first step."""
    plugin("half_backends", f"class Half:\n    {text}\n", {"half": "half_backends:Half"})
    with pytest.raises(kerasflow.errors.UnknownBackendError, match=f"The backend 'half' {problem}"):
        kerasflow.set_backend("half")
