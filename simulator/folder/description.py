"""What a run says of itself in its manifests, and the notes that a person must have read before any figure: of the
prices, and of limits that no setting reaches.

Each note is one sentence, on the console before the run, in the manifest, and on the page. It names files without their
folders and is the same for the same prices and configuration.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypedDict, Unpack

import pandas as pd

from llm_strategy.advice.modes.mode import Abilities
from llm_strategy.advice.modes.registry import complete_options
from llm_strategy.advice.options import LabelPrior
from llm_strategy.advice.own_labels import OwnLabels, Row
from llm_strategy.llm.client import LLMClient
from llm_strategy.market.context.documents import Documents
from llm_strategy.market.context.events import Events
from llm_strategy.market.context.moments import lasts_days
from llm_strategy.market.context.registry import NONE
from llm_strategy.risk import Limits
from llm_strategy.trading.checklist_inputs import analytics_of
from simulator.experiment.advisor import AdvisorConfig, write_advisor
from simulator.experiment.arms import Arm
from simulator.experiment.configuration import Experiment
from simulator.folder.documents import LEDGER
from simulator.folder.evidence import OF_COMPARISONS, evidence_files, file_hashes
from simulator.folder.hypotheses import HYPOTHESES
from simulator.folder.later_bars import Origin, origin_of_calibration
from simulator.folder.manifest import FORMAT_VERSION, Manifest
from simulator.folder.provenance import model_of, own_parts, provenance, shown_parts
from simulator.folder.sent_request import request_files
from simulator.folder.tally import CALIBRATION, Questions
from simulator.prices.load import Prices
from simulator.prices.stale_opens import stale_note
from simulator.prices.table import iso_times
from simulator.prices.universe import Universe


def now() -> str:
    """The wall clock, ISO 8601 in UTC, to the second."""
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


class RunDescription:
    """What all manifests of one run share: its experiment, universe and identity, and which model explains it where
    rules alone trade."""

    def __init__(
        self, experiment: Experiment, universe: Universe, identity: str, explainer: LLMClient | None = None
    ) -> None:
        self._experiment = experiment
        self._universe = universe
        self._identity = identity
        self._explainer = None if explainer is None else model_of(explainer)
        self._notes = notes_on(experiment, universe)
        self._provenance = provenance()

    def of_arm(self, arm: Arm, folder: Path, **how: Unpack[Happened]) -> Manifest:
        """The manifest of one arm, whose evidence stands in ``folder``."""
        draws = self._experiment.further_draws if arm.kind == "advisor" else ()
        files = file_hashes(
            folder,
            evidence_files(draws),
            if_there=(CALIBRATION, *request_files(folder), LEDGER, HYPOTHESES, "prices.csv"),
        )
        asked = {"options": options_of(arm.config or self._experiment.primary_config, how["model"])}
        return self._manifest("run", arm.name, None, files, asked | self._whose(arm), **how)

    def of_comparison(
        self, arms: Sequence[Arm], folder: Path, advisors: Mapping[str, Mapping[str, Any]], **how: Unpack[Happened]
    ) -> Manifest:
        """The manifest of a ``folder`` that holds these arms, whose ``advisors`` asked these models."""
        files = file_hashes(folder, (), if_there=(*OF_COMPARISONS, HYPOTHESES, "prices.csv"))
        more: dict[str, Any] = {}
        if self._experiment.names_advisors:
            advised = [arm for arm in arms if arm.kind == "advisor"]
            first = min(advised, key=lambda arm: arm != self._experiment.primary, default=None)
            more = {"advisors": dict(advisors)} if advisors else {}
            more |= {"settings": _settings_of(first or Arm("", "advisor", config=self._experiment.advisor))}
        return self._manifest("comparison", None, tuple(arm.name for arm in arms), files, more, **how)

    def _whose(self, arm: Arm) -> dict[str, Any]:
        """Whose model an arm asks, and how, where there are names for that."""
        if not self._experiment.names_advisors:
            return {}
        if arm.config is None:
            return {"settings": write_advisor(self._experiment.primary_config)}  # whose schedule it follows
        said = {"advisor": arm.advisor, "settings": _settings_of(arm)}
        return said | ({"null": arm.null, "null_of": arm.null_of} if arm.null else {})

    def _manifest(
        self,
        kind: str,
        arm: str | None,
        arms: tuple[str, ...] | None,
        files: dict[str, str],
        more: dict[str, Any],
        **how: Unpack[Happened],
    ) -> Manifest:
        return Manifest.from_mapping(
            {
                "format": FORMAT_VERSION,
                "kind": kind,
                "name": self._experiment.name,
                "identity": self._identity,
                "status": "failed" if how["problem"] else "complete",
                "problem": how["problem"],
                "arm": arm,
                "arms": arms,
                "experiment": self._experiment.resolved(),
                "prices": _prices(self._universe, self._experiment),
                "notes": tuple(dict.fromkeys((*self._notes, *(how["model"].caveats if how["model"] else ())))),
                **model_of(how["model"]),
                "explainer": self._explainer,
                **more,
                **own_parts(*shown_parts(self._experiment)),
                "usage": asdict(how["usage"]) | {"seconds": round(how["usage"].seconds, 3)},
                **self._provenance,
                "started": how["started"],
                "finished": now(),
                "files": files,
            }
        )


def _settings_of(arm: Arm) -> dict[str, Any]:
    return write_advisor(arm.config or AdvisorConfig())


class Happened(TypedDict):
    """What a manifest tells of the writing of its folder: when it began, why it failed, and what was asked of whom."""

    started: str
    problem: str | None
    usage: Questions
    model: LLMClient | None


def options_of(advisor: AdvisorConfig, model: LLMClient | None) -> dict[str, Any] | None:
    """How a model is asked, for a manifest, with everything written out that ``auto`` means for it."""
    if model is None:
        return None
    return complete_options(advisor.prompt_options, Abilities.of(model, advisor.view)).as_dict()


def _prices(universe: Universe, experiment: Experiment) -> dict[str, Any]:
    warm_up = experiment.warm_up.bars
    return {
        "timeframe": universe.timeframe,
        "decide_on": universe.decide_on or universe.timeframe,
        "sha256": universe.sha256,
        "warm_up": warm_up,
        **({"committed": dict(universe.committed)} if universe.committed else {}),
        "symbols": {
            prices.symbol: {
                "source": prices.source,
                "group": universe.groups.get(prices.symbol, ""),
                "first": prices.table.index[0].isoformat(),
                "last": prices.table.index[-1].isoformat(),
                "bars": len(prices.table),
                "volume": prices.volume,
                "first_decision": universe.decisions(prices.symbol).table.index[warm_up - 1].isoformat(),
                **_before_start(universe.decisions(prices.symbol), experiment.data.start),
                **({"missed": dict(missed)} if (missed := universe.missed.get(prices.symbol)) else {}),
            }
            for prices in universe.markets
        },
    }


def _before_start(decisions: Prices, start: str | None) -> dict[str, int]:
    """How many decision bars stand before the first one that may be decided on, where one was asked for."""
    return {} if start is None else {"before_start": int(decisions.table.index.searchsorted(pd.Timestamp(start)))}


MOST_NAMES = 5
"""Symbols that a note names; the rest is counted."""


def notes_on(experiment: Experiment, universe: Universe) -> tuple[str, ...]:
    """The notes of a run, in the order of the symbols; those on volumes and limits last."""
    found = (note for prices in universe.markets for note in prices.notes)
    told = [*found, *_opens(experiment, universe), *_volumes(experiment, universe), *limit_notes(experiment.risk)]
    told += [
        *_calibrations(experiment, universe),
        *_labels(experiment, universe),
        *_texts(experiment, universe),
        *_checklist(experiment, universe),
    ]
    return tuple(dict.fromkeys(told))


def first_decisions(universe: Universe, experiment: Experiment) -> dict[str, str]:
    """The close of the first decision on each symbol (ISO 8601)."""
    at = experiment.warm_up.bars - 1
    return {symbol: universe.decisions(symbol).table.index[at].isoformat() for symbol in universe.symbols}


def _calibrations(experiment: Experiment, universe: Universe) -> Iterator[str]:
    """That a calibration was computed from bars which the run decides on, or that nobody can know."""
    for name, config in [(arm.name, arm.config) for arm in experiment.plan] or [("", experiment.advisor)]:
        if config is None or not isinstance(config.calibration, LabelPrior):
            continue
        prior, whose = config.calibration, name or "the advisor"
        match origin_of_calibration(prior, first_decisions(universe, experiment)):
            case Origin.LATER if prior.window is not None:
                yield (
                    f"The calibration of {whose} was computed from bars up to {prior.window.last[:10]}, which this run "
                    "decides on: its result is not attributable to the advice. Take that of a run which ends before "
                    "the first decision of this one."
                )
            case Origin.UNKNOWN:
                yield (
                    f"The calibration of {whose} does not say which bars it was computed from: that they are earlier "
                    "than the first decision cannot be known. A run of this version leaves one that says it."
                )


def _labels(experiment: Experiment, universe: Universe) -> Iterator[str]:
    """How many of a person's own labels are of states that this run comes past, for each file of them; which arms have
    it is said where there are several."""
    arms: dict[tuple[Row, ...], list[str]] = {}
    for name, config in [(arm.name, arm.config) for arm in experiment.plan] or [("", experiment.advisor)]:
        if config is not None and isinstance(config.labels, OwnLabels):
            arms.setdefault(config.labels.rows, []).append(name)
    for rows, names in arms.items():
        whose = "advisor.labels" if len(arms) == 1 else f"the file of {_named(names)}"
        yield _coverage(rows, whose, experiment, universe)


def _coverage(rows: tuple[Row, ...], whose: str, experiment: Experiment, universe: Universe) -> str:
    decided = {
        symbol: set(iso_times(universe.decisions(symbol).table.index[experiment.warm_up.bars - 1 :]))
        for symbol in universe.symbols
    }
    everywhere = set[str]().union(*decided.values())
    idle = [time for time, _, symbol in rows if time not in (decided.get(symbol, ()) if symbol else everywhere)]
    told = f"{len(rows) - len(idle):,} of {len(rows):,} labels of {whose} are of bars of this run"
    return f"{told}, the others are never shown (the first is of {idle[0]})." if idle else f"{told}."


def _opens(experiment: Experiment, universe: Universe) -> Iterator[str]:
    """Markets whose opens repeat closes, from the first decision on."""
    for prices in universe.markets:
        decided = universe.decisions(prices.symbol).table.index[experiment.warm_up.bars - 1 :]
        note = stale_note(prices.symbol, prices.table.loc[decided[0] :]) if len(decided) else None
        if note is not None:
            yield note


def _volumes(experiment: Experiment, universe: Universe) -> Iterator[str]:
    if experiment.risk.max_participation is None:
        yield "risk.max_participation is null, participation not limited: an entry may be larger than what was traded."
        return
    known = [prices for prices in universe.markets if (prices.table["volume"] > 0).any()]
    ticks = [prices.symbol for prices in known if prices.volume == "ticks"]
    without = [prices.symbol for prices in universe.markets if prices not in known]
    if ticks:
        yield (
            f"Volumes of {_named(ticks)} count ticks, participation not limited: risk.max_participation needs volumes "
            "in shares or units."
        )
    if without:
        why = " (data.volume is none)" if experiment.data.volume == "none" else ""
        yield (
            f"No volumes known{why}, participation not limited: an entry in {_named(without)} may be larger than what "
            "was traded."
        )


def _checklist(experiment: Experiment, universe: Universe) -> Iterator[str]:
    """Analytics of a checklist that look at volumes, where a market has none."""
    checklist = experiment.risk.checklist
    analytics = {} if checklist is None else analytics_of(checklist)
    names = [name for name, analytic in analytics.items() if "volume" in analytic.needs]
    without = [prices.symbol for prices in universe.markets if not (prices.table["volume"] > 0).any()]
    if names and without:
        yield (
            f"Items of risk.checklist that speak of {', '.join(names)} never fire in {_named(without)}, of which no "
            "volumes are known."
        )


def _texts(experiment: Experiment, universe: Universe) -> Iterator[str]:
    """What a bar of a day or longer is shown of the texts and values of its own day."""
    if not lasts_days(universe.decide_on or universe.timeframe):
        return
    for entry in shown_parts(experiment).context:
        for name, options in entry.items() if isinstance(entry, dict) else ():
            if name in (Documents.name, Events.name) and not (options.get("close") or options.get("null") == NONE):
                yield (
                    f"A bar is shown the {name} from before its date (UTC) alone: set close of {name} to the time and "
                    "zone of the session's close, such as 16:00 America/New_York, to show those of the day itself."
                )


def limit_notes(risk: Limits) -> Iterator[str]:
    """Where another limit ends positions before ``max_position_size`` does, or is never reached itself."""
    caps = {"risk.max_gross_exposure": risk.max_gross_exposure}
    for name in ("max_net_exposure", "max_symbol_exposure"):
        if (value := getattr(risk, name)) is not None:
            caps[f"risk.{name}"] = value
    if risk.sizing == "equal_weight":
        caps["risk.sizing equal_weight (max_gross_exposure over max_positions)"] = (
            risk.max_gross_exposure / risk.max_positions
        )
    if risk.stop_loss_atr is None:  # else the stop, and with it the size, differs from bar to bar
        buffer = f" plus gap_buffer {risk.gap_buffer:g}" if risk.gap_buffer else ""
        words = f"risk.max_risk_per_trade ({risk.max_risk_per_trade:g} at a stop of {risk.stop_loss_pct:g}{buffer})"
        caps[words] = risk.max_risk_per_trade / (risk.stop_loss_pct + risk.gap_buffer)
    name = min(caps, key=lambda name: caps[name])
    if caps[name] < risk.max_position_size * 0.95:
        yield (
            f"Positions end at {100 * caps[name]:.3g}% of equity: {name} allows no more, before risk.max_position_size "
            f"({risk.max_position_size:g}) is reached."
        )
    if risk.max_group_exposure is not None and risk.max_group_exposure > risk.max_gross_exposure:
        yield (
            f"risk.max_group_exposure ({risk.max_group_exposure:g}) is never reached: risk.max_gross_exposure "
            f"({risk.max_gross_exposure:g}) allows no more."
        )


def _named(symbols: list[str]) -> str:
    rest = f" and {len(symbols) - MOST_NAMES:,} more" if len(symbols) > MOST_NAMES else ""
    return ", ".join(symbols[:MOST_NAMES]) + rest
