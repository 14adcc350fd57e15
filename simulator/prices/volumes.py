"""Which column of a file holds the volume, and what it counts: by its name, and by guess never.

A share of a bar's volume limits what an order may take. That needs a volume in the units that are traded: shares,
contracts, or of a pair such as BTC/USD the first currency. Ticks count how often a quote changed, and a volume in money
is larger by the price: neither can limit a size.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

VolumeKind = Literal["shares", "ticks", "none"]
VOLUME_KINDS: tuple[VolumeKind, ...] = ("shares", "ticks", "none")

NAMES = frozenset({"volume", "vol", "v"})
"""Plain names of a volume; a file has one of them at most."""
OTHER_NAMES = frozenset(
    {
        "totalvolume", "volumetraded", "voltraded", "tradedvolume", "tradevolume", "tradingvolume", "sharevolume",
        "volumeshares", "sharestraded", "volumecontracts", "contractvolume", "realvolume", "volumereal", "basevolume",
        "volumebase", "volumefrom", "totaltradedquantity", "totaltradedqty",
        "tottrdqty", "tradedquantity", "quantity", "noofshares", "volumen", "volumes",
    }
)  # fmt: skip
"""Names of a volume in traded units that stand instead."""
TICKS = frozenset({"tickvol", "tickvolume", "volumetick", "volumeticks", "ticks", "tickcount", "tickqty"})
QUOTED = frozenset(
    {
        "usd", "usdt", "usdc", "busd", "tusd", "fdusd", "dai", "eur", "gbp", "jpy", "chf", "cad", "aud", "krw", "try",
        "brl", "inr", "cny", "rub", "currency", "quote", "to",
    }
)  # fmt: skip
"""What prices are quoted in: a volume in it is money."""
_SOMETIMES_QUOTED = {"btc": 1, "eth": 2, "bnb": 3}
"""Coins that prices are quoted in too, where the other currency is none of ``QUOTED``; the first quotes the others."""
_SUFFIX = re.compile(r"vol(?:ume)?[\s_.(\[-]+([a-z]{2,8})[\s)\]]*")
_NO_CURRENCY = frozenset(
    {"ma", "sma", "ema", "wma", "avg", "mean", "lot", "lots", "mio", "mill", "mln", "million", "millions", "mm", "th",
     "chg", "change", "delta", "ratio", "pct", "score", "rank", "flag", "std", "buy", "sell", "bid", "ask"}
)  # fmt: skip

Cells = Callable[[int], Sequence[object]]
"""The cells of the column at a position."""


@dataclass(frozen=True, slots=True)
class VolumeColumn:
    """Where the volume stands (``None``: nowhere), what it counts, and what must be told of that."""

    position: int | None
    kind: VolumeKind
    notes: tuple[str, ...] = ()


def find_volume(
    header: Sequence[str], cells: Cells, wanted: VolumeKind | None, file: str, taken: Mapping[int, str]
) -> VolumeColumn:
    """The volume of a file with this header, whose ``taken`` columns have a meaning already.

    ``wanted`` is what a person says that it counts; ``None`` takes traded units, and ticks where there is nothing else.
    """
    if wanted == "none":
        return VolumeColumn(None, "none")
    plain = {at: re.sub(r"^\d+|[^a-z]", "", name.lower()) for at, name in enumerate(header)}
    named = next((at for at, name in taken.items() if name == "volume"), None)
    free = {at: name for at, name in plain.items() if at not in taken}
    ticks = next((at for at, name in free.items() if name in TICKS), None)
    if ticks is not None and (wanted == "ticks" or named is None or not _any(cells(named))):
        return _of_ticks(header, ticks, named, wanted, file)
    kind: VolumeKind = wanted or "shares"
    if named is not None:
        return VolumeColumn(named, kind)
    other = next((at for at, name in free.items() if name in OTHER_NAMES), None)
    if other is not None:
        return VolumeColumn(other, kind, (f"{file}: the volume is taken from the column {header[other]!r}.",))
    return _by_currency(header, dict(_currencies(header, free)), kind, file) or _unknown(header, free, kind, file)


def _of_ticks(
    header: Sequence[str], ticks: int, named: int | None, wanted: VolumeKind | None, file: str
) -> VolumeColumn:
    empty = "" if named is None or wanted else f", and {header[named]!r} holds zeros alone"
    if wanted == "shares":
        told = f"{file}: the volume is taken from the column {header[ticks]!r} and counts shares, as data.volume says."
        return VolumeColumn(ticks, "shares", (told,))
    told = (
        f"{file}: the volume is taken from the column {header[ticks]!r}{empty}; it counts ticks, which limit no size."
    )
    return VolumeColumn(ticks, "ticks", (told,))


def _currencies(header: Sequence[str], free: Mapping[int, str]) -> Iterator[tuple[int, str]]:
    """Columns such as ``Volume BTC`` or ``volume_(currency)`` and what stands behind the word, in lower case."""
    for at in free:
        match = _SUFFIX.fullmatch(header[at].strip().strip("<>").lower())
        if match and match[1] not in _NO_CURRENCY:
            yield at, match[1]


def _by_currency(
    header: Sequence[str], currencies: Mapping[int, str], kind: VolumeKind, file: str
) -> VolumeColumn | None:
    """The column of the first currency of a pair; of one column alone, where its currency is no money."""
    traded = {at: _SOMETIMES_QUOTED.get(name, 9) for at, name in currencies.items() if name not in QUOTED}
    if len(traded) == len(currencies):  # no money beside it: the name itself must be that of a currency
        traded = {at: rank for at, rank in traded.items() if rank < 9 or header[at].strip(" )]>")[-2:].isupper()}
    if not traded:
        return None
    best = max(traded, key=lambda at: traded[at])
    if list(traded.values()).count(traded[best]) > 1:
        return None
    others = " and ".join(repr(header[at]) for at in currencies if at != best)
    beside = f", not from {others}, which counts the money paid" if others else ""
    return VolumeColumn(best, kind, (f"{file}: the volume is taken from the column {header[best]!r}{beside}.",))


def _unknown(header: Sequence[str], free: Mapping[int, str], kind: VolumeKind, file: str) -> VolumeColumn:
    alike = [repr(header[at]) for at, name in free.items() if name.startswith("vol") and not name.startswith("volat")]
    alike += [repr(header[at]) for at, name in free.items() if not name.startswith("vol") and "volume" in name]
    if not alike:
        return VolumeColumn(None, kind)
    one = len(alike) == 1
    told = (
        f"{file}: {' and '.join(alike)} {'is' if one else 'are'} not taken for the volume, because the name does not "
        f"say whether {'it counts' if one else 'they count'} what is traded or money: rename the column that counts "
        "shares or units to volume."
    )
    return VolumeColumn(None, kind, (told,))


def _any(cells: Sequence[object]) -> bool:
    """Whether a cell holds a number other than zero; what is no number is told by whoever reads the column."""
    for cell in cells:
        try:
            if cell is not None and cell != "" and float(cell) != 0:  # type: ignore[arg-type]
                return True
        except (TypeError, ValueError):
            return True
    return False
