"""From tokens to claims: each clause is read in one way only and each claim is held against the facts.

A clause that fits no known form is refused: what cannot be read cannot be checked.
"""

from __future__ import annotations

from collections.abc import Sequence

from simulator.reporting.fact import Fact, Facts
from simulator.reporting.grounding import words
from simulator.reporting.grounding.tokens import INTERVAL, Refusal, Token, spelled

Tokens = Sequence[Token]


class Reading:
    """One sentence, clause after clause; ``told`` are the ids of the facts that back it.

    ``topic`` are the facts that the sentence may tell, ``everything`` those that a superlative ranges over.
    """

    def __init__(self, topic: Facts, everything: Facts) -> None:
        self.told: dict[str, None] = {}
        self._facts = {(fact.subject, fact.metric): fact for fact in topic.values()}
        self._everything = everything
        self._subject = self._metric = self._reference = ""
        self._named: set[str] = set()
        self._owed: set[str] = set()

    def read(self, tokens: Tokens) -> None:
        """Check every claim; raises ``Refusal``."""
        for clause in _clauses(_joined(tokens)):
            self._clause(clause)
        if not self.told:
            raise Refusal("it tells no fact")
        if self._owed:
            raise Refusal(f"nothing checkable is said of its {' and '.join(sorted(self._owed))}")

    def _clause(self, clause: list[Token]) -> None:
        if clause[0].kind == "B":
            opening, clause = clause[0].value, clause[1:]
            if opening in words.REFERRING and len(self._named) > 1 and not _of(clause, "SL"):
                raise Refusal(f"it is not plain what {opening!r} refers to")
        clause = self._paired(clause)
        operators = _of(clause, "DXGEZ")
        if len(operators) > 1:
            raise Refusal(f"{operators[1].value!r} and {operators[0].value!r} in one clause cannot be told apart")
        if _of(clause, "A") and not _of(clause, "X"):
            raise Refusal("it speaks of all arms at once")
        if not operators:
            self._values(clause)
        elif operators[0].kind in "DE":
            self._comparison(clause, clause.index(operators[0]))
        else:
            self._judgement([token for token in clause if token.kind != "A"], operators[0])

    # Values

    def _values(self, clause: list[Token]) -> None:
        sides = _split_at_links(clause)
        for position, side in enumerate(sides):
            linked = position > 0
            if not side and not linked:
                continue
            shape = "".join(token.kind for token in side)
            if shape == "S" and linked:
                self._reference = side[0].value
                self._owed.add("reference")
                self._named.add(side[0].value)
            elif shape in ("S", "M", "SM", "MS") and not linked:
                self._begin(side)
            elif sorted(shape.replace("M", "")) == ["L", "R"] and shape.count("M") <= 1 and not linked:
                self._two_values(side)
            else:
                if linked and "S" not in shape:
                    raise Refusal("one side of the comparison has no name")
                self._one_value(side)

    def _begin(self, side: Tokens) -> None:
        for token in side:
            which = "subject" if token.kind == "S" else "metric"
            if which in self._owed:
                raise Refusal(f"nothing checkable is said of its first {which}")
            self._owed.add(which)
            if token.kind == "S":
                self._subject = token.value
                self._named.add(token.value)
            else:
                self._metric = token.value

    def _one_value(self, side: Tokens) -> None:
        _only(side, {"S": 1, "M": 1, "N": 1, "R": 1})
        numbers = _of(side, "NR")
        if len(numbers) != 1:
            raise Refusal("its numbers cannot be told apart")
        if len(side) == 1 and len(self._named) > 1:
            raise Refusal(f"it is not plain whose figure {numbers[0].value!r} is")
        _bound_after_number(side)
        subject, metric = self._names(side)
        self._check_number(subject, metric, numbers[0])

    def _two_values(self, side: Tokens) -> None:
        names, numbers = _of(side, "L")[0], _of(side, "R")[0]
        _, metric = self._names([token for token in side if token.kind == "M"], subject=names.value)
        for subject, text in ((names.value, numbers.value), (names.other, numbers.other)):
            self._named.add(subject)
            self._check_number(subject, metric, Token("N", text))

    def _check_number(self, subject: str, metric: str, number: Token) -> None:
        if number.kind == "R":
            if metric not in (INTERVAL, words.DIFFERENCE):
                raise Refusal(f"{number.value!r} and {number.other!r} stand where one number belongs")
            for bound, text in zip(words.BOUNDS, (number.value, number.other), strict=True):
                self._check_number(subject, bound, Token("N", text))
        elif spelled((fact := self._fact(subject, metric)).text) != number.value:
            raise Refusal(f"{number.value!r} is not the {metric} of {subject}, which is {fact.text!r}")

    # Comparisons

    def _comparison(self, clause: list[Token], at: int) -> None:
        left, operator, right = clause[:at], clause[at], clause[at + 1 :]
        if operator.kind == "E" and _of(left, "L") and not _of(right, "SLNRT"):
            names = _of(left, "L")[0]
            rest = [token for token in (*left, *right) if token.kind != "L"]
            _only(rest, {"M": 1})
            _, metric = self._names(rest, subject=names.value)
            self._compare(names.value, names.other, metric, operator)
            return
        _only(left, {"S": 1, "M": 1, "N": 1})
        middle, other = _around_link(right)
        _only(middle, {"M": 1, "N": 1})
        _only(other, {"S": 1, "M": 1, "N": 1})
        _only([*left, *middle, *other], {"S": 2, "M": 1, "N": 2})
        _bound_after_number(left)
        _bound_after_number(other)
        metrics = [token for token in (*left, *middle, *other) if token.kind == "M"]
        first, metric = self._names([*_of(left, "S"), *metrics])
        if other_names := _of(other, "S"):
            second = other_names[0].value
            self._named.add(second)
        elif self._reference and not other:
            second = self._reference
            self._owed.discard("reference")
        else:
            raise Refusal(f"{operator.value!r} is compared with nothing that has a name")
        self._compare(first, second, metric, operator)
        own = _of([*left, *middle], "N")
        if len(own) > 1:
            raise Refusal("its numbers cannot be told apart")
        for subject, numbers in ((first, own), (second, _of(other, "N"))):
            for number in numbers:
                self._check_number(subject, metric, number)

    def _compare(self, first: str, second: str, metric: str, operator: Token) -> None:
        if first == second:
            raise Refusal(f"it compares {first} with itself")
        one, two = self._fact(first, metric), self._fact(second, metric)
        if operator.kind == "E":
            if one.text != two.text:
                raise Refusal(f"the {metric} of {first} and {second} is not {operator.value}")
        elif not _surpasses(one, two, *words.COMPARATIVES[operator.value]):
            raise Refusal(f"the {metric} of {first} is not {operator.value!r} against {second}")

    # Superlatives, signs, intervals

    def _judgement(self, clause: list[Token], operator: Token) -> None:
        _only(clause, {operator.kind: 1, "S": 1, "M": 1, "N": 1, "R": 1})
        _bound_after_number(clause)
        if operator.kind == "Z" and not _of(clause, "M") and self._metric not in (*words.BOUNDS, words.DIFFERENCE):
            self._metric = INTERVAL
        subject, metric = self._names(clause)
        if operator.kind == "Z":
            self._check_zero(subject, metric, words.ZERO[operator.value])
        elif operator.kind == "G":
            fact = self._fact(subject, metric)
            if _number(fact) * words.SIGNS[operator.value] <= 0:
                raise Refusal(f"the {metric} of {subject} is not {operator.value}")
        else:
            self._check_first(self._fact(subject, metric), *words.SUPERLATIVES[operator.value], operator.value)
        for number in _of(clause, "NR"):
            self._check_number(subject, metric, number)

    def _check_zero(self, subject: str, metric: str, inside: bool) -> None:
        if metric not in (INTERVAL, words.DIFFERENCE, *words.BOUNDS):
            raise Refusal(f"the {metric} of {subject} is no interval")
        low, high = (_number(self._fact(subject, bound)) for bound in words.BOUNDS)
        if (low <= 0 <= high) is not inside:
            raise Refusal(f"zero lies {'outside' if inside else 'inside'} the interval of {subject}")

    def _check_first(self, fact: Fact, scale: words.Scale, sign: int, word: str) -> None:
        others = [other for other in self._everything.values() if other.metric == fact.metric and other.id != fact.id]
        if not others:
            raise Refusal(f"{word!r} has nothing to range over")
        if not all(_surpasses(fact, other, scale, sign) for other in others):
            raise Refusal(f"the {fact.metric} of {fact.subject} is not the {word}")

    # What a clause speaks of

    def _names(self, tokens: Tokens, subject: str = "") -> tuple[str, str]:
        """Subject and metric of a clause: its own, else those of the clause before, else the only possible one."""
        for kind, what in (("S", "subject"), ("M", "metric")):
            if what in self._owed and _of(tokens, kind):
                raise Refusal(f"nothing checkable is said of its first {what}")
            self._owed.discard(what)
        for token in tokens:
            if token.kind == "S":
                self._subject = token.value
            elif token.kind == "M":
                self._metric = token.value
        if not self._metric:
            raise Refusal("it names no metric")
        if not (subject or self._subject):
            holders = [holder for holder, metric in self._facts if metric in (self._metric, _bound(self._metric))]
            if len(holders) != 1:
                raise Refusal(f"it does not say whose {self._metric} it means")
            self._subject = holders[0]
        self._subject = subject or self._subject
        self._named.add(self._subject)
        return self._subject, self._metric

    def _paired(self, clause: list[Token]) -> list[Token]:
        """Two arms that the clause sets against each other, where the metric belongs to the pair, as one subject."""
        metrics = [token.value for token in clause if token.kind == "M"] or [self._metric]
        of_pairs = any("-" in holder and metric == _bound(metrics[0]) for holder, metric in self._facts)
        if not of_pairs and not _of(clause, "Z"):
            return clause
        for at, token in enumerate(clause):
            if token.kind == "L":
                return [*clause[:at], Token("S", f"{token.value}-{token.other}", after=token.after), *clause[at + 1 :]]
            if [other.kind for other in clause[at : at + 3]] == ["S", "T", "S"]:
                pair = Token("S", f"{token.value}-{clause[at + 2].value}", after=token.after)
                return [*clause[:at], pair, *clause[at + 3 :]]
        return clause

    def _fact(self, subject: str, metric: str) -> Fact:
        if metric == INTERVAL:
            raise Refusal("an interval has two ends")
        fact = self._facts.get((subject, metric))
        if fact is None:
            raise Refusal(f"no fact of this topic tells the {metric} of {subject}")
        self.told[fact.id] = None
        return fact


def _bound(metric: str) -> str:
    return words.BOUNDS[0] if metric == INTERVAL else metric


def _of(tokens: Tokens, kinds: str) -> list[Token]:
    return [token for token in tokens if token.kind in kinds]


def _only(tokens: Tokens, allowed: dict[str, int]) -> None:
    for token in tokens:
        if sum(other.kind == token.kind for other in tokens) > allowed.get(token.kind, 0):
            raise Refusal(f"{token.value!r} stands where it cannot be checked")


def _bound_after_number(side: Tokens) -> None:
    """A name after a number owns it only where it says so: "0.42 of b"."""
    numbers = [at for at, token in enumerate(side) if token.kind in "NR"]
    names = [at for at, token in enumerate(side) if token.kind == "S"]
    if numbers and names and names[0] > numbers[0] and not side[names[0]].bound:
        raise Refusal(f"it is not plain whose figure {side[numbers[0]].value!r} is")


def _joined(tokens: Tokens) -> list[Token]:
    """ "a and b" becomes one token: two names wherever they stand, two numbers after two names or in an interval."""
    named = _pairs(tokens, "S", "L", ("and",))
    if any(token.kind in "LZ" or token.value == INTERVAL for token in named):
        return _pairs(named, "N", "R", ("and", ",", ""))
    return named


def _pairs(tokens: Tokens, kind: str, double: str, joints: tuple[str, ...]) -> list[Token]:
    paired: list[Token] = []
    for token in tokens:
        joint = paired[-1].value if paired and paired[-1].kind == "B" else ""
        first = paired[: -1 if joint else None][-1:]
        if token.kind == kind and joint in joints and first and first[0].kind == kind:
            paired = paired[: -2 if joint else -1]
            token = Token(double, first[0].value, token.value, first[0].after)
        paired.append(token)
    return paired


def _clauses(tokens: Tokens) -> list[list[Token]]:
    """The tokens cut before each B; a clause keeps the last of the Bs that open it."""
    clauses: list[list[Token]] = [[]]
    for token in tokens:
        if token.kind != "B":
            clauses[-1].append(token)
        elif clauses[-1] and clauses[-1][-1].kind == "B":
            clauses[-1][-1] = token
        else:
            clauses.append([token])
    return [clause for clause in clauses if _of(clause, "SLMNRDXAGEZT")]


def _split_at_links(clause: Tokens) -> list[list[Token]]:
    sides: list[list[Token]] = [[]]
    for token in clause:
        if token.kind == "T":
            sides.append([])
        else:
            sides[-1].append(token)
    return sides


def _around_link(right: list[Token]) -> tuple[list[Token], list[Token]]:
    """What stands between a comparative and the link, and what stands behind the link (or where there is none, from
    the name on)."""
    links = [at for at, token in enumerate(right) if token.kind == "T"]
    if len(links) > 1:
        raise Refusal("it compares more than two sides")
    if links:
        return right[: links[0]], right[links[0] + 1 :]
    names = [at for at, token in enumerate(right) if token.kind == "S"]
    return (right[: names[0]], right[names[0] :]) if names else (right, [])


def _number(fact: Fact) -> float:
    if isinstance(fact.value, str):
        raise Refusal(f"{fact.label} is not a number")
    return fact.value


def _surpasses(one: Fact, two: Fact, scale: words.Scale, sign: int) -> bool:
    first, second = _number(one), _number(two)
    if one.text == two.text:
        return False
    if scale is words.Scale.MERIT:
        if one.metric not in words.MERIT:
            raise Refusal(f"more or less {one.metric} is neither better nor worse")
        sign *= words.MERIT[one.metric]
    elif scale is words.Scale.SIZE and min(first, second) < 0:
        raise Refusal(f"the size of a negative {one.metric} cannot be checked")
    return (first - second) * sign > 0
