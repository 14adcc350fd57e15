"""The page of a sweep in a headless Chromium: sorting, choosing and paging, with scripts and without; no text runs."""

import numpy as np
import pytest
from browser import start_browser
from sweep_folder import write_made_sweep

from simulator.reporting.sweep.page import write_sweep_page

pytestmark = [pytest.mark.slow, pytest.mark.server]

EVIL = "</script><script>document.title='run'</script><img src=x onerror=\"document.title='run'\"> <b>x"
READY = "performance.getEntriesByName('ready').length"
AXES = {
    "risk.stop_loss_pct": [*np.linspace(0.01, 0.2, 20).round(4)],
    "advisor.rest.prompt": ["calm", EVIL],
    "risk.y": [9, 10, 2.5, 1],
}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """160 configurations in two windows, with hostile text in all that comes from outside."""
    draw = np.random.default_rng(3)
    returns = 0.008 * draw.standard_normal((260, 1)) + 0.004 * draw.standard_normal((260, 160))
    folder = tmp_path_factory.mktemp("sweep") / "many"
    return write_sweep_page(write_made_sweep(folder, AXES, returns, windows=2, name=EVIL, hostile=EVIL))


@pytest.fixture(scope="module")
def browser():
    opened = start_browser()
    yield opened
    opened.close()


@pytest.fixture
def page(browser, path):
    """The page, opened, with its script done; whatever it did, its console must have told of no error."""
    with browser.open(path) as shown:
        shown.wait(READY)
        yield shown
        assert shown.errors == []
        assert len(shown.requests) == 1, "it asked for nothing but itself"
        assert shown.evaluate("document.title.startsWith('</script>')"), "no text was run"


def column(page, heading):
    """The texts of a column."""
    return page.evaluate(
        f"(() => {{ const heads = [...document.querySelectorAll('.picks thead th')].map((one) => one.textContent); "
        f"return [...document.querySelectorAll('.picks tbody tr')].map((row) => "
        f"row.children[heads.indexOf('{heading}')].textContent); }})()"
    )


def press(page, text):
    page.evaluate(
        f"[...document.querySelectorAll('.configurations button')].find((one) => one.textContent === '{text}').click()"
    )


def test_a_column_sorts_both_ways_over_all_configurations(page):
    assert column(page, "Rank") == [str(rank) for rank in range(1, 51)]
    press(page, "Return")
    falling = [float(text.rstrip("%")) for text in column(page, "Return")]
    assert falling == sorted(falling, reverse=True)
    press(page, "Return")
    rising = [float(text.rstrip("%")) for text in column(page, "Return")]
    assert rising == sorted(rising)
    assert rising[0] < falling[-1]
    assert page.evaluate("document.querySelector('[aria-sort]').textContent") == "Return"
    assert page.evaluate("document.querySelector('[aria-sort]').getAttribute('aria-sort')") == "ascending"
    press(page, "risk.y")
    assert set(column(page, "risk.y")[:40]) == {"9"}, "settings stand in the order of the sweep"


def test_pages_and_choices_show_every_configuration_once(page):
    seen = column(page, "Rank")
    for _ in range(3):
        press(page, "Next page")
        seen += column(page, "Rank")
    assert seen == [str(rank) for rank in range(1, 161)]
    page.evaluate(
        "(() => { const select = [...document.querySelectorAll('.filters label')].find((one) => "
        "one.firstChild.textContent === 'risk.y').querySelector('select'); select.value = '2'; "
        "select.dispatchEvent(new Event('change')); })()"
    )
    assert set(column(page, "risk.y")) == {"2.5"}
    assert page.text(".configurations [role=status]") == "40 of 160 configurations"


def test_a_rank_shows_the_keys_that_run_it_alone(page):
    prompt, y = column(page, "advisor.rest.prompt")[0], column(page, "risk.y")[0]
    press(page, "1")
    told = page.evaluate("document.querySelector('.configurations pre').textContent")
    stop = column(page, "risk.stop_loss_pct")[0]
    quoted = prompt.replace('"', '\\"')
    assert told == (f'advisor:\n  rest:\n    prompt: "{quoted}"\nrisk:\n  stop_loss_pct: {stop}\n  y: {y}')


def test_without_scripts_the_first_and_the_last_stand_in_a_table(browser, path):
    with browser.open(path, script=False) as shown:
        told = shown.text("table.quoted")
        assert told.count("\n") > 119
        assert "The first and the last by Sharpe ratio" in shown.text()
        assert len(shown.requests) == 1


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_nothing_is_wider_than_a_telephone_and_shades_leave_figures_readable(browser, path, dark):
    with browser.open(path, width=400, height=800, dark=dark) as shown:
        shown.wait(READY)
        assert shown.evaluate("document.documentElement.scrollWidth") == 400
        contrasts = shown.evaluate(
            """(() => {
                const dye = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
                const light = (colour, under) => {
                    for (const each of [under, colour]) { dye.fillStyle = each; dye.fillRect(0, 0, 1, 1); }
                    const parts = [...dye.getImageData(0, 0, 1, 1).data].slice(0, 3).map((part) => part / 255);
                    const [r, g, b] = parts.map((part) => ((part + 0.055) / 1.055) ** 2.4);
                    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
                };
                const ground = getComputedStyle(document.body).backgroundColor;
                return [...document.querySelectorAll('[data-tint]')].map((cell) => {
                    const style = getComputedStyle(cell);
                    const both = [light(style.color, ground), light(style.backgroundColor, ground)];
                    return (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05);
                });
            })()"""
        )
        assert len(contrasts) > 20
        assert min(contrasts) > 4.5


def test_a_heat_map_on_a_phone_has_no_labels_but_its_settings(browser, path):
    with browser.open(path, width=400) as page:
        page.wait(READY)
        assert page.evaluate("getComputedStyle(document.querySelector('td[data-tint]'), '::before').content") == "none"
        assert (
            page.evaluate("getComputedStyle(document.querySelector('table:has([data-tint]) thead')).display") != "none"
        )


def test_long_settings_leave_figures_in_the_window(browser, tmp_path):
    long = [f"csv:{'a/folder/of/prices/' * 7}{name}.csv" for name in ("one", "two")]
    returns = 0.01 * np.random.default_rng(3).standard_normal((200, 2))
    path = write_sweep_page(write_made_sweep(tmp_path / "long", {"data.source": long}, returns))
    with browser.open(path) as shown:
        shown.wait(READY)
        places = (
            "[...document.querySelectorAll('.picks th, .figures th')].every((one) => "
            "one.getBoundingClientRect().right <= document.documentElement.clientWidth)"
        )
        assert shown.evaluate(places)
