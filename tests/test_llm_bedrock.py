"""The bedrock backend: boto3 itself against a server on loopback that speaks Converse and checks each signature."""

import json
import time
from email.utils import formatdate

import pytest
from bedrock_server import KEY, REGION, SECRET, BedrockServer, answer, frame, stream

from llm_strategy.config import LlmSettings, load_settings
from llm_strategy.errors import (
    AnswerTimeout,
    BackendFailure,
    BackendRefused,
    ConfigurationError,
    ModelError,
    PromptTooLong,
)
from llm_strategy.llm import get_llm_client
from llm_strategy.llm.backends.bedrock import BedrockClient, connect
from llm_strategy.llm.exchange import Message, Request, Slot

MODEL = "anthropic.claude-3-haiku-20240307-v1:0"
FORM = ('{"label": "', Slot("label", 6, ("bull", "bear")), '", "confidence": 0.', Slot("confidence", 2, stop="}"), "}")
QUESTION = Request((Message("system", "Be brief."), Message("user", "How is it?")), max_tokens=32, timeout_s=20)


@pytest.fixture
def bedrock(monkeypatch):
    """The server, with AWS credentials that it knows and no other AWS configuration."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_BEARER_TOKEN_BEDROCK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    server = BedrockServer()
    yield server
    server.close()


@pytest.fixture
def client(bedrock):
    with BedrockClient(MODEL, endpoint_url=bedrock.url, timeout_s=20) as client:
        yield client


def test_a_whole_answer_by_a_signed_request(client, bedrock):
    bedrock.reply = answer("It is well.", inputTokens=11, cacheReadInputTokens=4)
    given = client.complete(QUESTION)
    assert (given.text, given.tokens_in, given.tokens_out, given.finish) == ("It is well.", 15, 5, "stop")
    assert given.latency_ms > 0
    assert bedrock.paths == ["/model/anthropic.claude-3-haiku-20240307-v1%3A0/converse"]
    assert bedrock.requests == [
        {
            "messages": [{"role": "user", "content": [{"text": "How is it?"}]}],
            "system": [{"text": "Be brief."}],
            "inferenceConfig": {"maxTokens": 32, "temperature": 0.0},
        }
    ]
    assert bedrock.bad_signatures == []


def test_the_server_would_notice_a_wrong_secret(client, bedrock, monkeypatch):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "another")
    client.complete(QUESTION)
    assert len(bedrock.bad_signatures) == 1


def test_an_answer_in_pieces(client, bedrock):
    bedrock.reply = stream("It ", "is ", "well.")
    pieces = []
    given = client.complete(QUESTION, lambda piece: pieces.append(piece) is None)
    assert pieces == ["It ", "is ", "well."]
    assert (given.text, given.tokens_in, given.tokens_out) == ("It is well.", 11, 3)
    assert bedrock.paths[0].endswith("/converse-stream")
    assert bedrock.bad_signatures == []


def test_a_reader_that_leaves_stops_the_stream(client, bedrock):
    bedrock.reply = stream(*["word "] * 50)
    chunks = client.chat([{"role": "user", "content": "Go on."}], stream=True)
    assert next(chunks).delta == "word "
    chunks.close()
    bedrock.reply = answer("well")
    assert client.complete(QUESTION).text == "well"


def test_a_tool_holds_the_model_to_the_form(bedrock):
    bedrock.reply = answer("") | {
        "output": {
            "message": {
                "role": "assistant",
                "content": [
                    {"text": "I shall answer."},
                    {"toolUse": {"toolUseId": "1", "name": "answer", "input": {"label": "bear", "confidence": 0.75}}},
                ],
            }
        },
        "stopReason": "tool_use",
    }
    client = BedrockClient(MODEL, endpoint_url=bedrock.url, json_way="tool")
    assert client.supports_forms
    given = client.complete(Request(QUESTION.messages, form=FORM))
    assert json.loads(given.text) == {"label": "bear", "confidence": 0.75}
    assert given.values == {"label": "bear", "confidence": "75"}
    (tool,) = bedrock.requests[0]["toolConfig"]["tools"]
    schema = tool["toolSpec"]["inputSchema"]["json"]
    assert schema["properties"]["label"]["enum"] == ["bull", "bear"]
    assert bedrock.requests[0]["toolConfig"]["toolChoice"] == {"tool": {"name": "answer"}}


def test_a_tools_input_in_pieces(bedrock):
    bedrock.reply = stream('{"label": "bu', 'll", "confidence": 0.5}', stop="tool_use", tool=True)
    client = BedrockClient(MODEL, endpoint_url=bedrock.url, json_way="tool")
    given = client.complete(Request(QUESTION.messages, form=FORM), lambda piece: True)
    assert json.loads(given.text) == {"label": "bull", "confidence": 0.5}


def test_neighbours_of_one_role_become_one_turn(client, bedrock):
    turns = [Message("user", "One."), Message("user", "Two."), Message("assistant", "Yes."), Message("user", "Three.")]
    client.complete(Request(tuple(turns)))
    assert [turn["role"] for turn in bedrock.requests[0]["messages"]] == ["user", "assistant", "user"]
    assert bedrock.requests[0]["messages"][0]["content"] == [{"text": "One."}, {"text": "Two."}]


def test_an_answer_that_was_cut_off_is_marked(client, bedrock):
    bedrock.reply = answer("It is", stop="max_tokens")
    assert client.complete(QUESTION).finish == "length"


REFUSALS = [
    (429, "ThrottlingException", "Too many requests", BackendFailure, "ThrottlingException"),
    (408, "ModelTimeoutException", "Model timed out", AnswerTimeout, "took too long"),
    (424, "ModelErrorException", "The model failed", BackendFailure, "ModelErrorException"),
    (429, "ModelNotReadyException", "Loading", BackendFailure, "ModelNotReadyException"),
    (500, "InternalServerException", "Oh", BackendFailure, "InternalServerException"),
    (503, "ServiceUnavailableException", "Busy", BackendFailure, "ServiceUnavailableException"),
    (502, None, None, BackendFailure, "502"),
    (529, None, None, BackendFailure, "529"),
    (400, "ValidationException", "Input is too long for requested model.", PromptTooLong, "shorten it"),
    (400, "ValidationException", "The provided model identifier is invalid.", BackendRefused, "check LLM_MODEL"),
    (403, "AccessDeniedException", "You don't have access", BackendRefused, "may use the model"),
    (403, "UnrecognizedClientException", "The security token is invalid", BackendRefused, "check the credentials"),
    (404, "ResourceNotFoundException", "No such model", BackendRefused, "and the region"),
]


@pytest.mark.parametrize(("status", "code", "words", "kind", "told"), REFUSALS)
@pytest.mark.parametrize("streamed", [False, True])
def test_each_refusal_has_its_error(client, bedrock, status, code, words, kind, told, streamed):
    bedrock.status = status
    bedrock.reply = b"<html>bad gateway</html>" if code is None else {"message": words}
    bedrock.headers = {"X-Amzn-ErrorType": code} if code else {"Content-Type": "text/html"}
    with pytest.raises(ModelError, match=told) as caught:
        client.complete(QUESTION, (lambda piece: True) if streamed else None)
    assert type(caught.value) is kind
    assert "\n" not in str(caught.value)
    assert len(bedrock.requests) == 1  # asking again is not the SDK's business


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("0.5", 0.5),
        ("a date", 600.0),
        ("-3", 0.0),
        ("soon", None),
        ("", None),
    ],
)
def test_the_time_to_wait_is_passed_on(client, bedrock, header, seconds):
    bedrock.status, bedrock.reply = 429, {"message": "Too many requests"}
    bedrock.headers = {
        "X-Amzn-ErrorType": "ThrottlingException",
        "Retry-After": header.replace("a date", formatdate(time.time() + 600)),
    }
    with pytest.raises(BackendFailure) as caught:
        client.complete(QUESTION)
    assert caught.value.retry_after_s == (
        seconds if seconds is None else pytest.approx(seconds, abs=60 if header == "a date" else 0)
    )


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ("throttlingException", BackendFailure),
        ("modelStreamErrorException", BackendFailure),
        ("internalServerException", BackendFailure),
        ("serviceUnavailableException", BackendFailure),
        ("validationException", BackendRefused),
    ],
)
def test_a_failure_in_the_midst_of_a_stream(client, bedrock, event, kind):
    bedrock.reply = [*stream("It ")[:2], frame(event, {"message": "Oh"}, kind="exception")]
    with pytest.raises(ModelError, match="Oh") as caught:
        client.complete(QUESTION, lambda piece: True)
    assert type(caught.value) is kind


def _flipped(frames):
    return [frames[0], frames[1][:-6] + bytes([frames[1][-6] ^ 1]) + frames[1][-5:], *frames[2:]]


@pytest.mark.parametrize(
    ("reply", "streamed", "cut"),
    [
        (b"", False, False),
        (b"not json", False, False),
        (b"\xff\xfe", False, False),
        (b"\xef\xbb\xbf{}", False, False),
        (b"[" * 10_000, False, False),
        (b"[]", False, False),
        ({}, False, False),
        (answer(""), False, False),
        (answer("x") | {"output": {"message": {"role": "assistant", "content": [{}]}}}, False, False),
        (answer("half an answer"), False, True),
        (stream("half ", "an")[:2], True, False),
        (stream("half ", "an")[:2], True, True),
        ([stream("half")[1][:20]], True, False),
        (_flipped(stream("one", "two")), True, False),
        ([frame("contentBlockDelta", b"{nonsense")], True, False),
        ([b"<html>no frames</html>" * 10], True, False),
        ([], True, False),
        (answer("x", stop="malformed_model_output"), False, False),
    ],
)
def test_what_is_no_answer_is_a_failure_that_may_pass(client, bedrock, reply, streamed, cut):
    bedrock.reply, bedrock.cut = reply, cut
    with pytest.raises(BackendFailure) as caught:
        client.complete(QUESTION, (lambda piece: True) if streamed else None)
    assert type(caught.value) is BackendFailure, caught.value
    assert "\n" not in str(caught.value)
    bedrock.reply, bedrock.cut = answer("well"), False
    assert client.complete(QUESTION).text == "well"


@pytest.mark.parametrize(
    ("stop", "kind"),
    [
        ("guardrail_intervened", BackendRefused),
        ("content_filtered", BackendRefused),
        ("model_context_window_exceeded", PromptTooLong),
    ],
)
def test_a_withheld_answer_is_told(client, bedrock, stop, kind):
    bedrock.reply = answer("Sorry.", stop=stop)
    with pytest.raises(kind):
        client.complete(QUESTION)


def test_a_silent_server_is_left_by_the_transport(bedrock):
    bedrock.pause = 3
    client = BedrockClient(MODEL, endpoint_url=bedrock.url, timeout_s=0.5)
    with pytest.raises(AnswerTimeout, match="kept silent"):
        client.complete(Request(QUESTION.messages))


def test_no_server_is_a_failure_that_may_pass(bedrock):
    client = BedrockClient(MODEL, endpoint_url="http://127.0.0.1:9", timeout_s=5)
    with pytest.raises(BackendFailure, match="check network and region") as caught:
        client.complete(QUESTION)
    assert type(caught.value) is BackendFailure


def test_what_aws_needs_is_told(bedrock, monkeypatch):
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    client = BedrockClient(MODEL, endpoint_url=bedrock.url)
    with pytest.raises(ModelError, match="no AWS credentials") as caught:
        client.complete(QUESTION)
    assert type(caught.value) is ModelError  # no question can be asked: it ends a run at once
    assert not client.healthcheck().ok
    with pytest.raises(ModelError, match="There is no AWS profile 'mine'"):
        BedrockClient(MODEL, profile="mine").complete(QUESTION)
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(ModelError, match="set AWS_REGION"):
        BedrockClient(MODEL).complete(QUESTION)
    with pytest.raises(ModelError, match="correct endpoint_url"):
        BedrockClient(MODEL, region=REGION, endpoint_url="nowhere").complete(QUESTION)


def test_the_settings_reach_the_client(bedrock, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs/llm.yaml").write_text(
        f"backend: bedrock\nmodel: {MODEL}\nbedrock:\n  region: {REGION}\n  endpoint_url: {bedrock.url}\n  json: tool\n"
    )
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.delenv("LLM_BACKEND", raising=False)
    bedrock.reply = answer("well")
    with get_llm_client() as client:
        assert (client.identity.backend, client.identity.name) == ("bedrock", MODEL)
        assert client.generate("How is it?").text == "well"
    assert bedrock.bad_signatures == []


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ({"regoin": "x"}, r"bedrock\.regoin, did you mean 'region'"),
        ({"jsn": "tool"}, "did you mean 'json'"),
        ({"json": "maybe"}, r"bedrock\.json is 'maybe'; known are prompt, tool\."),
        ({"concurrency": "many"}, r"bedrock\.concurrency is 'many': Input should be a valid integer"),
        ({"concurrency": 0}, r"bedrock\.concurrency"),
        ({"region": ""}, r"bedrock\.region"),
    ],
)
def test_a_wrong_setting_is_told(section, told):
    with pytest.raises(ConfigurationError, match=told):
        connect(LlmSettings(sections={"bedrock": section}))


def test_the_secret_is_in_no_message_and_no_log(client, bedrock, caplog):
    caplog.set_level("DEBUG", logger="llm_strategy")
    said = []
    for status, code, words, *_ in REFUSALS:
        bedrock.status, bedrock.reply = status, {"message": words or "?"}
        bedrock.headers = {"X-Amzn-ErrorType": code or "Odd"}
        with pytest.raises(ModelError) as caught:
            client.complete(QUESTION)
        said.append(str(caught.value))
    assert SECRET not in "".join(said) + caplog.text + repr(client.identity.as_dict()) + repr(load_settings())


def test_throttling_passes_and_each_attempt_is_noted(bedrock, tmp_path, monkeypatch):
    monkeypatch.setenv("LLM_BACKOFF_S", "0.01")
    section = {"endpoint_url": bedrock.url}
    settings = LlmSettings(
        backend="bedrock", model=MODEL, sections={"bedrock": section}, audit_file=tmp_path / "audit.jsonl"
    )
    bedrock.headers = {"X-Amzn-ErrorType": "ThrottlingException", "Retry-After": "0.1"}

    def recovering(request):
        bedrock.status = 200 if len(bedrock.requests) > 2 else 429
        return answer("well") if bedrock.status == 200 else {"message": "Too many requests"}

    bedrock.reply = recovering
    with get_llm_client(settings=settings) as client:
        assert client.generate("How is it?").text == "well"
    (noted,) = map(json.loads, (tmp_path / "audit.jsonl").read_text().splitlines())
    assert (noted["attempts"], noted["answer"], noted["backend"]) == (3, "well", "bedrock")
    assert SECRET not in json.dumps(noted)
    assert bedrock.bad_signatures == []
