"""What takes long to load is loaded where it is used: by no package, no help, no run of known answers."""

import subprocess
import sys
from pathlib import Path

import pytest

SLOW = ("arch", "matplotlib", "scipy", "statsmodels", "dask", "distributed", "joblib", "pyarrow.parquet")
MORE = ("pandas", "numpy", "backtrader", "pyarrow", "talib")
"""Of no use either to whoever reads help."""
COMPARISON = """
from pathlib import Path
from small_run import recording, small
sections = {"evaluation": {"bootstrap_samples": 100, "placebos": 19}}
print(simulator.compare(small(Path(sys.argv[1]), **sections), client=recording()[0], progress=False).verdict)
"""


def loaded(program, *arguments):
    """The modules that are loaded when a program has ended, in a process of its own."""
    program = f"import sys\n{program}\nprint(*sys.modules)"
    support = Path(__file__).parents[1] / "support"
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(support)!r})\n{program}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split())


def test_the_package_loads_nothing_slow():
    assert not {*SLOW, *MORE} & loaded("import simulator")


@pytest.mark.parametrize("command", ["", "demo", "compare", "report"])
def test_help_loads_nothing_slow(command):
    program = "from simulator.cli.main import app\ntry:\n    app()\nexcept SystemExit:\n    pass"
    assert not {*SLOW, *MORE} & loaded(program, *command.split(), "--help")


def test_a_comparison_with_known_answers_loads_nothing_slow(tmp_path):
    modules = loaded(f"import simulator\n{COMPARISON}", str(tmp_path))
    assert "simulator.runs.placebos.trades" in modules
    assert not set(SLOW) & modules
