"""Files of dated texts: three forms, one meaning, and everything wrong in one sentence with its line."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from dated_texts import text, texts_file

from llm_strategy.errors import ConfigurationError, MarketDataError
from llm_strategy.market.context.texts.corpus import LONGEST_TEXT, read_corpus

AT = "2008-10-09T12:00:00Z"


def test_three_forms_of_a_file_mean_the_same(tmp_path):
    rows = [
        text("2008-10-09T08:00:00-04:00", "Banks, again", id="a", symbols=["AAPL", "MSFT"], source="wire", title="One"),
        text("2008-10-01T00:00:00Z", 'He said "no"', id="b"),
    ]
    texts_file(tmp_path, *rows)
    (tmp_path / "news.csv").write_text(
        "id,available_at,title,text,symbols,source,url\n"
        'a,2008-10-09T12:00:00Z,One,"Banks, again",AAPL; MSFT,wire,https://example.org\n'
        'b,2008-10-01T00:00:00+00:00,,"He said ""no""",,,\n'
    )
    columns = {name: [row.get(name) for row in rows] for name in ("id", "text", "symbols", "source", "title")}
    columns["available_at"] = pa.array([1223553600, 1222819200], pa.timestamp("s", tz="America/New_York"))
    pq.write_table(pa.table(columns), tmp_path / "news.parquet")
    made = [tuple(read_corpus([tmp_path / f"news.{ending}"])) for ending in ("jsonl", "csv", "parquet")]
    assert made[0] == made[1] == made[2]
    assert [document.id for document in made[0]] == ["b", "a"]
    assert made[0][1].symbols == ("AAPL", "MSFT")


def test_a_text_without_an_id_has_one_made_of_its_content(tmp_path):
    one, same = (read_corpus([tmp_path / name]) for name in (
        texts_file(tmp_path, text(AT, "One"), text(AT, "Two")), texts_file(tmp_path, text(AT, "One"), name="same.jsonl")
    ))  # fmt: skip
    assert same[0].id in {document.id for document in one}
    assert len({document.id for document in one}) == 2


def test_several_files_are_one_collection(tmp_path):
    first = texts_file(tmp_path, text(AT, "One", id="1"))
    second = texts_file(tmp_path, text("2008-01-01T00:00:00Z", "Two", id="2"), name="more.jsonl")
    assert [each.id for each in read_corpus([tmp_path / first, tmp_path / second])] == ["2", "1"]
    again = texts_file(tmp_path, text(AT, "Other", id="1"), name="again.jsonl")
    with pytest.raises(
        MarketDataError, match=r"again.jsonl, line 1: the id '1' stands in .*news.jsonl, line 1 already"
    ):
        read_corpus([tmp_path / first, tmp_path / again])


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        (text("2008-10-09T12:00:00", "x"), "available_at '2008-10-09T12:00:00' has no zone"),
        (text("2008-10-09", "x"), "available_at '2008-10-09' has no zone"),
        (text("9 October", "x"), "available_at '9 October' is no time"),
        (text(1223553600, "x"), "available_at '1223553600' is no time in ISO 8601"),
        (text("0001-01-01T00:00:00+14:00", "x"), "is no time between the years 1 and 9999"),
        ({"text": "x"}, "it has no available_at: every text needs one"),
        ({"text": "x", "available": AT}, "it has no available_at, did you mean 'available'"),
        ({"available_at": AT}, "it has no text: every text needs one"),
        (text(AT, ""), "its text is empty"),
        (text(AT, " \u200b\n"), "its text is empty"),
        (text(AT, 5), "its text is of type int, and not text"),
        (text(AT, "x", id=7), "its id is of type int, and not text"),
        (text(AT, "x", id="a\u202eb"), "has signs that cannot be seen"),
        (text(AT, "x", symbols={"AAPL": 1}), "its symbols are no list of names"),
        (text(AT, "x", symbols=["A" * 41]), "more than 100 symbols, or one of more than 40 characters"),
        (text(AT, "x", symbol="AAPL"), "there is a field 'symbol', did you mean 'symbols'"),
        (text(AT, "x" * (LONGEST_TEXT + 1)), "its text has 100,001 characters, and at most 100,000 are read"),
        (text(AT, "x", title="x" * 1001), "its title has 1,001 characters"),
    ],
)
def test_a_wrong_text_is_one_sentence_with_its_line(tmp_path, row, sentence):
    path = texts_file(tmp_path, text(AT, "fine"), row)
    if not sentence:
        assert len(read_corpus([tmp_path / path])) == 2  # before the year 1 in UTC, and a moment all the same
        return
    with pytest.raises(MarketDataError, match=f"news.jsonl, line 2: .*{sentence}") as caught:
        read_corpus([tmp_path / path])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.jsonl", b"", "holds no text"),
        ("a.jsonl", b"[1]\n", "line 1: this is no JSON object"),
        ("a.jsonl", b"{\n", "line 1: this is no JSON "),
        ("a.jsonl", b'{"text": "a", "text": "b"}', "line 1: this is no strict JSON .*stands twice"),
        ("a.jsonl", b"[" * 100_000, "line 1: this is no strict JSON"),
        ("a.jsonl", b"\n\xff\n", "line 2: this is not UTF-8 text"),
        ("a.csv", b"text,text\n", "line 1: the column 'text' stands twice"),
        ("a.csv", b"available_at,text\nx\n", "line 2: it has 1 cells and the header 2"),
        ("a.csv", b'available_at,text\n2008-10-09T12:00:00Z,"' + b"x" * 200_000, "line 2: this is no CSV"),
        ("a.csv", b'available_at,text\n2008-10-09T12:00:00Z,"x', "line 2: this is no CSV"),
        ("a.parquet", b"PAR1 and no more", "is no Parquet file that can be read"),
    ],
)
def test_a_file_that_is_none_is_one_sentence(tmp_path, name, content, sentence):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(MarketDataError, match=f"{name}.*{sentence}"):
        read_corpus([tmp_path / name])


def test_a_file_that_is_not_there_or_a_folder_is_one_sentence(tmp_path):
    texts_file(tmp_path, text(AT, "x"))
    (tmp_path / "folder.jsonl").mkdir()
    for name, sentence in (
        ("new.jsonl", "There is no file .*new.jsonl, did you mean 'news.jsonl'"),
        ("folder.jsonl", "folder.jsonl cannot be read: it is a folder: name a file in it"),
        ("news.txt", "no file of texts or values by its ending: name one of .jsonl, .csv, .parquet"),
    ):
        with pytest.raises(ConfigurationError, match=sentence):
            read_corpus([tmp_path / name])


def test_the_same_text_twice_is_told_with_both_lines(tmp_path):
    path = texts_file(tmp_path, text(AT, "x"), text(AT, "y"), text(AT, "x"))
    with pytest.raises(MarketDataError, match=r"line 3: the same text of the same time stands in .*line 1 already"):
        read_corpus([tmp_path / path])


def test_a_file_is_read_again_when_it_has_changed(tmp_path):
    path = tmp_path / texts_file(tmp_path, text(AT, "x"))
    before = read_corpus([path])
    assert read_corpus([path]) is before
    path.write_text(json.dumps(text(AT, "y")), encoding="utf-8")
    assert read_corpus([path])[0].text == "y"
