"""The memory audit of an advisor: its probes one after the other, and the one decision that rests on them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from llm_strategy.advice.own_prompt import PromptText
from llm_strategy.errors import ConfigurationError
from llm_strategy.llm.client import LLMClient
from llm_strategy.market.view import render_snapshot
from simulator.evaluation.mask import single_texts
from simulator.evaluation.memory import SIZE, Probe, Recognition, judge, recognition_dose
from simulator.evaluation.memory_power import POWER, smallest_dose
from simulator.memory.closes import Closes
from simulator.memory.probes import AuditOptions, Probes
from simulator.memory.result import Audit
from simulator.memory.windows import CONTROL, SHOWN
from simulator.progress.stages import SILENT, Progress
from simulator.runs.advise import advised_arm
from simulator.runs.advisors.session import sessions_of
from simulator.runs.compare import AnyExperiment, as_experiment
from simulator.runs.trials.tail import visible_universe

LARGEST_DOSE = 0.5
"""An audit that would not have found a model which remembers half of the dates does not call one clean."""


def audit_memory(
    experiment: AnyExperiment,
    advisor: str | None = None,
    options: AuditOptions = AuditOptions(),  # noqa: B008 - frozen
    *,
    client: LLMClient | None = None,
    progress: Progress = SILENT,
) -> Audit:
    """Audit the model of an advisor, the first that is named in the experiment if none is.

    Answers are kept in the record of all answers: a command that was cut off goes on where it was. Raises
    ``ConfigurationError`` where no model advises and where the window is too short, ``ModelError`` and
    ``BudgetReached`` as a run does.
    """
    wanted = as_experiment(experiment)
    if not any(arm.kind == "advisor" for arm in wanted.plan):
        raise ConfigurationError(
            f"No arm of {wanted.name} is advised by a model, so that there is no memory to audit: add llm to arms."
        )
    arm = advised_arm(wanted, advisor)
    config = arm.config or wanted.primary_config
    progress.begin("loading prices")
    universe, _ = visible_universe(wanted, minimum_bars=wanted.warm_up.bars + 2)
    closes = Closes.of(universe, wanted, config, options.dates, options.horizon)
    progress.end(f"{len(closes.times):,} dates of {', '.join(closes.symbols)}")
    (session,) = sessions_of(wanted, (arm,), client)
    with session.naming(), session.model.session(budget=config.budget, prices=session.prices) as asked:
        probes = Probes(wanted, config, universe, closes, options, asked, progress)
        return _audited(wanted.name, arm.name, probes, options)


def _audited(experiment: str, name: str, probes: Probes, options: AuditOptions) -> Audit:
    """Ask everything, and judge."""
    config, closes = probes.config, probes.closes
    named = probes.named()
    recalled, either, remembered = probes.recall()
    tests: list[Probe] = []
    twins = changed = dose = None
    false = ""
    if config.unmasked:
        tests, twins = probes.compare_twins(named)
        if "date" in config.unmasked:
            tests += [recalled, probes.propensity(named, either)]
        exchanged, changed, false, planted = probes.exchange(named)
        tests.append(exchanged)
        dose = smallest_dose(planted, sum(each.p_value is not None for each in tests), options.seed)
    recognitions = probes.recognise()
    if not config.unmasked:
        tests, dose = _recognised(recognitions)
    dead = named.kinds < 2
    single, texts = single_texts(render_snapshot(each, probes.masked.view) for each in closes.all)
    first, last = (closes.times[at].removesuffix("T00:00:00") for at in (0, -1))
    return Audit(
        experiment=experiment,
        advisor=name,
        model=probes.client.identity.name,
        shows=tuple(config.unmasked),
        knowledge_until=config.knowledge_until,
        symbols=closes.symbols,
        first=first,
        last=last,
        dates=len(closes.times),
        windows=options.windows,
        horizon=closes.horizon,
        seed=options.seed,
        judgement=judge(tests, dose, largest_dose=LARGEST_DOSE, dead=dead and bool(config.unmasked)),
        probes=tuple(tests),
        dose=dose,
        dead=dead,
        twins=twins,
        recall=remembered,
        mirage=changed,
        recognitions=tuple(recognitions),
        singled_out=single / texts if texts else 0.0,
        false_identity=false,
        questions=probes.questions.asked + probes.decided,
        unanswered=probes.questions.failed + probes.unadvised,
        notes=tuple(_notes(probes, recognitions, dead=dead)),
    )


def _recognised(recognitions: Sequence[Recognition]) -> tuple[list[Probe], float | None]:
    """The tests under the usual mask, and the share of windows that one of them would have found; a model that does not
    read what stands there in full is not tested."""
    readable = {one.question for one in recognitions if one.level == CONTROL and one.p_value <= SIZE}
    shown = [one for one in recognitions if one.level == SHOWN]
    tests, doses = [], []
    for one in shown:
        name = f"recognises the {one.question}"
        if one.question not in readable:
            problem = f"The model does not name the {one.question} of a window that says it, so that it is not tested."
            tests.append(Probe(name, one.windows, problem=problem))
            continue
        tests.append(Probe(name, one.windows, one.share, one.p_value))
        doses.append(recognition_dose(one.windows, one.choices, len(readable), POWER))
    return tests, min((each for each in doses if each is not None), default=None)


def _notes(probes: Probes, recognitions: Sequence[Recognition], *, dead: bool) -> Iterator[str]:
    """Sentences on what could not be measured, and on what else names the period."""
    config = probes.config
    if not config.unmasked:
        yield (
            "The advisor shows no symbol, date or price level, so that there is no name to exchange: measured is "
            "whether the model recognises a window all the same."
        )
    if set(config.unmasked) == {"symbol"}:
        yield (
            "The symbol alone is shown: without date and price level a model can remember only what this market did on "
            "the whole."
        )
    if dead and probes.unadvised < probes.decided:
        yield "The advisor says the same at every date: it follows neither a name nor a path."
    if config.knowledge_until is None:
        yield "The model has no stated knowledge cutoff (knowledge_until of the advisor)."
    if config.shown_context.source("documents") is not None:
        yield (
            "Documents are shown: people, products and events in them may name the period, and the mask leaves them. "
            "Whether advice that follows them remembers or reads is not told apart here; an arm with null: "
            "no_documents shows what they are worth."
        )
    if named := _named_in_prompt(probes):
        yield f"The prompt itself says {named}: the twin under the mask is told it, too."
    if not probes.client.supports_choices:
        yield "The backend gives no probabilities: each answer counts as certain."
    for question in sorted({"market", "year"} - {each.question for each in recognitions}):
        yield f"Whether the {question} of a window is recognised is not measured: there is one {question} alone."
    if probes.unadvised:
        yield f"{probes.unadvised:,} of {probes.decided:,} decisions have no advice of the model: {probes.why}"
    if probes.questions.failed:
        yield f"{probes.questions.failed:,} questions got no answer that could be taken: {probes.questions.why}"


def _named_in_prompt(probes: Probes) -> str:
    """The symbols that a person's own prompt says by itself."""
    prompt = probes.config.prompt
    text = " ".join(prompt.as_document().values()) if isinstance(prompt, PromptText) else ""
    words = set(re.findall(r"\w+", text))
    return ", ".join(symbol for symbol in probes.closes.symbols if symbol in words)
