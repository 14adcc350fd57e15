"""backtrader's indicators of TA-Lib (``bt.talib``), made when the first of them is asked for: backtrader makes 200
classes whenever it is imported, which takes about as long as everything else in it.

Python's own ``LazyLoader`` shows a second thread the half-made module (seen with 3.11.7), so this loader is another.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

MODULE = "backtrader.talib"


def import_talib_late() -> None:
    """Have ``bt.talib`` filled at the first look into it, in a program that imports backtrader later; it then is what
    backtrader makes of it. Where backtrader is imported already nothing is changed."""
    if "backtrader" not in sys.modules and not any(isinstance(finder, _LateFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _LateFinder())


class _LateFinder(MetaPathFinder):
    """Finds this one module where it always is found, with a loader that waits."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != MODULE:
            return None
        sys.meta_path.remove(self)  # it is imported once
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _LateLoader(spec.loader)
        return spec


class _LateLoader(Loader):
    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _LateModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        """Nothing yet; whoever looks at the module finds its own loader."""
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader


class _LateModule(ModuleType):
    """A module whose code runs at the first look for a name that it lacks."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self._lock, self._waits = threading.RLock(), True

    def __getattr__(self, name: str) -> object:
        is_own = (
            name.startswith("__") and name != "__all__"
        )  # what Python asks of every module tells nothing of this one
        if not is_own and self._fill() and name in self.__dict__:
            return self.__dict__[name]
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}", name=name, obj=self)

    def __dir__(self) -> Iterator[str]:
        self._fill()
        return iter(self.__dict__)

    def _fill(self) -> bool:
        """Run the code where that has not been done; while it runs, its own looks find what is there so far."""
        with self._lock:
            if self._waits and isinstance(self.__loader__, Loader):
                self._waits = False
                try:
                    self.__loader__.exec_module(self)
                except BaseException:
                    self._waits = True  # the next look meets the same failure
                    raise
        return True
