"""Where what is made of a run may stand: outside every run folder, which is sealed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from llm_strategy.errors import RunFolderError


@contextmanager
def guard_writing(path: Path, cure: str = "name another place") -> Iterator[None]:
    """Make the folder above a file or folder that is written within; raises ``RunFolderError``, with a ``cure``,
    where it cannot be written or would stand in a run."""
    check_outside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as problem:
        raise RunFolderError(f"{path} cannot be written ({problem.strerror or problem}): {cure}.") from None


def check_outside(path: Path) -> None:
    """Raise ``RunFolderError`` where a file or folder would stand in a run folder, which is sealed."""
    for above in (path.absolute(), *path.absolute().parents):
        if (above / "manifest.json").exists():
            raise RunFolderError(
                f"{path} would stand in the run folder {above}, which would count as changed: name a place outside it."
            )


def beside(folder: Path) -> Path:
    """The folder that a run stands in, or its comparison where it is an arm of one."""
    above = folder.absolute().parent
    while (above / "manifest.json").exists():
        above = above.parent
    here = Path.cwd()
    return above.relative_to(here) if above.is_relative_to(here) else above
