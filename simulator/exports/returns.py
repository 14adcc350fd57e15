"""Daily returns of the accounts of a run, as quantstats, empyrical and pyfolio read them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from llm_strategy.errors import ConfigurationError
from llm_strategy.support.write_whole import write_whole
from simulator.folder.outside import guard_writing
from simulator.folder.record import Record


def returns_table(record: Record, arm: str = "") -> pd.DataFrame:
    """Returns by day: index ``date`` (days without zone), a column an arm, fractions (0.01 is one percent), costs taken
    off.

    The first row is that of the first bar after the first decision. Bars of one day are compounded, since these tools
    take a row for a day; weekly and longer bars stay what they are. A day on which an arm has no account is missing.
    Raises ``ConfigurationError`` for an ``arm`` that the run does not have.
    """
    names = [each.name for each in record.arms]
    if arm and arm not in names:
        raise ConfigurationError(f"The run has no arm {arm!r}: it holds {', '.join(names)}.")
    chosen = [each for each in record.arms if arm in ("", each.name)]
    equity = pd.DataFrame({each.name: each.equity["equity"] for each in chosen})
    daily = equity.groupby(pd.DatetimeIndex(equity.index).normalize()).last()
    if daily.shape[0] > 1 and daily.shape[0] < equity.shape[0]:  # the value at the first decision begins its day
        first = equity.iloc[[0]].set_axis([daily.index[0] - pd.Timedelta(days=1)])
        daily = pd.concat([first, daily])
    return daily.pct_change(fill_method=None).iloc[1:].rename_axis("date")


def write_returns(record: Record, to: Path, arm: str = "") -> Path:
    """Write the table, as Parquet where the name of the file ends so, else as CSV; raises ``RunFolderError``."""
    table = returns_table(record, arm)
    with guard_writing(to):
        if to.suffix == ".parquet":
            write_whole(to, table.to_parquet())
        else:
            write_whole(to, table.to_csv(lineterminator="\n", date_format="%Y-%m-%d"))
    return to
