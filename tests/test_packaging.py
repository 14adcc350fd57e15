"""What is public, what the wheel installs, and what must not be in the repository."""

import importlib
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel_names(tmp_path_factory):
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(ROOT)],
        check=True,
        capture_output=True,
    )
    (wheel,) = out.glob("*.whl")
    return zipfile.ZipFile(wheel).namelist()


def test_the_wheel_installs_two_packages_and_nothing_that_could_hide_a_users_own(wheel_names):
    top = {name.split("/")[0] for name in wheel_names}
    assert {name for name in top if not name.endswith(".dist-info")} == {"llm_strategy", "simulator"}


def test_the_wheel_holds_every_module_and_resource(wheel_names):
    folders = {"llm_strategy": "llm_strategy", "simulator": "simulator"}
    folders |= {"contracts": "llm_strategy/contracts", "prompts": "llm_strategy/prompts"}
    wanted = {
        str(Path(installed) / path.relative_to(ROOT / folder))
        for folder, installed in folders.items()
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert wanted <= set(wheel_names)


@pytest.mark.parametrize("package", ["llm_strategy", "llm_strategy.llm", "simulator"])
def test_public_names_are_sorted_exist_and_have_docstrings(package):
    module = importlib.import_module(package)
    assert list(module.__all__) == sorted(
        module.__all__, key=lambda name: (not name.isupper(), not name[0].isupper(), name)
    )
    for name in module.__all__:
        value = getattr(module, name)
        if callable(value):
            assert value.__doc__, name


def test_the_runtime_can_be_imported_without_an_engine():
    program = "import sys, llm_strategy.llm; assert 'gpt4all' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_the_repository_holds_no_machine_path_and_no_registry_host():
    listing = ["git", "-C", str(ROOT), "ls-files", "-z"]
    tracked = subprocess.run(listing, capture_output=True, text=True, check=True).stdout
    forbidden = re.compile(r"/(?:home|root|work|Users)/\w+/|pypi\.org|pythonhosted|huggingface\.co/\w+/\w+/resolve")
    for name in filter(None, tracked.split("\0")):
        path = ROOT / name
        if path.suffix in {".py", ".md", ".toml", ".yaml", ".json", ".j2", ".txt", ""} and path.is_file():
            found = forbidden.search(path.read_text(encoding="utf-8"))
            assert found is None or path == Path(__file__), f"{name}: {found and found[0]}"


def test_every_pinned_version_is_locked_by_its_hashes():
    """``make lock`` writes the one from the other; ``make env`` takes no file whose hash is not in there."""
    locked = {}
    for entry in (ROOT / "requirements.lock").read_text(encoding="utf-8").replace("\\\n", " ").splitlines():
        name, _, rest = entry.partition("==")
        assert "--hash=sha256:" in rest, name
        locked[name.strip().lower().replace("_", "-")] = rest.split()[0]
    pins = (line.split("==") for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").split())
    assert {name.lower().replace("_", "-"): version for name, version in pins}.items() <= locked.items()
