"""The closed vocabulary of prose: words that claim nothing, words that claim a relation, and words that nothing backs.

A word that stands in none of these tables, is no name of an arm and no name of a figure, is refused: what a model wants
to say beyond the facts it would say in such a word. All are in lower case.
"""

from __future__ import annotations

from types import MappingProxyType

from simulator.reporting.facts.terms import ARM_TERMS, PAIR_TERMS


def _split(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_HIGHER = _split(
    "higher above more exceeds exceeded exceed exceeding greater larger bigger longer deeper surpassed surpasses"
)
_LOWER = _split("lower below less fewer smaller shorter shallower beneath")
_BETTER = _split("better outperformed outperforms outperform outperforming beat beats beating ahead bettered")
_WORSE = _split("worse underperformed underperforms underperform underperforming trailed trails trail trailing lagged "
                "lags lag lagging behind lost")  # fmt: skip
_ROSE = _split("rose rises rising risen rise grew grown growing climbed climbs increased increases increase increasing "
               "gained")  # fmt: skip
_FELL = _split("fell falls falling fallen fall dropped drops drop dropping declined declines decline declining "
               "decreased decreases decrease decreasing shrank lost")  # fmt: skip

DIRECTIONS = MappingProxyType({
    **dict.fromkeys(_HIGHER, ("higher than",)),
    **dict.fromkeys(_LOWER, ("lower than",)),
    **dict.fromkeys(_BETTER, ("better than",)),
    **{word: ("worse than",) for word in _WORSE if word != "lost"},
    **dict.fromkeys(_ROSE, ("rose",)),
    **{word: ("fell",) for word in _FELL if word != "lost"},
    "lost": ("worse than", "negative", "fell"),
    "gained": ("positive", "rose"),
    **dict.fromkeys(_split("equal equals equalled same identical matched matches similar alike"), ("equal to",)),
    **dict.fromkeys(_split("differ differs differed differing different"),
                    ("higher than", "lower than", "distinguishable")),
    "highest": ("highest", "largest"),
    **dict.fromkeys(_split("largest greatest biggest longest deepest"), ("largest",)),
    "lowest": ("lowest", "smallest"),
    **dict.fromkeys(_split("smallest shortest fewest shallowest"), ("smallest",)),
    "best": ("best",),
    "worst": ("worst",),
    **dict.fromkeys(_split("positive profitable profit profits"), ("positive",)),
    **dict.fromkeys(_split("negative loss losses lose loses"), ("negative",)),
    **dict.fromkeys(("above zero",), ("positive",)),
    **dict.fromkeys(("below zero",), ("negative",)),
    **dict.fromkeys(("above its mean", "above the mean", "above its average", "above average"), ("above its mean",)),
    **dict.fromkeys(("below its mean", "below the mean", "below its average", "below average"), ("below its mean",)),
    **dict.fromkeys(("higher than usual", "above usual"), ("higher than usual", "much higher than usual")),
    **dict.fromkeys(("lower than usual", "below usual"), ("lower than usual", "much lower than usual")),
    **dict.fromkeys(("much higher than usual", "unusually high", "elevated"), ("much higher than usual",)),
    **dict.fromkeys(("much lower than usual", "unusually low", "subdued"), ("much lower than usual",)),
    **dict.fromkeys((
        "cannot be told apart", "cannot be told from", "cannot be distinguished", "not distinguishable",
        "indistinguishable", "could be luck", "may be luck", "luck alone can explain", "luck alone could explain",
        "chance alone can explain", "chance alone could explain", "contains zero", "contain zero", "holds zero",
        "hold zero", "includes zero", "include zero", "spans zero", "span zero", "zero lies within", "lies within the "
        "noise", "within the noise", "cannot be separated", "not separable",
    ), ("not distinguishable",)),
    **dict.fromkeys((
        "distinguishable", "can be told apart", "can be distinguished", "does not contain zero", "do not contain zero",
        "excludes zero", "exclude zero", "lies off zero", "beyond luck", "more than luck",
    ), ("distinguishable",)),
})  # fmt: skip
"""Words and phrases that claim a relation, by any of which they may be backed."""

FIGURES = tuple(
    sorted(
        {name for term in (ARM_TERMS | PAIR_TERMS).values() for name in (*term.names, *(f"{n}s" for n in term.names))}
    )
)
"""What figures are called beside their labels."""

EVIDENCE = MappingProxyType({
    **dict.fromkeys(_split("dead constant"), r"life|constant_share"),
    **dict.fromkeys(_split("repeats repeat repeated repeating restates restate restated echo echoes echoed copied "
                           "copies copying"), r"copy\..*|(?:.*[._])?verdict"),
    **dict.fromkeys(_split("agrees agree agreed agreement disagree disagrees disagreement"), r".*(?:agreement|kappa)"),
    **dict.fromkeys(_split("luck chance noise"), r".*p|p_.*|.*percentile|low|high|detectable|.*_low|.*_high|sharpe_.*"),
    **dict.fromkeys(_split("cut cuts cutting clamp clamps clamped intervened intervenes intervene intervention "
                           "interventions"), r"cut|clamps\..*|steps\..*"),
    **dict.fromkeys(_split("refused refuse refuses refusing denied"), r"refused|refusals\..*|verdicts\.deny"),
    **dict.fromkeys(_split("fired firing triggered trigger triggers"), r"kill_switch.*|exits\..*|stop_.*"),
    **dict.fromkeys(_split("stopped"), r"exits\..*|stop_.*"),
    **dict.fromkeys(_split("abstained abstain abstains abstention abstentions timeout timeouts invalid"),
                    r"statuses\..*|abstentions\..*"),
    **dict.fromkeys(_split("repaired repair repairs"), r"statuses\..*|repairs\..*"),
})  # fmt: skip
"""Words that say what was counted, and the metrics of which one must stand in the same sentence."""

SAME = tuple(
    f"same {what}" for what in ("holding times", "bars", "prices", "period", "path", "gate", "limits", "costs")
)
"""What is the same by how a run is made."""

OPENINGS = _split(
    "of for by and than against versus vs from beside to over with while but at between among or minus that"
)
"""Words behind which a name stands."""
REFERRING = _split("it its itself they them their")
"""Words that stand for an arm that another sentence named."""
BREAKS = _split("and but while whereas although though yet or which where")
"""Words that begin another clause; so do a comma, a semicolon, a colon and a dash."""

PLAIN = frozenset(_split("""
a account accounts achieve achieved achieves across act acted action actions active acts advice advised advisor
advisors after afterwards again against agreement allow allowed allows alone along already also although altogether am
among amount amounts an and annual annually another answer answered answers apart appears are arm arms as asset assets
at average away back backtest band bar bars based baseline baselines basis be bear been before began begin beginning
begins being benchmark benchmarks beside besides between beyond borrow bought bring brings brought bull but by came
cap capital capped caps carried carries carry case cases cash causal caveat caveats certain charge charged charges
claim claims close closed closes closing come comes coming commission compare compared compares comparing comparison
comparisons conclude concluded concludes conclusion confidence consist consists constraint constraints context copy
cost costs count counted counting counts cover covered covers data date dates day days decide decided decides deciding
decision decisions deliver delivered delivers depth describe described describes detect detectable detected did
difference differences disagreement do does doing done doubt doubts draw drawdown drawdowns draws during earlier earn
earned earns effect effects end ended ending ends endured enter entered entries entry equity evidence example examples
exit exited exits exposure fact facts feature features fee fees figure figures fill filled fills find finding finds
finish finished finishes follow followed following follows for forth found from gate gates gave get gets give given
gives giving go goes got gross had has have having held here history hit hits hold holder holding holdings holds
however in incur incurred incurs index input inputs inside instead interest interval intervals into invested
investment is it its itself kappa keep keeping keeps kept kill kind kinds know known knows label labelled labels later
lay learned leave leaves left level levels lie lies light limit limited limits logged long look looked looking looks
lying made make makes making market markets matter matters mean means meanwhile measure measured measurement measures
median meet meets met model models moment moments momentum move moved moves moving naive nearest net nevertheless
number of off on onto open opens or order orders other others otherwise out outcome outcomes output outputs outside
over overall own page paid paper part parts passive past path pay pays peak peaks per performance period person
picture place placebo placebos placed places plain point policy position positions posted posts power preceding
previous price prices probability prompt prompts question questions ran range ranged ranges ranging rather ratio
ratios reach reached reaches read reader readers reading reads recent record recorded records refusal refusals regime
regimes registered relative remain remained remaining remains remark remarks report reported reporting reports rest
resting rests result results return returned returns review reviewed risk risks rows rule rules run runs said sample
saw say saying says scale see seed seems seen sees series set sets setting settings settled settles setup share shares
sharpe shift shifted short show showed showing shown shows shuffle shuffled side sides sideways signal signals simple
simulated simulation simulator sit sits size sized sizes slippage so sold sort sortino sorts span spans spell spells
spent spread stand standing stands start started starts state statement statements states statistic statistics status
statuses stay stayed stays still stock stocks stood stop stops story strategy stretch stretches such suffer suffered
suffers sum summary switch symbol symbols table take taken takes taking target targets tell telling tells term terms
test tested tests than that the their them then there these they this those though through throughout time timing to
together told too took total toward towards trade traded trader trades trading trend trial trials trough true truth
turbulent turn turned turning turnover turns uncertain uncertainty under unit units universe unknown until valid
valley value values verdict verdicts versus view volatility vs was water way ways wealth went were what when where
whereas which while who whole whose with within word words year yearly years yet yield yielded yields
"""))  # fmt: skip
"""Words that claim nothing by themselves."""

REFUSED = MappingProxyType({
    "gives a cause, and there is no ablation to back one": _split(
        "because due thanks caused causes cause therefore thus hence since reason reasons led leads leading owing why "
        "explains explain explained driven drove drives attributed attributable owed skill skilful skilled"
    ),
    "forecasts": _split(
        "will expected expect expects expectation likely unlikely future forecast forecasts predict predicts "
        "prediction would could might going soon next tomorrow should continue continues potential promise promises "
        "promising prospects outlook"
    ),
    "advises": _split(
        "buy sell invest investor investors recommend recommends recommended recommendation consider must need needs "
        "needed advise avoid prefer choose suggest suggests suggested worth opportunity opportunities bet bets"
    ),
    "judges without a fact": _split(
        "impressive well strong strongly good great excellent poor poorly weak robust significant significantly "
        "solid successful successfully success effective remarkable notable notably risky safe stable consistent "
        "consistently much slightly far very only reliable clever smart superior inferior favourable unfavourable "
        "attractive disappointing stellar outstanding modest substantial substantially considerable considerably "
        "clearly obviously dramatically sharply marginally crushed dominated eclipsed"
    ),
    "denies something, and a denial is not checked": _split(
        "not no never without neither nor none cannot hardly barely scarcely didn't doesn't wasn't isn't couldn't "
        "can't won't fails failed fail nothing nobody nowhere"
    ),
    "spells a number that no fact shows so": _split(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety dozen dozens score hundred "
        "hundreds thousand thousands million millions billion billions half halves third thirds quarter quarters "
        "twice thrice double doubled doubles doubling triple tripled triples quadruple quadrupled times first second "
        "fourth fifth sixth seventh eighth ninth tenth percent percentage pct once halved halving fold twofold "
        "threefold fourfold fivefold tenfold hundredfold majority minority all both each every several many few couple "
        "handful pair about almost nearly roughly around approximately least most some any single only bps points"
    ),
    "tells a direction that no relation of the list backs": _split(
        "up down won wins win winning ranked rank upward downward soared surged plunged plummeted tumbled jumped "
        "collapsed rebounded recovered rallied improved improves improve improvement worsened deteriorated reduced "
        "reduces reduce gain gains advantage edge lead leader laggard high low upside downside top bottom minor major"
    ),
})  # fmt: skip
"""Words refused by name, by what is wrong with them; any other unknown word is refused too."""
