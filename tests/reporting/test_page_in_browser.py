"""The page in a headless Chromium: what a reader does with it, with scripts and without; no text of others runs."""

import json
from datetime import UTC, datetime

import pytest
from record_factory import EXPLANATION, write_comparison
from small_run import seal

from simulator.folder.record import load_record
from simulator.reporting.page import build_facts, render

pytestmark = [pytest.mark.slow, pytest.mark.server]

EVIL = "<script>document.title='run'</script><img src=x onerror=\"document.title='run'\"> {{7*7}} </script><b>x"
SYMBOLS = ("<i>A</i> & 'b'", "B")
READY = "performance.getEntriesByName('ready').length"
HEIGHTS = """(() => {
    const lines = document.querySelector('#equity .lines');
    const [from, , wide, tall] = lines.getAttribute('viewBox').split(' ').map(Number);
    const paths = [...lines.querySelectorAll('.line')].map((path) => path.getAttribute('d'));
    const points = paths.flatMap((path) => path.match(/-?\\d+ -?\\d+/g));
    const seen = points.map((text) => text.split(' ').map(Number)).filter(([x]) => x > from && x < from + wide);
    return [Math.min, Math.max].map((end) => end(...seen.map(([, y]) => y / tall)));
})()"""
OPENED = "document.querySelector('.told h4')"
QUESTION = ("You are shown a market. </pre><script>x()</script>", "trend: first question of all")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A comparison of two advisors and rules on two symbols, with hostile text in all that comes from outside."""
    place = write_comparison(
        tmp_path_factory.mktemp("browser"),
        arms=("llm", "second", "buy_and_hold", "random"),
        advisors=("llm", "second"),
        symbols=SYMBOLS,
        bars=150,
        samples=100,
    ).folder
    for arm in ("llm", "second"):
        path = place / arm / "decisions.jsonl"
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        for number, row in enumerate(rows):
            row["context"] = [{"source": "documents", "text": EVIL}]
            row["answer"] = '{"bull": 0.625, "bear": 0.25, "sideways": 0.125}' if number % 2 else EVIL
            if row["advice"]:
                row["advice"]["rationale"] = f"word{number}. {EVIL}"
            row["policy"]["reasons"] = [EVIL]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    first = next(row for row in rows if row["request"])
    questions = {"texts": list(QUESTION), "questions": {first["request"]: [["system", 0], ["user", 1]]}}
    (place / "second" / "questions.json").write_text(json.dumps(questions))
    for path in (place / "manifest.json", *(place / arm / "manifest.json" for arm in ("llm", "second"))):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"name": EVIL}))
    return seal(place)


@pytest.fixture(scope="module")
def record(folder):
    return load_record(folder)


@pytest.fixture(scope="module")
def path(record, folder):
    report = folder / "page.html"
    report.write_text(render(record, build_facts(record), EXPLANATION).html, encoding="utf-8")
    return report


@pytest.fixture
def page(browser, path):
    """The page, opened, with its script done; whatever it did, its console must have told of no error."""
    with browser.open(path) as shown:
        shown.wait(READY)
        yield shown
        assert shown.errors == []
        assert len(shown.requests) == 1, "it asked for nothing but itself"
        assert shown.evaluate("document.title.startsWith('<script>')"), "no text was run"


def rows_of(record, arm, symbol):
    return [row for row in record.arm(arm).decisions if row["snapshot"]["symbol"] == symbol]


def day_of(row):
    return row["time"].removesuffix("T00:00:00")


def choose(page, name, value):
    page.evaluate(
        f"(() => {{ const label = [...document.querySelectorAll('.filters label')].find((one) => "
        f"one.firstChild.textContent === {json.dumps(name)}); const input = label.querySelector('select, input'); "
        f"input.value = {json.dumps(value)}; input.dispatchEvent(new Event('change')); "
        "input.dispatchEvent(new Event('input')); })()"
    )


def open_link(page, link):
    page.evaluate(f"document.querySelector('.told').replaceChildren(), location.hash = {json.dumps(link)}")
    page.wait(OPENED)


def test_a_link_opens_a_bar_with_everything_about_it(page, record):
    row = rows_of(record, "second", "B")[40]
    open_link(page, f"#bar={day_of(row)}&symbol=B&arm=second")
    told = page.text(".decision")
    assert told.startswith(f"{day_of(row)}, B, second")
    for text in (row["prompt"], EVIL, row["advice"]["rationale"], row["policy"]["verdict"], row["verdict"]["intent"]):
        assert text in told
    closes = record.prices["B"]["close"]
    at = closes.index.get_loc(row["time"])
    for bars in (1, 5, 20):
        assert f"{100 * abs(closes.iloc[at + bars] / row['snapshot']['close'] - 1):.2f}%" in told
    beside = [arm for arm in ("llm", "buy_and_hold", "random") if arm in told.partition("The other arms")[2]]
    assert beside == ["llm", "buy_and_hold", "random"]
    assert page.evaluate("document.activeElement.id") == "bar", "a reader of the screen is told what was opened"


def test_words_that_were_sent_stand_there_and_others_name_the_command(page, record):
    first = next(row for row in record.arm("second").decisions if row["request"])
    open_link(page, f"#bar={day_of(first)}&symbol={first['snapshot']['symbol'].replace('&', '%26')}&arm=second")
    assert all(text in page.evaluate("document.querySelector('.told').textContent") for text in QUESTION)
    open_link(page, f"#bar={day_of(rows_of(record, 'llm', 'B')[3])}&symbol=B")
    assert "btllm trace . --at" in page.text(".told")


def test_probabilities_are_bars_and_cuts_are_told_before_and_after(page, record):
    rows = rows_of(record, "llm", "B")
    cut = next(row for row in rows if row["clamps"] and "0.625" in row["answer"])
    open_link(page, f"#bar={day_of(cut)}&symbol=B")
    assert "62.5%" in page.text(".shares")
    widths = page.evaluate("[...document.querySelectorAll('.shares .share')].map((bar) => bar.style.width)")
    assert widths[:3] == ["62.5%", "25%", "12.5%"]
    (limit,) = cut["clamps"]
    assert f"{limit['limit']}\t1\t0.9" in page.text(".told")
    order = next(
        order for order in record.arm("llm").orders.to_dict("records")
        if order["symbol"] == "B" and order["kind"] == "entry" and order["created"].isoformat() == cut["time"]
    )  # fmt: skip
    assert f"{order['fill_price']:,.2f}" in page.text(".told")


def test_j_and_k_go_through_the_list_and_the_back_button_goes_back(page):
    page.key("j")
    page.wait(OPENED)
    seen = [page.evaluate("location.hash")]
    for key in ("j", "j", "k"):
        page.key(key)
        seen.append(page.evaluate("location.hash"))
    assert seen[1] == seen[3] != seen[2]
    assert len(set(seen)) == 3
    page.evaluate("history.back()")
    page.wait(f"location.hash === {json.dumps(seen[2])}")
    page.wait(f"document.querySelector('.chosen a').hash === {json.dumps(seen[2])}")


def test_the_list_is_filtered_sorted_and_searched(page, record):
    total = sum(len(arm.decisions) for arm in record.arms)
    assert f"of {len(record.arm('llm').decisions)} decisions" in page.text(".decision-list [role=status]")
    choose(page, "Arm", "")
    assert f"of {total} decisions" in page.text(".decision-list [role=status]")
    failed = [row for arm in ("llm", "second") for row in record.arm(arm).decisions if row["abstention"]]
    choose(page, "Only", "failed")
    assert f"of {len(failed)} decisions" in page.text(".decision-list [role=status]")
    choose(page, "Only", "")
    cut = [row for arm in record.arms for row in arm.decisions if row["clamps"]]
    choose(page, "Cut by", "*")
    assert f"of {len(cut)} decisions" in page.text(".decision-list [role=status]")
    choose(page, "Cut by", "")
    choose(page, "Search", "word17.")
    said = sum(record.arm(arm).decisions[17]["advice"] is not None for arm in ("llm", "second"))
    page.wait(f"document.querySelector('.decision-list [role=status]').textContent.includes('of {said} ')")
    choose(page, "Search", day_of(record.arm("llm").decisions[30])[:7])
    page.wait(f"!document.querySelector('.decision-list [role=status]').textContent.includes('of {said} ')")
    choose(page, "Search", "")
    page.wait(f"document.querySelector('.decision-list [role=status]').textContent.includes('of {total} ')")
    page.click(".picks th:last-child button")
    shown = page.evaluate("[...document.querySelectorAll('.picks td:last-child')].map((cell) => cell.textContent)")
    changes = [float(text.replace("\u2212", "-").rstrip("%")) for text in shown]
    assert changes == sorted(changes, reverse=True)
    assert page.evaluate("document.querySelector('.picks th:last-child').ariaSort") == "descending"


def test_first_bars_at_which_two_advisors_part_are_named(page, record):
    one, other = (rows_of(record, arm, "B") for arm in ("llm", "second"))

    def said(row):
        return (row["advice"]["regime"]["label"], row["advice"]["action"]["type"]) if row["advice"] else None

    parted = [day_of(a) for a, b in zip(one, other, strict=True) if said(a) != said(b)]
    open_link(page, f"#bar={day_of(one[0])}&symbol=B")
    assert f"second says something else at {len(parted)} of {len(one)} bars, first on" in page.text(".told")
    assert ", ".join(parted[:5]) in page.text(".told")


def test_charts_tell_values_zoom_and_open_bars(page, record):
    equity = record.arm("llm").equity["equity"]
    page.evaluate("document.querySelector('#equity').scrollIntoView()")
    box = page.evaluate("document.querySelector('#equity .panel').getBoundingClientRect().toJSON()")
    page.mouse("mouseMoved", box, (0.999, 0.5))
    told = dict(line.split() for line in page.text("#equity .tip").splitlines()[1:])
    assert float(told["llm"].rstrip("x")) == pytest.approx(equity.iloc[-1] / equity.iloc[0], abs=0.01)
    page.drag("#equity .panel", (0.25, 0.5), (0.5, 0.5))
    view = page.evaluate("document.querySelector('#drawdown .lines').getAttribute('viewBox')")
    assert [round(float(part), -1) for part in view.split()[:3:2]] == [2500, 2500], "all charts show the same time"
    top, foot = page.evaluate(HEIGHTS)
    assert 0 <= top < 0.1, "and what is shown fills the height"
    assert 0.9 < foot <= 1
    page.click("#equity .legend button")
    assert page.evaluate("document.querySelector('#equity .line[data-line=llm]').getAttribute('display')") == "none"
    page.click("#equity .tools button:last-child")
    assert page.evaluate("document.querySelector('#drawdown .lines').getAttribute('viewBox')").startswith("0 0 10000")
    line = "document.querySelector('#price .line').getAttribute('d')"
    before = page.evaluate(line)
    page.click("#price .tools button")
    assert page.evaluate(line) != before
    page.click("#price .panel", (0.5, 0.3))
    page.wait(OPENED)
    first, last = (equity.index[end].replace(tzinfo=UTC).timestamp() for end in (0, -1))
    opened = page.evaluate("new URLSearchParams(location.hash.slice(1)).get('bar')")
    away = datetime.fromisoformat(opened).replace(tzinfo=UTC).timestamp() - (first + last) / 2
    assert abs(away) <= 4 * 86400
    assert page.evaluate("!document.querySelector('#price .bar').hidden")


def test_tables_of_changes_and_trades_lead_to_bars(page):
    links = page.evaluate("[...document.querySelectorAll('table.quoted a')].map((link) => link.hash)")
    assert len(links) > 10
    open_link(page, links[0])
    assert page.evaluate("document.querySelector('.chosen a').hash") == links[0]


def test_without_scripts_all_but_the_inspector_is_there(browser, path):
    with browser.open(path) as with_script:
        with_script.wait(READY)
        sections = "[...document.querySelectorAll('main h2')].map((heading) => heading.textContent).join()"
        headings = with_script.evaluate(sections)
        assert "btllm trace . --at DATE --arm ARM tells the same" not in with_script.text()
    with browser.open(path, script=False) as page:
        assert page.evaluate(sections) == headings
        assert "In the folder of the page btllm trace . --at DATE --arm ARM tells the same" in page.text()
        assert page.evaluate("document.querySelectorAll('.line').length") > 5
        links = page.evaluate("[...document.querySelectorAll('nav.contents a')].map((link) => link.hash.slice(1))")
        assert len(links) > 8
        assert page.evaluate(f"{json.dumps(links)}.every((id) => document.getElementById(id))")
        assert page.evaluate("document.title.startsWith('<script>')")


def test_a_script_that_is_not_the_pages_own_does_not_run(browser, path):
    forged = path.with_name("forged.html")
    evil = "<script>document.title='run'</script><img src=x onerror=\"document.title='run'\"></main>"
    forged.write_text(path.read_text(encoding="utf-8").replace("</main>", evil), encoding="utf-8")
    with browser.open(forged) as page:
        page.wait(READY)
        assert page.evaluate("document.title") != "run"
        assert any("Content Security Policy" in error for error in page.errors)


def test_nothing_is_wider_than_a_narrow_window(browser, path, record):
    day = day_of(rows_of(record, "llm", "B")[30])
    with browser.open(path, width=400, hash=f"#bar={day}&symbol=B") as page:
        page.wait(OPENED)
        assert page.evaluate("document.documentElement.scrollWidth") == 400
        page.key("j")
        assert page.evaluate("location.hash") != f"#bar={day}&symbol=B"


def test_a_narrow_window_breaks_no_name_and_shows_all_months(browser, path):
    with browser.open(path, width=400) as page:
        heads = "[...document.querySelectorAll('.figures th[scope=row]')].filter(e => e.innerText == 'buy_and_hold')"
        of_text = "const text = document.createRange(); text.selectNodeContents(e);"
        heights = page.evaluate(f"{heads}.map(e => {{{of_text} return text.getBoundingClientRect().height}})")
        assert heights
        assert max(heights) < 3 * 24, "of a line or two, not of a letter a line"
        page.wait(READY)
        words = (
            "(e => { const r = document.createRange(); r.selectNodeContents(e); return r.getClientRects().length; })"
        )
        place = "[...document.querySelectorAll('.picks thead th')].findIndex(e => e.innerText == 'Action')"
        lines = page.evaluate(f"[...document.querySelectorAll('.picks tbody tr')].map(e => {words}(e.cells[{place}]))")
        assert max(lines) == 1, "an action stands in one line; an abstention has none"
        months = "document.querySelector('[data-tint]').closest('.scroll')"
        assert page.evaluate(f"{months}.scrollWidth <= {months}.clientWidth")


def test_paper_has_what_is_folded_and_whole_tables(browser, path):
    with browser.open(path, width=740) as page:
        page.send("Emulation.setEmulatedMedia", media="print")
        folded = "[...document.querySelectorAll('details:not([open]) > :not(summary)')]"
        assert page.evaluate(f"{folded}.length") > 3
        assert page.evaluate(f"{folded}.filter(e => !e.checkVisibility()).length") == 0
        wide = "[...document.querySelectorAll('.figures')].filter(e => e.getBoundingClientRect().right > innerWidth)"
        assert page.evaluate(f"{wide}.map(e => e.innerText.slice(0, 60) + e.getBoundingClientRect().right)") == []
