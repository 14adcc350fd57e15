"""The data sets that ship inside the dependency ``arch``, read from their files: to load that package takes over a
second, and nothing else of it is needed for them."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def load_arch_data(name: str) -> pd.DataFrame:
    """The table that ``arch.data.NAME.load()`` gives: columns of numbers, NaN where there is none, over a time index;
    months such as 192607 stand there as nanoseconds since 1970."""
    import pandas as pd

    package = find_spec("arch")
    if package is None or package.origin is None:
        raise ModuleNotFoundError("No module named 'arch'", name="arch")
    (file,) = (Path(package.origin).parent / "data" / name).glob("*.csv.gz")
    frame = pd.read_csv(file)
    times = pd.DatetimeIndex(pd.to_datetime(frame.pop("Date")), name="Date")
    numbers: pd.DataFrame = frame.apply(pd.to_numeric, errors="coerce").set_axis(times)
    return numbers
