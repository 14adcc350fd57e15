"""A file that grows is read line by line, whoever writes it, and what is no message is told."""

from datetime import UTC, datetime, timedelta

import pytest

from simulator.prices.sessions import parse_timeframe
from simulator.watch.feed import FeedBar, FeedTime, FeedTrouble, Tick
from simulator.watch.feeds.follow import FollowFeed

START = datetime(2026, 1, 5, 14, 30, tzinfo=UTC)
MINUTE = parse_timeframe("1m")


@pytest.fixture
def follow(tmp_path):
    opened = []

    def open_feed(name):
        opened.append(FollowFeed(tmp_path / name, MINUTE, "AAA", uses_wall_clock=False))
        return opened[-1]

    yield open_feed
    for feed in opened:
        feed.close()


def everything(feed):
    found = []
    while (message := feed.take(0)) is not None:
        found.append(message)
    return found


def test_a_csv_file_of_ticks_and_one_of_bars(follow, tmp_path):
    (tmp_path / "ticks.csv").write_text(
        "\ufeffTime,Price,Size\n2026-01-05 14:30:00,10.5,3\n1767623401,11\n1767623402000,12,1\n", encoding="utf-8"
    )
    first, malformed, last = everything(follow("ticks.csv"))
    assert first == Tick("AAA", START, 10.5, 3.0)
    assert malformed == FeedTrouble("malformed", "A line of ticks.csv cannot be read: it has 2 cells, not 3.")
    assert last == Tick("AAA", START + timedelta(seconds=2), 12, 1)
    (tmp_path / "bars.csv").write_text("symbol,time,open,high,low,close\nBBB,2026-01-05T09:30:00-05:00,10,12,9,11\n")
    assert everything(follow("bars.csv")) == [FeedBar("BBB", START, START + timedelta(minutes=1), 10, 12, 9, 11, 0)]


def test_a_line_counts_when_it_is_whole(follow, tmp_path):
    feed, path = follow("feed.jsonl"), tmp_path / "feed.jsonl"
    assert everything(feed) == [FeedTrouble("lost", "feed.jsonl is not there yet: it is waited for.")]
    path.write_text('{"time": "2026-01-05T14:30')
    assert [trouble.kind for trouble in everything(feed)] == ["back"]
    with path.open("a") as growing:
        growing.write(':00Z"}\n\n{"symbol": "AAA"}\n[1]\n{"time": "2026-01-05", "time": 1}\n')
    time, *troubles = everything(feed)
    assert time == FeedTime(START)
    assert [trouble.text.partition(": ")[2] for trouble in troubles] == [
        "it has neither price nor close.",
        "it is no object.",
        "one of time stands twice.",
    ]


def test_an_empty_file_is_told_at_once_and_so_is_its_beginning(follow, tmp_path):
    feed, path = follow("feed.jsonl"), tmp_path / "feed.jsonl"
    path.touch()
    assert everything(feed) == [FeedTrouble("lost", "feed.jsonl is empty: its first line is waited for.")]
    assert everything(feed) == []
    path.write_text('{"time": "2026-01-05T14:30:00Z"}\n')
    assert everything(feed) == [FeedTrouble("back", "feed.jsonl is there and is read."), FeedTime(START)]


def test_a_file_that_is_cut_short_is_read_from_its_beginning(follow, tmp_path):
    feed, path = follow("feed.jsonl"), tmp_path / "feed.jsonl"
    line = '{"symbol": "AAA", "time": "2026-01-05T14:30:00Z", "price": 10}\n'
    path.write_text(line * 3)
    assert len(everything(feed)) == 3
    path.write_text(line)
    assert [type(message) for message in everything(feed)] == [FeedTrouble, FeedTrouble, Tick]
