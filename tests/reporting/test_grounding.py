"""Only what facts back is shown: true claims and sentences pass, corrupted ones do not."""

import dataclasses
import random
import re

import pytest
from explained_facts import ARMS, made_facts
from hypothesis import example, given, settings
from hypothesis import strategies as st

from simulator.reporting.explanation.parts import names_of, parts
from simulator.reporting.explanation.prose import Reader
from simulator.reporting.explanation.relations import CONVERSE, RELATIONS, Claim, Known, UnbackedError, check_claim
from simulator.reporting.facts.fact import FactTable
from simulator.reporting.facts.terms import Unit

FACTS = made_facts()
KNOWN = Known(FACTS, FACTS)
NAMES = names_of(ARMS, "llm")
READER = Reader(KNOWN, NAMES, "llm")
CALLED = {
    "sharpe": "Sharpe ratio", "total_return": "total return", "max_drawdown": "drawdown",
    "volatility": "annual volatility", "costs": "costs paid", "exposure": "mean exposure",
}  # fmt: skip
FLIPPED = {
    "higher": "lower", "lower": "higher", "highest": "lowest", "lowest": "highest", "positive": "negative",
    "negative": "positive", "above": "below", "below": "above", "outperformed": "underperformed",
    "underperformed": "outperformed", "better": "worse", "worse": "better", "contains zero": "excludes zero",
    "excludes zero": "contains zero", "ahead of": "behind", "behind": "ahead of",
}  # fmt: skip
BETTER = {"sharpe": 1, "total_return": 1, "max_drawdown": -1, "volatility": -1, "costs": -1}


def refusal(sentence, *claims, reader=READER):
    """Why a sentence is not shown; empty where it is."""
    try:
        reader.read(sentence, claims)
    except UnbackedError as problem:
        return str(problem)
    return ""


def value(arm, metric):
    return FACTS[f"{arm}.{metric}"].value


def alone(arm, metric):
    name, figure = CALLED[metric], f"{{{arm}.{metric}}}"
    sign = "positive" if value(arm, metric) > 0 else "negative"
    yield f"{arm} had a {name} of {figure}", ()
    yield f"The {name} of {arm} is {figure}", ()
    yield f"{arm}'s {name} came to {figure}, which is {sign}", (Claim(sign, (f"{arm}.{metric}",)),)
    ranked = sorted(ARMS, key=lambda other: value(other, metric))
    for end, word in ((0, "lowest"), (-1, "highest")):
        if ranked[end] == arm:
            yield f"{arm} has the {word} {name} of the arms, {figure}", (Claim(word, (f"{arm}.{metric}",)),)


def beside(arm, other, metric):
    name = CALLED[metric]
    ids = f"{arm}.{metric}", f"{other}.{metric}"
    one, two = (f"{{{each}}}" for each in ids)
    relation = "higher" if value(arm, metric) > value(other, metric) else "lower"
    claim = Claim(f"{relation} than", ids)
    yield f"The {name} of {arm} is {one}, {relation} than the {two} of {other}", (claim,)
    yield f"{arm} has a {relation} {name} than {other}", (claim,)
    yield f"Compared with {other}, {arm} has a {relation} {name}, {one}", (claim,)
    yield f"{arm} had a {name} of {one}, while {other} came to {two}", ()
    yield f"{arm} and {other} had a {name} of {one} and {two}", ()
    yield f"The {name} of {arm} was {'above' if relation == 'higher' else 'below'} that of {other}", (claim,)
    if metric in BETTER:
        ahead = (value(arm, metric) - value(other, metric)) * BETTER[metric] > 0
        said, reverse = ("outperformed", "better than") if ahead else ("underperformed", "worse than")
        yield f"{arm} {said} {other} in {name}", (Claim(reverse, ids),)


def of_pair(other):
    ids = f"llm-{other}.low", f"llm-{other}.high"
    inside = FACTS[ids[0]].value <= 0 <= FACTS[ids[1]].value
    zero, relation = ("contains", "not distinguishable") if inside else ("excludes", "distinguishable")
    low, high = (f"{{{each}}}" for each in ids)
    yield f"The Sharpe difference between llm and {other} is {{llm-{other}.sharpe_difference}}", ()
    yield (
        f"Between llm and {other} the interval of the difference, {low} to {high}, {zero} zero",
        (Claim(relation, ids),),
    )


def true_sentences():
    """Sentences in the ways in which models write, with the claims behind them."""
    for metric in CALLED:
        for arm in ARMS:
            yield from alone(arm, metric)
            for other in ARMS:
                if other != arm:
                    yield from beside(arm, other, metric)
    for other in ARMS[1:]:
        yield from of_pair(other)


TRUE = list(dict.fromkeys(true_sentences()))


def corruptions(sentence, claims, drawn):
    """Ways to corrupt a sentence or a claim of it in one place, so that it says something else."""
    ids = re.findall(r"\{([^}]+)\}", sentence)
    for name in ids:
        subject, metric = name.rsplit(".", 1)
        if subject in ARMS:
            other = drawn.choice([each for each in CALLED if each != metric])
            yield "another figure", sentence.replace(f"{{{name}}}", f"{{{subject}.{other}}}", 1), claims
            arm = drawn.choice([each for each in ARMS if each != subject])
            if " and " not in sentence or f"{{{arm}." not in sentence:
                yield "another arm's figure", sentence.replace(f"{{{name}}}", f"{{{arm}.{metric}}}", 1), claims
        number = f"{drawn.uniform(0.1, 9):.2f}"
        yield "a number", sentence.replace(f"{{{name}}}", number, 1), claims
        yield "a number word", sentence.replace(f"{{{name}}}", drawn.choice(("half", "twelve", "double")), 1), claims
        yield (
            "a bent figure",
            sentence.replace(f"{{{name}}}", f"{{{name}}}{drawn.choice(('%', '9', ' million', 'x'))}"),
            claims,
        )
        yield "an unknown fact", sentence.replace(f"{{{name}}}", "{llm.profit}", 1), claims
    for word, opposite in FLIPPED.items():
        if re.search(rf"\b{word}\b", sentence):
            yield "direction", re.sub(rf"\b{word}\b", opposite, sentence, count=1), claims
            break
    named = [arm for arm in ARMS if re.search(rf"(?<![{{.\w]){arm}(?![.\w])", sentence)]
    if len(named) == 2 and "difference" not in sentence:
        swap = {named[0]: named[1], named[1]: named[0]}
        yield "arms", re.sub(rf"(?<![{{.\w-])(?:{'|'.join(named)})(?![.\w-])", lambda m: swap[m[0]], sentence), claims
    for name in CALLED.values():
        if name in sentence:
            wrong = drawn.choice([other for other in CALLED.values() if other != name])
            yield "metric", sentence.replace(name, wrong), claims
    for at, claim in enumerate(claims):
        rest = claims[:at], claims[at + 1 :]
        wrong = drawn.choice([each for each in RELATIONS if each != claim.relation])
        yield "relation", sentence, (*rest[0], dataclasses.replace(claim, relation=wrong), *rest[1])
        if len(claim.facts) == 2:
            yield "order", sentence, (*rest[0], dataclasses.replace(claim, facts=claim.facts[::-1]), *rest[1])
        facts = tuple(drawn.choice([each for each in FACTS if each != name]) for name in claim.facts)
        yield "facts", sentence, (*rest[0], dataclasses.replace(claim, facts=facts), *rest[1])
        yield "no claim", sentence, (*rest[0], *rest[1])


def test_true_sentences_are_shown():
    refused = [(sentence, refusal(sentence, *claims)) for sentence, claims in TRUE if refusal(sentence, *claims)]
    print(f"\nshown {len(TRUE) - len(refused)} of {len(TRUE)} true sentences; refused {refused[:5]}")
    assert len(TRUE) >= 300
    assert len(refused) <= 0.02 * len(TRUE)


def test_a_thousand_corrupted_facts_relations_and_directions_are_caught():
    drawn = random.Random(11)
    made = [each for sentence, claims in TRUE for each in corruptions(sentence, claims, drawn)]
    made = [each for each in made if each[1:] not in TRUE]
    kinds = {kind for kind, _, _ in made}
    tried = drawn.sample(made, 1_000) + [next(each for each in made if each[0] == kind) for kind in sorted(kinds)]
    missed = [each for each in tried if not refusal(each[1], *each[2])]
    print(f"\ncaught {len(tried) - len(missed)} of {len(tried)}; missed {missed[:10]}")
    assert kinds == {
        "another figure", "another arm's figure", "a number", "a number word", "a bent figure", "an unknown fact",
        "direction", "arms", "metric", "relation", "order", "facts", "no claim",
    }  # fmt: skip
    assert len(missed) <= 0.01 * len(tried)


def test_a_claim_whose_values_were_changed_is_caught():
    for sentence, claims in TRUE:
        for claim in claims:
            if claim.relation in CONVERSE:
                one, two = (FACTS[name] for name in claim.facts)
                swapped = {one.id: dataclasses.replace(one, value=two.value, text=two.text),
                           two.id: dataclasses.replace(two, value=one.value, text=one.text)}  # fmt: skip
                changed = FACTS | swapped
                assert refusal(sentence, *claims, reader=Reader(Known(changed, changed), NAMES, "llm")), sentence


def test_what_is_of_another_kind_or_unit_is_never_compared():
    for one, two in (
        ("llm.sharpe", "llm.trades"),
        ("llm.exposure", "llm.trades"),
        ("llm.exposure", "momentum.volatility"),
        ("llm.sharpe", "llm-momentum.sharpe_difference"),
        ("llm.life", "llm.sharpe"),
    ):
        for relation in ("higher than", "lower than", "better than", "worse than", "equal to"):
            with pytest.raises(UnbackedError):
                check_claim(Claim(relation, (one, two)), KNOWN)


def test_a_movement_is_told_of_windows_in_their_order():
    table = FactTable()
    for year, figure in ((1, 0.1), (2, -0.2), (3, 0.3)):
        table.add("llm", f"robust.year.{year}.total_return", figure, Unit.FRACTION, f"total return, llm in year {year}")
    known = Known(table.facts, table.facts)
    one, two, three = table.facts
    check_claim(Claim("fell", (one, two)), known)
    check_claim(Claim("rose", (two, three)), known)
    for wrong in (
        Claim("rose", (one, two)),
        Claim("fell", (two, one)),
        Claim("fell", (two, three)),
        Claim("fell", (one,)),
    ):
        with pytest.raises(UnbackedError):
            check_claim(wrong, known)


@pytest.mark.parametrize(
    ("sentence", "why"),
    [
        ("The Sharpe ratio of llm is {llm.sharpe} because costs paid came to {llm.costs}", "gives a cause"),
        ("The Sharpe ratio of llm, {llm.sharpe}, is due to momentum", "gives a cause"),
        ("The Sharpe ratio of llm will be {llm.sharpe}", "forecasts"),
        ("Investors should choose llm at a Sharpe ratio of {llm.sharpe}", "advises"),
        ("llm had an impressive Sharpe ratio of {llm.sharpe}", "judges without a fact"),
        ("The Sharpe ratio of llm is not {llm.sharpe}", "a denial is not checked"),
        ("llm made twice the {momentum.trades} trades of momentum", "spells a number"),
        ("llm made {llm.trades} trades, tenfold", "spells a number"),
        ("The costs paid by llm fell to {llm.costs}", "needs a claim"),
        ("llm soared to a total return of {llm.total_return}", "no relation of the list backs"),
        ("llm skyrocketed to a total return of {llm.total_return}", "may claim what no fact backs"),
        ("The Sharpe ratio of llm is 12", "no word, and no placeholder"),
        ("llm had a Sharpe ratio", "tells no fact"),
        ("llm had a Sharpe ratio of {llm.sharpe}. momentum came to {momentum.sharpe}", "more than one sentence"),
        ("llm restates the rule at a Sharpe ratio of {llm.sharpe}", "without the figure that says so"),
        ("The Sharpe ratio of gpt is {llm.sharpe}", "may claim what no fact backs"),
        ("llm and momentum had a Sharpe ratio of {momentum.sharpe} and {llm.sharpe}", "a figure of momentum"),
        ("", "tells no fact"),
    ],
)  # fmt: skip
def test_refusals_say_why(sentence, why):
    assert why in refusal(sentence)


def test_a_figure_that_the_words_do_not_name_is_shown_with_its_label():
    assert READER.read("The advice ended with {llm.total_return}", ()).template == (
        "The advice ended with {llm.total_return} (total return of llm)."
    )
    assert READER.read("llm ended with a total return of {llm.total_return}", ()).template == (
        "llm ended with a total return of {llm.total_return}."
    )


def test_a_largest_drawdown_is_a_rank_only_where_it_is_claimed():
    ranked = sorted(ARMS, key=lambda arm: value(arm, "max_drawdown"))
    least, most = ranked[0], ranked[-1]
    assert not refusal(f"The largest drawdown of {least} is {{{least}.max_drawdown}}")
    claim = Claim("largest", (f"{most}.max_drawdown",))
    assert not refusal(f"{most} had the largest drawdown, {{{most}.max_drawdown}}", claim)
    assert refusal(f"{most} had the largest drawdown, {{{most}.max_drawdown}}")
    assert refusal(f"{least} had the largest drawdown, {{{least}.max_drawdown}}", claim)


def test_facts_of_another_part_are_refused():
    cited = {name: fact for name, fact in FACTS.items() if fact.metric == "costs"}
    reader = Reader(Known(cited, FACTS), NAMES, "llm")
    assert "may be cited" in refusal("The Sharpe ratio of llm is {llm.sharpe}", reader=reader)
    assert not refusal("llm paid costs of {llm.costs}", reader=reader)


def test_what_the_program_says_of_an_arm_beside_others_holds():
    for part in parts(FACTS):
        for item in part.items:
            if item.claim is not None:
                check_claim(item.claim, part.known)


WORDS = st.sampled_from(
    [
        *ARMS, *CALLED.values(), *(f"{{{name}}}" for name in FACTS), "The", "of", "is", "and", ",", "than", "higher",
        "lower", "largest", "the interval", "contains zero", "from", "to", "0", "0.5", "-1", "7%", "1,000", "two", "it",
        "minus", "with", "positive", "same", "(", ")", "\u0663", "\u00bd", "1e3", "+", "-", "{", "}", "{0}",
    ]
)  # fmt: skip
CLAIMS = st.builds(
    Claim, st.sampled_from(sorted(RELATIONS)), st.lists(st.sampled_from(sorted(FACTS)), max_size=2).map(tuple)
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    st.lists(WORDS, max_size=14).map(" ".join) | st.text(max_size=60) | st.sampled_from([text for text, _ in TRUE]),
    st.lists(CLAIMS, max_size=2),
)
@example("The Sharpe ratio of llm is {llm.sharpe}", [])
def test_no_sentence_that_is_shown_has_a_number_of_its_own(sentence, claims):
    try:
        told = READER.read(sentence, claims)
    except UnbackedError:
        return
    assert not re.search(r"\d", re.sub(r"\{[^{}]+\}", "", told.template))
    assert set(re.findall(r"\{([^{}]+)\}", told.template)) == set(told.facts) <= set(FACTS)
