"""Feeds, filings and tables of others become dated texts: each from the moment when it could be read."""

import json
import sys

import pytest
from command_line import only_error
from saved_feeds import ATOM, RSS, SUBMISSION

from llm_strategy.market.context.moments import iso_zoned
from llm_strategy.market.context.texts.corpus import read_corpus


def loaded(btllm, folder, *words):
    code, out, err = btllm("documents", "load", *words, "--to", str(folder / "news.jsonl"))
    assert code == 0, err
    assert "Written:" in out
    return read_corpus([folder / "news.jsonl"])


def times(corpus):
    return [iso_zoned(document.available_at) for document in corpus]


def test_a_feed_of_rss_counts_from_its_publication_in_its_zone(btllm, tmp_path):
    (tmp_path / "feed.xml").write_text(RSS)
    corpus = loaded(btllm, tmp_path, "rss", str(tmp_path / "feed.xml"), "--symbol", "SPY")
    assert times(corpus) == ["2008-10-08T11:00:00Z", "2008-10-10T20:45:10Z"]
    assert corpus[0].text == "Central banks cut rates together"
    assert corpus[1].title == "Stocks slide for an eighth day & credit stays frozen"
    assert corpus[1].text == "Shares fell again as banks\u2019 funding dried up."
    assert corpus[1].id == "wire-2008-10-10-1"
    assert {(each.source, each.symbols) for each in corpus} == {("Example Wire: Markets", ("SPY",))}


def test_an_entry_of_atom_that_was_updated_counts_from_its_update(btllm, tmp_path):
    (tmp_path / "feed.xml").write_text(ATOM)
    corpus = loaded(btllm, tmp_path, "rss", str(tmp_path / "feed.xml"))
    assert times(corpus) == ["2008-10-10T13:15:00Z"]
    assert corpus[0].text == "Item 2.02 Results of operations, as corrected."


@pytest.mark.parametrize(
    ("accepted", "filed", "available"),
    [
        ("20080721163042", "20080721", "2008-07-21T20:30:42Z"),  # summer: four hours behind UTC
        ("20080121163042", "20080121", "2008-01-21T21:30:42Z"),
        ("20080721174500", "20080722", "2008-07-22T10:00:00Z"),  # after 17:30: spread on the next morning
    ],
)
def test_a_filing_counts_from_its_acceptance_in_eastern_time(btllm, tmp_path, accepted, filed, available):
    (tmp_path / "a.txt").write_text(SUBMISSION.format(accepted=accepted, filed=filed))
    corpus = loaded(btllm, tmp_path, "sec", str(tmp_path / "a.txt"), "--symbol", "XMPL")
    assert times(corpus) == [available]
    assert corpus[0].id == "0000000000-08-000065"
    assert corpus[0].title == "8-K of EXAMPLE CORP"
    assert corpus[0].symbols == ("XMPL",)
    assert corpus[0].text == (
        "Item 2.02 Results of Operations. Revenue fell by a fifth \u2014 the outlook is withdrawn."
    )


def test_a_table_has_columns_of_its_own_and_a_zone_that_is_told(btllm, tmp_path):
    (tmp_path / "a.csv").write_text(
        "when,headline,tickers\n2008-10-10 09:30:00,Opening,AAPL;MSFT\n2008-10-09,A day alone,\n"
        "2008-11-02 01:30:00,An hour that comes twice,AAPL\n"
    )
    words = ["csv", str(tmp_path / "a.csv"), "--time", "when", "--text", "headline", "--symbols", "tickers"]
    corpus = loaded(btllm, tmp_path, *words, "--zone", "America/New_York")
    assert times(corpus) == ["2008-10-10T04:00:00Z", "2008-10-10T13:30:00Z", "2008-11-02T06:30:00Z"]
    assert corpus[1].symbols == ("AAPL", "MSFT")


def test_a_feed_saved_on_two_days_holds_each_text_once_and_a_changed_one_twice(btllm, tmp_path):
    (tmp_path / "one.xml").write_text(RSS)
    changed = RSS.replace("dried up", "came back").replace("16:45:10", "18:00:00")
    (tmp_path / "two.xml").write_text(changed)
    corpus = loaded(btllm, tmp_path, "rss", str(tmp_path / "two.xml"), str(tmp_path / "one.xml"))
    assert times(corpus) == ["2008-10-08T11:00:00Z", "2008-10-10T20:45:10Z", "2008-10-10T22:00:00Z"]
    assert [each.id for each in corpus][1:] == ["wire-2008-10-10-1", corpus[2].id]
    assert "came back" in corpus[2].text


def test_what_was_loaded_is_checked_as_a_run_would_read_it(btllm, tmp_path):
    (tmp_path / "feed.xml").write_text(RSS)
    loaded(btllm, tmp_path, "rss", str(tmp_path / "feed.xml"))
    code, out, _ = btllm("documents", "check", str(tmp_path / "news.jsonl"))
    assert code == 0
    assert out == "2 texts, available from 2008-10-08T11:00:00Z to 2008-10-10T20:45:10Z\n"
    (tmp_path / "news.jsonl").write_text(json.dumps({"available_at": "2008-10-10", "text": "x"}))
    only_error(btllm("documents", "check", str(tmp_path / "news.jsonl")), 3)


@pytest.mark.parametrize(
    ("kind", "content", "sentence"),
    [
        ("rss", RSS.replace(" -0400", ""), "pubDate is 'Fri, 10 Oct 2008 16:45:10', which has no zone"),
        ("rss", RSS.replace("Fri, 10 Oct 2008 16:45:10 -0400", "yesterday"), "pubDate is 'yesterday'"),
        ("rss", "<rss><channel><item><title>x</title></item></channel></rss>", "line 1: the entry has no pubDate"),
        ("rss", "<html><body/></html>", "holds no item of RSS and no entry of Atom"),
        ("rss", "not at all", "line 1: this is no XML"),
        ("rss", '<!DOCTYPE a [<!ENTITY b "c">]><rss/>', "line 1: it declares a document type"),
        ("rss", "<a>" * 1000, "elements stand too deep in each other"),
        ("rss", '<?xml version="1.0" encoding="no-such"?><rss/>', "is no XML that can be read"),
        ("sec", "Annual report", "has no <ACCEPTANCE-DATETIME>: save the complete submission text file"),
        ("sec", SUBMISSION.format(accepted="2008", filed="20080721"), "'2008', and not 14 digits"),
        ("sec", SUBMISSION.format(accepted="20080721163042", filed="July"), "FILED AS OF DATE is 'July', and no date"),
        ("csv", "available_at,text\n2008-10-10 09:30:00,x\n", "which has no zone: name it with --zone"),
        ("csv", "available_at,txt\n2008-10-10T09:30:00Z,x\n", "it has no 'text', did you mean 'txt'"),
    ],
)
def test_a_file_that_is_none_is_one_sentence(btllm, tmp_path, kind, content, sentence):
    path = tmp_path / ("a.csv" if kind == "csv" else "a.txt")
    path.write_text(content)
    answer = btllm("documents", "load", kind, str(path), "--to", str(tmp_path / "news.jsonl"))
    assert sentence in only_error(answer, 3)
    assert not (tmp_path / "news.jsonl").exists()


def test_settings_that_cannot_be_followed_are_one_sentence(btllm, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "edgar", None)  # as where it is not installed
    to = ["--to", str(tmp_path / "news.jsonl")]
    fetch = ["documents", "load", "sec", "--symbol", "AAPL", "--identity", "A Name a@example.org", *to]
    assert "pip install 'backtrader-llm[sec]'" in only_error(btllm(*fetch), 2)
    assert "name submission files (.txt), or --symbol and --identity" in only_error(
        btllm("documents", "load", "sec", *to), 2
    )
    (tmp_path / "a.csv").write_text("available_at,text\n2008-10-10T09:30:00Z,x\n")
    csv = ["documents", "load", "csv", str(tmp_path / "a.csv")]
    assert "The zone 'Mars' is unknown" in only_error(btllm(*csv, "--zone", "Mars", *to), 2)
    assert "does not end in .jsonl" in only_error(btllm(*csv, "--to", str(tmp_path / "a.txt")), 2)
    assert "has no column 'title'" in only_error(btllm(*csv, "--title", "title", *to), 3)
    assert "There is no file" in only_error(btllm("documents", "load", "rss", str(tmp_path / "no.xml"), *to), 2)
