"""Which of the texts that were there answer a query best: BM25, or the likeness of vectors of an embedding model.

Nothing in a rank comes from later: the weight of a word (its inverse document frequency) and the usual length of a text
are those of the texts available at the close. Over the whole collection they would tell which words are going to be
common.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from llm_strategy.errors import ConfigurationError, exception_line
from llm_strategy.market.context.texts.corpus import Corpus
from llm_strategy.support.plugins import is_reference, load_reference

Array = npt.NDArray[Any]
Embed = Callable[[list[str]], Any]
"""Texts to vectors, one row each."""

K1, B = 1.5, 0.75
"""How soon further occurrences of a word stop to count, and how much a long text is held against it (Robertson and
Zaragoza 2009)."""
_DIGITS = 9
"""Decimals of a score: the last ones differ between processors."""


def words_of(texts: Sequence[str]) -> list[list[str]]:
    """The words of each text in lower case as ``bm25s`` cuts them, without the commonest English ones."""
    import bm25s

    cut: Any = bm25s.tokenize(list(texts), stopwords="en", return_ids=False, show_progress=False)
    return [list(words) for words in cut]


class WordIndex:
    """The words of a collection in the order of time, so that every beginning of it can be ranked alone."""

    def __init__(self, corpus: Corpus) -> None:
        words = words_of([f"{document.title} {document.text}" for document in corpus])
        self._vocabulary: dict[str, int] = {}
        lengths = np.array([len(each) for each in words], dtype=np.int64)
        flat = np.fromiter(
            (self._vocabulary.setdefault(word, len(self._vocabulary)) for each in words for word in each),
            dtype=np.int64,
            count=int(lengths.sum()),
        )
        where = np.repeat(np.arange(len(words), dtype=np.int64), lengths)
        pairs, counts = np.unique(flat * len(words) + where, return_counts=True)
        self._texts, self._counts = pairs % len(words), counts.astype(np.float64)
        self._first = np.searchsorted(pairs // len(words), np.arange(len(self._vocabulary) + 1))
        self._lengths = lengths.astype(np.float64)
        self._length_before = np.concatenate(([0], np.cumsum(lengths)))

    def scores(self, query: Sequence[str], available: int) -> Array:
        """The score of each of the first ``available`` texts; 0 where it holds none of the words.

        BM25 with the weight ln(1 + (n - d + 0.5) / (d + 0.5)) of a word that d of n texts hold, which is never
        negative, as Lucene has it.
        """
        scores = np.zeros(available)
        usual = self._length_before[available] / available if available else 0.0
        for word in sorted(set(query) & self._vocabulary.keys()):
            number = self._vocabulary[word]
            first, last = self._first[number], self._first[number + 1]
            last = first + np.searchsorted(self._texts[first:last], available)
            if first == last:
                continue
            texts, counts = self._texts[first:last], self._counts[first:last]
            weight = np.log(1 + (available - len(texts) + 0.5) / (len(texts) + 0.5))
            scores[texts] += weight * counts / (counts + K1 * (1 - B + B * self._lengths[texts] / usual))
        return np.round(scores, _DIGITS)


class VectorIndex:
    """The vectors of a collection, of length 1 each; a text's vector knows nothing of the others."""

    def __init__(self, corpus: Corpus, embed: Embed) -> None:
        self._embed = embed
        self._vectors = self._vectors_of([f"{document.title} {document.text}".strip() for document in corpus])

    def scores(self, query: str, available: int) -> Array:
        """The cosine of the angle between the query and each of the first ``available`` texts."""
        likeness: Array = self._vectors[:available] @ self._vectors_of([query])[0]
        return np.round(likeness, 6)

    def _vectors_of(self, texts: list[str]) -> Array:
        try:
            vectors = np.asarray(self._embed(texts), dtype=np.float64)
            if vectors.ndim != 2 or len(vectors) != len(texts) or not np.isfinite(vectors).all():
                raise ValueError(f"it gave an array of shape {vectors.shape} for {len(texts)} texts")
        except (Exception, SystemExit) as problem:
            raise ConfigurationError(
                f"The embedding model of the documents failed ({exception_line(problem)}): it takes a list of texts "
                "and gives one row of numbers for each, correct it or set rank to bm25."
            ) from None
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors / np.where(lengths > 0, lengths, 1.0)


def find_embedding(model: str) -> Embed:
    """The function behind ``embedding``: a person's own as ``package.module:function`` or ``FILE.py:function``, or a
    model of sentence-transformers by its name or folder. Raises ``ConfigurationError`` where it is not installed."""
    if is_reference(model):
        function = load_reference("embedding", model)
        if not callable(function):
            raise ConfigurationError(f"The embedding {model!r} is no function: write one that takes a list of texts.")
        return function  # type: ignore[no-any-return]
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError:
        raise ConfigurationError(
            "rank is embedding, and sentence-transformers is not installed: run pip install sentence-transformers, "
            "name a function of your own in embedding (FILE.py:function), or set rank to bm25."
        ) from None
    try:
        loaded = SentenceTransformer(model)
    except (Exception, SystemExit) as problem:
        raise ConfigurationError(
            f"The embedding model {model!r} cannot be loaded ({exception_line(problem)}): correct its name or folder."
        ) from None
    return lambda texts: loaded.encode(texts, show_progress_bar=False)


class Ranking:
    """The texts of a collection in the order of their use for a query, at any moment."""

    def __init__(self, corpus: Corpus, embed: Embed | None = None) -> None:
        self._corpus, self._embed = corpus, embed
        self._markets: dict[str, Array] = {}

    @cached_property
    def _index(self) -> WordIndex | VectorIndex:
        return WordIndex(self._corpus) if self._embed is None else VectorIndex(self._corpus, self._embed)

    @cached_property
    def _order(self) -> Array:
        """Place of each text from the newest to the oldest, then by id; that of a beginning is the same."""
        times = np.array([document.available_at for document in self._corpus])
        place = np.empty(len(times), dtype=np.int64)
        place[np.lexsort((np.arange(len(times)), -times))] = np.arange(len(times))
        return place

    def best(self, query: str, available: int, first: int, symbol: str | None, k: int, *, fill: bool) -> list[int]:
        """Numbers of the at most ``k`` best among the texts from ``first`` to ``available``, the best first; equal
        ones by time, the newest first, then by id.

        ``symbol``: only those about it, or about no market. ``fill``: places that no text earns by the query go to the
        newest; else a text that shares nothing with it is not found.
        """
        wanted = np.zeros(available, dtype=bool)
        wanted[first:] = True
        if symbol is not None:
            wanted &= self._about(symbol)[:available]
        if not wanted.any():
            return []
        if isinstance(self._index, WordIndex):
            (words,) = words_of([query])
            scores = self._index.scores(words, available)
        else:
            scores = self._index.scores(query, available) if query else np.zeros(available)
        if not fill:
            wanted &= scores > 0
        found = np.flatnonzero(wanted)
        best = found[np.lexsort((self._order[found], -scores[found]))][:k]
        return [int(number) for number in best]

    def _about(self, symbol: str) -> Array:
        if symbol not in self._markets:
            wanted = symbol.upper()
            self._markets[symbol] = np.array(
                [
                    not document.symbols or any(name.upper() == wanted for name in document.symbols)
                    for document in self._corpus
                ],
                dtype=bool,
            )
        return self._markets[symbol]
