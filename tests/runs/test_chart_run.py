"""A model that sees, on loopback: it decodes the chart of each request and answers from its pixels, in whole runs."""

import base64
import hashlib
import io
import json
import re
from pathlib import Path

import pytest
import yaml
from command_line import only_error
from misbehaving_server import MODEL, answer, by_turns, serving, status
from PIL import Image
from seeing_server import pngs_in, seeing
from small_run import reader

import simulator
from llm_strategy.errors import ConfigurationError, ModelError, RunFolderError
from llm_strategy.llm import FolderStore, RecordingClient, Request
from llm_strategy.llm.backends.openai.client import OpenAIBackend
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.metering.calls import Prices
from simulator.folder.sent_request import read_images
from simulator.prices.universe import load_universe
from simulator.runs.answers import advisor_of
from simulator.runs.estimate import estimate
from simulator.runs.simulation import upcoming
from simulator.runs.trace import trace

pytestmark = [pytest.mark.server, pytest.mark.slow]

CHART = {"bars": 20, "averages": [5], "width": 320, "height": 240}
BEFORE_THE_FIRST = 269
DOCUMENTED = Path(__file__).parents[2] / "docs" / "charts.md"


def client_at(server, folder):
    model = LLMClient(OpenAIBackend(MODEL, [server.url], answer_format="json_schema", reported_model=MODEL))
    model.defaults = Request((), timeout_s=20)
    return RecordingClient(model, model.identity, FolderStore(folder / "answers"))


def document(folder, decisions, chart=CHART, **sections):
    return {
        "name": "seeing",
        "data": {"source": f"synthetic:cycles?bars={BEFORE_THE_FIRST + decisions}&seed=5"},
        "advisor": {"context": ["features", {"chart": chart}]},
        "evaluation": {"bootstrap_samples": 200},
        "output": {"folder": str(folder / "reports"), "explain": False},
    } | sections


def experiment(folder, decisions, **sections):
    return simulator.Experiment.from_mapping(document(folder, decisions, **sections))


def right(result, arm):
    """Of the decisions of an arm the share that says what the last candle did."""
    told = []
    for decision in result.record.arm(arm).decisions:
        bar = result.record.prices[decision["snapshot"]["symbol"]].loc[decision["time"]]
        told.append((decision["advice"]["action"]["type"] == "enter_long") == (bar["close"] >= bar["open"]))
    return sum(told) / len(told)


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """The chart and its nulls side by side, as the documentation writes them, with a smaller chart."""
    folder = tmp_path_factory.mktemp("compared")
    (written,) = re.findall(r"```yaml\n(.*?)```", DOCUMENTED.read_text(encoding="utf-8"), re.DOTALL)
    sections = yaml.safe_load(written)
    sections["advisor"]["context"][1]["chart"] = CHART
    with serving(seeing) as server, client_at(server, folder) as client:
        sections["advisor"] = {"context": sections["advisor"]["context"]}
        result = simulator.compare(experiment(folder, 40, **sections), client=client)
    return result, server.questions


def test_it_is_right_about_every_one_of_200_charts_of_two_symbols(tmp_path):
    sources = [f"synthetic:cycles?bars={BEFORE_THE_FIRST + 100}&seed={seed}" for seed in (5, 6)]
    wanted = experiment(tmp_path, 100, data={"sources": dict(zip(("A", "B"), sources, strict=True))})
    universe = load_universe(wanted.data, warm_up=wanted.warm_up)
    seen = upcoming(universe, wanted)
    with serving(seeing) as server, client_at(server, tmp_path) as client:
        decisions = advisor_of(client, wanted.advisor).decide_all(seen.snapshots)
    rose = [snapshot.window.close[-1] >= snapshot.window.open[-1] for snapshot in seen.snapshots]
    assert [decision.advice.action.type == "enter_long" for decision in decisions] == rose
    assert len(decisions) == len(server.questions) == 200
    sent = {hashlib.sha256(png).hexdigest() for body in server.questions for png in pngs_in(body)}
    assert {decision.context[0].image.sha256 for decision in decisions} == sent
    assert len(sent) == 200


def test_mirrored_it_is_wrong_about_all_and_about_another_stretch_as_a_coin(compared):
    result, questions = compared
    assert right(result, "llm") == 1.0
    assert right(result, "mirrored") == 0.0
    assert 0.18 < right(result, "elsewhere") < 0.82  # 4 standard deviations of 40 coins
    with_images = [body for body in questions if pngs_in(body)]
    assert 80 < len(with_images) <= 120, "one stretch may be drawn for two closes"
    assert len(questions) - len(with_images) == 40, "in numbers no image is sent"
    for decision in result.record.arm("numbers").decisions:
        (shown,) = decision["context"]
        assert shown["text"].startswith("last 20 bars, oldest first; open")
        assert "image" not in shown


def test_a_replay_draws_every_chart_again(compared):
    result, _ = compared
    checks = simulator.replay(result.folder)
    assert {"llm/request-1.png", "llm/request.json", "report.html"} <= {check.name for check in checks}
    assert all(check.same for check in checks), [check.name for check in checks if not check.same]
    assert result.record.manifest["format"] == "2.5.0"


def test_journal_audit_log_and_request_hold_the_hash_of_what_was_sent_and_no_image(compared):
    result, questions = compared
    sent = {hashlib.sha256(png).hexdigest() for body in questions for png in pngs_in(body)}
    last = list(result.record.arm("llm").decisions)[-1]["context"][0]["image"]
    assert last in sent
    folder = result.folder
    request = json.loads((folder / "llm" / "request.json").read_text())
    assert request["messages"][-1]["images"] == [{"sha256": last, "file": "request-1.png"}]
    assert hashlib.sha256((folder / "llm" / "request-1.png").read_bytes()).hexdigest() == last
    lines = [json.loads(line) for line in (folder / "audit.jsonl").read_text().splitlines()]
    assert {image for line in lines for message in line["messages"] for image in message.get("images", ())} == sent
    for name in ("llm/decisions.jsonl", "audit.jsonl", "llm/request.json"):
        assert "base64" not in (folder / name).read_text()
    assert not (folder / "numbers" / "request-1.png").exists()


def test_the_page_shows_what_the_model_was_shown_and_markdown_names_it(compared):
    result, _ = compared
    page = (result.folder / "report.html").read_text()
    found = re.findall(r'<img alt="([^"]+)" src="data:image/png;base64,([^"]+)">', page)
    assert [alt for alt, _ in found] == [
        f"request-1.png of {arm}, as the model was shown it" for arm in ("llm", "mirrored", "elsewhere")
    ]
    assert base64.b64decode(found[0][1]) == (result.folder / "llm" / "request-1.png").read_bytes()
    assert "default-src 'none'" in page
    assert "img-src data:;" in page
    assert hashlib.sha256(base64.b64decode(found[0][1])).hexdigest() in (result.folder / "report.md").read_text()


def test_trace_names_the_image_and_writes_it_as_it_was_sent(compared, btllm, tmp_path):
    result, questions = compared
    (decision, *_), place = result.record.arm("mirrored").decisions, tmp_path / "seen"
    sha256 = decision["context"][0]["image"]
    told = trace(result.folder, decision["time"], arm="mirrored", images=place)
    (image,) = told.images
    assert (image["source"], image["sha256"], image["same"]) == ("chart", sha256, True)
    (written,) = place.iterdir()
    sent = {png for body in questions for png in pngs_in(body)}
    assert written.read_bytes() in sent
    assert hashlib.sha256(written.read_bytes()).hexdigest() == sha256
    code, out, _ = btllm("trace", result.folder, "--at", decision["time"], "--arm", "mirrored")
    assert code == 0
    assert f"[image sha256 {sha256}]" in out
    assert f"Image    chart: sha256 {sha256}, {image['bytes']:,} bytes" in out
    said = only_error(btllm("trace", result.folder, "--arm", "numbers", "--images", place), 2)
    assert "the model was shown no image at" in said
    said = only_error(btllm("trace", result.folder, "--images", "/proc/none"), 6)
    assert said.endswith("name another folder in --images.")


def test_an_estimate_counts_no_tokens_of_images_and_a_chart_on_record_is_not_sent_again(tmp_path):
    wanted = experiment(tmp_path, 4)
    universe, advisor = load_universe(wanted.data, warm_up=wanted.warm_up), wanted.advisor
    snapshots, told = upcoming(universe, wanted).snapshots, []
    with serving(seeing) as server:
        for _ in range(2):
            with client_at(server, tmp_path) as client:
                told.append(estimate(wanted, universe, client, Prices()))
                advisor_of(client, advisor).decide_all(snapshots)
    assert [each.to_ask for each in told] == [4, 0]
    assert "the tokens of images, which its server alone counts, come on top" in told[0].as_text()
    assert len(server.questions) == 4


def test_a_backend_that_reads_text_alone_is_refused_before_anything_is_asked(btllm, tmp_path, model_path):
    advisor = {"backend": "llama_cpp", "model": str(model_path), "context": ["features", "chart"]}
    sections = {"advisor": advisor}
    (tmp_path / "experiment.yaml").write_text(yaml.safe_dump(document(tmp_path, 5, **sections)))
    said = only_error(btllm("run", "experiment.yaml"), 2)
    assert "advisor.context shows chart, which is an image, and the backend 'llama_cpp' reads text alone" in said
    assert "chart: {null: text}" in said


def test_a_fallback_that_reads_text_alone_is_refused_before_anything_is_asked(btllm, tmp_path, model_path):
    with serving(seeing) as server:
        options = {"fallback": "llama_cpp", "answer_format": "json_schema", "reported_model": MODEL}
        advisor = {"backend": "openai", "model": MODEL, "base_url": server.url, "context": ["features", "chart"]}
        sections = {"advisor": advisor | {"options": options}}
        (tmp_path / "configs").mkdir()
        settings = {"llama_cpp": {"instruct_model_path": str(model_path)}}
        (tmp_path / "configs" / "llm.yaml").write_text(yaml.safe_dump(settings))
        (tmp_path / "experiment.yaml").write_text(yaml.safe_dump(document(tmp_path, 5, **sections)))
        said = only_error(btllm("run", "experiment.yaml"), 2)
        assert not server.questions
    assert "LLM_FALLBACK names 'llama_cpp', which reads text alone, and advisor.context shows chart" in said


def test_an_advisor_that_cannot_see_is_named(tmp_path):
    advisors = {"reader": {"context": ["features"]}, "seer": {"context": ["features", "chart"]}}
    whole = document(tmp_path, 5, advisors=advisors, arms={name: {"advisor": name} for name in advisors})
    del whole["advisor"]
    blind = ScriptedClient([])
    blind.supports_images = False
    with pytest.raises(ConfigurationError, match=r"^Advisor seer: advisor\.context shows chart, which is an image"):
        simulator.compare(simulator.Experiment.from_mapping(whole), client=blind)
    assert not blind.requests


def test_a_chart_that_a_plan_chose_is_shown_and_drawn_again(tmp_path):
    plan = {"by": "all", "choose": 1, "analytics": [{"chart": CHART}]}
    advisor, model = {"context": ["features"], "plan": plan}, ScriptedClient(reader)
    result = simulator.run(experiment(tmp_path, 3, advisor=advisor), client=model)
    assert [len(request.images) for request in model.requests] == [1, 1, 1]
    (image,) = trace(result.folder).images
    assert image["same"]
    assert image["sha256"] == model.requests[-1].images[0].sha256
    assert all(check.same for check in simulator.replay(result.folder))
    model.supports_images = False
    with pytest.raises(ConfigurationError, match="shows chart, which is an image"):
        simulator.run(experiment(tmp_path, 3, advisor=advisor), client=model)


OWN_SOURCE = """
from io import BytesIO
from PIL import Image as Pictures
from llm_strategy import ContextSource, Shown
from llm_strategy.shown import Image

class Colour(ContextSource):
    shows_images = True

    def show(self, snapshot):
        whole = BytesIO()
        Pictures.new("RGB", (8, 8), (0, 150, 70) if snapshot.trend > 0 else (215, 40, 40)).save(whole, "PNG")
        return Shown("Colour", "the trend as a colour", image=Image.of(whole.getvalue()))

class Silent(Colour):
    shows_images = False

class Elsewhere(Colour):
    from_prices = False

class Broken(Colour):
    def show(self, snapshot):
        return Shown("Broken", "a picture", image=Image.of(b"GIF89a"))

class Mute(Colour):
    def show(self, snapshot):
        return Shown("Mute", "", image=super().show(snapshot).image)
"""


@pytest.fixture
def own(tmp_path):
    (tmp_path / "mine.py").write_text(OWN_SOURCE)
    return lambda name: {"context": ["features", f"{tmp_path / 'mine.py'}:{name}"]}


def test_a_source_of_ones_own_shows_an_image_that_a_replay_draws_again(own, tmp_path):
    result = simulator.run(experiment(tmp_path, 6, advisor=own("Colour")), client=ScriptedClient(reader))
    shown = {decision["context"][0]["image"] for decision in result.record.arms[0].decisions}
    assert 1 <= len(shown) <= 2
    assert all(check.same for check in simulator.replay(result.folder))
    picture = result.folder / "request-1.png"
    assert list(read_images(result.folder)) == ["request-1.png"]
    picture.write_bytes(picture.read_bytes() + b"more")
    assert read_images(result.folder) == {}, "what was not sent is not shown"
    with pytest.raises(RunFolderError, match=r"request-1\.png"):
        simulator.replay(result.folder)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Silent", "gave an image at the bar of .* and does not say that it shows any: set shows_images = True in it"),
        ("Elsewhere", "shows images and is no function of prices, so that no replay could draw them again"),
        ("Broken", "gave an image at the bar of .* that is no PNG of at most 1,000,000 bytes"),
        ("Mute", "gave an image without a text at the bar of .*: say in words what it shows"),
    ],
    ids=["unannounced", "no function of prices", "no PNG", "no text"],
)
def test_a_source_of_ones_own_that_shows_no_image_as_it_should_is_told_in_a_sentence(own, tmp_path, name, told):
    with pytest.raises(ConfigurationError, match=f"The context source '{name}' {told}"):
        simulator.run(experiment(tmp_path, 3, advisor=own(name)), client=ScriptedClient(reader))


REFUSALS = {
    "llama-server": (500, "image input is not supported - hint: you may need to provide the mmproj"),
    "an older llama-server": (500, 'Failed to parse messages: Unsupported content part type: "image_url"; messages ='),
    "ollama": (400, "this model does not support image input"),
    "vllm": (400, "tiny-model is not a multimodal model"),
    "vllm without images": (400, "At most 0 image(s) may be provided in one prompt."),
    "openai": (400, "Invalid content type. image_url is only supported by certain models."),
    "deepseek": (400, "Failed to deserialize: messages[1]: unknown variant `image_url`, expected `text` at line 1"),
    "openrouter": (404, "No endpoints found that support image input"),
    "one that knows no parts": (400, "messages.1.content: Input should be a valid string"),
}  # fmt: skip


@pytest.mark.parametrize("server", REFUSALS)
def test_a_server_whose_model_is_blind_ends_the_run_in_a_sentence_after_one_question(server, tmp_path):
    code, said = REFUSALS[server]
    wanted, cure = experiment(tmp_path, 3), "choose an LLM_MODEL that sees"
    with (
        serving(status(code, message=said)) as blind,
        client_at(blind, tmp_path) as client,
        pytest.raises(ModelError, match=cure) as raised,
    ):
        simulator.run(wanted, client=client)
    assert said[:30] in str(raised.value)
    assert str(raised.value).startswith("The endpoint 1 (127.0.0.1:")
    assert len(blind.questions) <= 3, "the first ones may be under way at once"


def test_a_refusal_of_this_very_image_is_a_failure_of_one_question(tmp_path):
    with (
        serving(status(400, message="Invalid image: it is too large.")) as server,
        client_at(server, tmp_path) as client,
    ):
        result_of = experiment(tmp_path, 3, advisor={"context": [{"chart": CHART}], "max_failure_rate": 1.0})
        result = simulator.run(result_of, client=client)
    assert {decision["abstention"]["reason"] for decision in result.record.arms[0].decisions} == {"backend_failure"}


def test_the_doctor_asks_an_advisor_that_is_shown_images_for_colours(btllm, tmp_path, monkeypatch):
    monkeypatch.setenv("LLM_MAX_TOKENS", "64")

    def colours(turn, body):
        pngs = pngs_in(body)
        text = "red" if pngs and b"\xdc\x00\x00" in decoded(pngs[0]) else "green"
        return answer(json.dumps({"colour": text}))

    for behaviour, sees in ((by_turns(colours), True), (answer('{"colour": "red"}'), False)):
        with serving(behaviour) as server:
            advisor = {"backend": "openai", "model": MODEL, "base_url": server.url, "context": ["features", "chart"]}
            (tmp_path / "experiment.yaml").write_text(yaml.safe_dump(document(tmp_path, 5, advisor=advisor)))
            _, out, _ = btllm("doctor", "--advisor", "llm")
        assert ("ok    images: it named the colours of 2 pictures" in out) is sees
        assert ("FAIL  images: A green picture was called 'red': the model does not see it." in out) is not sees


def decoded(png):
    return Image.open(io.BytesIO(png)).convert("RGB").tobytes()
