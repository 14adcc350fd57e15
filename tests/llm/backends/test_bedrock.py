"""The bedrock backend: boto3 itself against a server on loopback that speaks Converse and checks each signature."""

import base64
import json
import time
from email.utils import formatdate

import pytest
from bedrock_server import KEY, REGION, SECRET, BedrockServer, answer, frame, stream
from fault_wires import aws

from llm_strategy.errors import (
    AnswerTimeout,
    BackendFailure,
    BackendRefused,
    ConfigurationError,
    ImagesNotSeen,
    ModelError,
    PromptTooLong,
)
from llm_strategy.llm import get_llm_client
from llm_strategy.llm.backends.bedrock.client import BedrockBackend, connect
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.metering.calls import CallLog, Prices
from llm_strategy.llm.requests import Message, Request, Slot
from llm_strategy.llm.settings import LlmSettings, load_settings
from llm_strategy.shown import Image

pytestmark = [pytest.mark.server, pytest.mark.slow]

MODEL = "anthropic.claude-3-haiku-20240307-v1:0"
FORM = ('{"label": "', Slot("label", 6, ("bull", "bear")), '", "confidence": 0.', Slot("confidence", 2, stop="}"), "}")
QUESTION = Request((Message("system", "Be brief."), Message("user", "How is it?")), max_tokens=32, timeout_s=20)


@pytest.fixture
def bedrock(monkeypatch):
    """The server, with AWS credentials that it knows and no other AWS configuration."""
    aws(monkeypatch)
    server = BedrockServer()
    yield server
    server.close()


@pytest.fixture
def client(bedrock):
    with LLMClient(BedrockBackend(MODEL, endpoint_url=bedrock.url, timeout_s=20)) as client:
        yield client


PICTURE = Image.of(b"\x89PNG\r\n\x1a\n and so on")
SEEN = Request(
    (Message("system", "Be brief."), Message("user", "What is it?", (PICTURE,))), max_tokens=32, timeout_s=20
)


def test_an_image_stands_behind_the_text_of_its_turn(client, bedrock):
    assert client.complete(SEEN).text == "well"
    (turn,) = bedrock.requests[0]["messages"]
    image = {"image": {"format": "png", "source": {"bytes": base64.b64encode(PICTURE.content).decode()}}}
    assert turn == {"role": "user", "content": [{"text": "What is it?"}, image]}
    assert not bedrock.bad_signatures


@pytest.mark.parametrize(
    "said",
    [
        "This model doesn't support the image content block that you provided.",
        "This model doesn't support the image field for user messages. Remove image and try again.",
    ],
)
def test_a_model_that_takes_no_image_says_so_in_a_sentence_that_no_retry_follows(client, bedrock, said):
    bedrock.status, bedrock.headers = 400, {"x-amzn-ErrorType": "ValidationException"}
    bedrock.reply = {"message": said}
    with pytest.raises(ImagesNotSeen, match=r"choose an LLM_MODEL that sees, or show no image"):
        client.complete(SEEN)
    assert len(bedrock.requests) == 1


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


@pytest.mark.parametrize(("told", "tokens"), [(10**400, 0), (-5, 0), ("12", 12), (1e300, 0), (7.0, 7)])
def test_odd_counts_of_tokens_are_read_or_none_and_can_be_priced(client, bedrock, told, tokens):
    client.prices = Prices(1.0, 2.0)
    bedrock.reply = answer("It is well.", inputTokens=told, outputTokens=told)
    log = CallLog()
    got = client.complete(Request((Message("user", "Well?"),), log=log))
    assert (got.tokens_in, got.tokens_out) == (tokens, tokens)
    assert [call.cost for call in log.calls] == [3 * tokens / 1e6]


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
    client = LLMClient(BedrockBackend(MODEL, endpoint_url=bedrock.url, json_way="tool"))
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
    client = LLMClient(BedrockBackend(MODEL, endpoint_url=bedrock.url, json_way="tool"))
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
    client = LLMClient(BedrockBackend(MODEL, endpoint_url=bedrock.url, timeout_s=0.5))
    with pytest.raises(AnswerTimeout, match="kept silent"):
        client.complete(Request(QUESTION.messages))


def test_no_server_is_a_failure_that_may_pass(bedrock):
    client = LLMClient(BedrockBackend(MODEL, endpoint_url="http://127.0.0.1:9", timeout_s=5))
    with pytest.raises(BackendFailure, match="check network and region") as caught:
        client.complete(QUESTION)
    assert type(caught.value) is BackendFailure


def test_what_aws_needs_is_told(bedrock, monkeypatch):
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    client = LLMClient(BedrockBackend(MODEL, endpoint_url=bedrock.url))
    with pytest.raises(ModelError, match="no AWS credentials") as caught:
        client.complete(QUESTION)
    assert type(caught.value) is ModelError  # no question can be asked: it ends a run at once
    assert not client.healthcheck().ok
    with pytest.raises(ModelError, match="There is no AWS profile 'mine'"):
        LLMClient(BedrockBackend(MODEL, profile="mine")).complete(QUESTION)
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    with pytest.raises(ModelError, match="set AWS_REGION"):
        LLMClient(BedrockBackend(MODEL)).complete(QUESTION)
    with pytest.raises(ModelError, match="correct endpoint_url"):
        LLMClient(BedrockBackend(MODEL, region=REGION, endpoint_url="nowhere")).complete(QUESTION)


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


def client_of_settings(bedrock, **section):
    settings = LlmSettings(
        backend="bedrock", model=MODEL, sections={"bedrock": {"endpoint_url": bedrock.url} | section}, attempts=1
    )
    return get_llm_client(settings=settings)


def refusing(*signs):
    """A model that refuses each of these in turn, and answers without: a function of the request, and its words."""

    def reply(server):
        def of(request):
            refused = next((words for takes, words in signs if takes(request)), None)
            server.status = 200 if refused is None else 400
            server.headers = {} if refused is None else {"X-Amzn-ErrorType": "ValidationException"}
            return answer("well") if refused is None else {"message": refused}

        return of

    return reply


def has_temperature(request):
    return "temperature" in request["inferenceConfig"]


def has_system(request):
    return "system" in request


NO_TEMPERATURE = [
    "The model returned the following errors: `temperature` is deprecated for this model.",
    "temperature is not supported with this model",
    "Malformed input request: #: extraneous key [temperature] is not permitted, please reformat your input",
    "`temperature` may only be set to 1 when thinking is enabled",
]


@pytest.mark.parametrize("words", NO_TEMPERATURE)
def test_a_model_that_takes_no_temperature_is_found_out_and_noted(bedrock, tmp_path, monkeypatch, caplog, words):
    monkeypatch.setenv("BTLLM_CACHE_DIR", str(tmp_path))
    bedrock.reply = refusing((has_temperature, words))(bedrock)
    with client_of_settings(bedrock) as client:
        identity = client.identity
        assert dict(identity.settings) == {"json": "prompt", "temperature": "omitted"}
        assert client.complete(QUESTION).text == "well"
        assert client.identity == identity
    assert "takes no temperature: LLM_TEMPERATURE is not sent" in caplog.text
    asked = len(bedrock.requests)
    with client_of_settings(bedrock) as client:  # in the next session nothing has to be found out
        assert client.identity == identity
        assert client.complete(QUESTION).text == "well"
    assert len(bedrock.requests) == asked + 1
    assert bedrock.bad_signatures == []


def test_what_is_told_by_an_option_is_not_asked_for(bedrock, tmp_path, monkeypatch):
    monkeypatch.setenv("BTLLM_CACHE_DIR", str(tmp_path))
    bedrock.reply = refusing((has_temperature, NO_TEMPERATURE[0]))(bedrock)
    with client_of_settings(bedrock, omit_temperature=True) as client:
        assert client.complete(QUESTION).text == "well"
        assert dict(client.identity.settings)["temperature"] == "omitted"
    assert len(bedrock.requests) == 1
    with (
        client_of_settings(bedrock, omit_temperature=False) as client,
        pytest.raises(BackendRefused, match="set omit_temperature under bedrock: to true"),
    ):
        client.complete(QUESTION)


def test_a_model_without_system_messages_hears_them_in_the_first_turn(bedrock, tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("BTLLM_CACHE_DIR", str(tmp_path))
    words = "This model doesn't support system messages. Try again without a system message."
    bedrock.reply = refusing((has_system, words), (has_temperature, NO_TEMPERATURE[0]))(bedrock)
    with client_of_settings(bedrock) as client:
        settings = dict(client.identity.settings)
        assert client.complete(QUESTION).text == "well"
    assert settings == {"json": "prompt", "temperature": "omitted", "system": "in the first turn"}
    assert bedrock.requests[-1]["messages"] == [
        {"role": "user", "content": [{"text": "Be brief."}, {"text": "How is it?"}]}
    ]
    assert "takes no system messages" in caplog.text


def test_a_model_that_takes_all_is_who_it_was_and_is_asked_as_it_was(bedrock, tmp_path, monkeypatch):
    monkeypatch.setenv("BTLLM_CACHE_DIR", str(tmp_path))
    with client_of_settings(bedrock) as client:
        assert client.identity == LLMClient(BedrockBackend(MODEL)).identity
        assert dict(client.identity.settings) == {"json": "prompt"}
    assert [request["inferenceConfig"]["temperature"] for request in bedrock.requests] == [0.0]


def test_who_was_told_is_not_another_in_the_midst_of_a_run(bedrock, tmp_path, monkeypatch):
    monkeypatch.setenv("BTLLM_CACHE_DIR", str(tmp_path))
    with client_of_settings(bedrock) as client:
        identity = client.identity
        bedrock.reply = refusing((has_temperature, NO_TEMPERATURE[0]))(bedrock)
        with pytest.raises(BackendRefused, match="temperature"):
            client.complete(QUESTION)
        assert client.identity == identity


def test_a_range_is_no_refusal_of_the_temperature_itself(client, bedrock):
    bedrock.reply = refusing((has_temperature, "temperature: 3.0 is greater than the maximum of 1.0"))(bedrock)
    with pytest.raises(BackendRefused, match="check LLM_MODEL"):
        client.complete(QUESTION)
    assert len(bedrock.requests) == 1


@pytest.mark.parametrize("failure", ["down", "withheld"])
def test_a_failure_that_may_pass_does_not_hold_up_a_run_from_the_record(bedrock, tmp_path, monkeypatch, failure):
    monkeypatch.setenv("BTLLM_CACHE_DIR", str(tmp_path))
    bedrock.reply = answer("Sorry.", stop="guardrail_intervened")
    url = "http://127.0.0.1:9" if failure == "down" else bedrock.url
    with client_of_settings(bedrock, endpoint_url=url) as client:
        assert dict(client.identity.settings) == {"json": "prompt"}


REGIONS = [
    ({"AWS_REGION": "us-east-1"}, "", "us-east-1"),
    ({"AWS_DEFAULT_REGION": "us-east-2"}, "", "us-east-2"),
    ({"AWS_REGION": "us-east-1", "AWS_DEFAULT_REGION": "us-east-2"}, "", "us-east-1"),
    ({}, "AWS_REGION=ap-south-1\n", "ap-south-1"),
    ({"AWS_DEFAULT_REGION": "us-east-2"}, "AWS_REGION=ap-south-1\n", "us-east-2"),
    ({}, "", "eu-north-1"),
    ({"AWS_REGION": "us-west-2"}, "AWS_PROFILE=other\n", "us-west-2"),
    ({}, "AWS_PROFILE=other\n", "sa-east-1"),
]


@pytest.mark.parametrize(("variables", "dotenv", "region"), REGIONS)
def test_the_region_is_found_as_the_aws_command_line_finds_it(tmp_path, monkeypatch, variables, dotenv, region):
    aws(monkeypatch)
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "config").write_text("[default]\nregion = eu-north-1\n[profile other]\nregion = sa-east-1\n")
    (tmp_path / "keys").write_text(
        "[default]\naws_access_key_id=a\naws_secret_access_key=b\n[other]\naws_access_key_id=c\naws_secret_access_key=d\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "keys"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text(dotenv)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with LLMClient(connect(load_settings(backend="bedrock", model=MODEL))) as client:
        assert client.backend._connected().meta.region_name == region
    with LLMClient(connect(LlmSettings(model=MODEL, sections={"bedrock": {"region": "ca-central-1"}}))) as client:
        assert client.backend._connected().meta.region_name == "ca-central-1"


def test_the_keys_may_stand_in_dotenv(bedrock, tmp_path, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text(f"AWS_ACCESS_KEY_ID={KEY}\nAWS_SECRET_ACCESS_KEY={SECRET}\n")
    with LLMClient(connect(LlmSettings(model=MODEL, sections={"bedrock": {"endpoint_url": bedrock.url}}))) as client:
        assert client.complete(QUESTION).text == "well"
    assert bedrock.bad_signatures == []


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("AWS_ACCESS_KEY_ID", "AKIA\r", "^AWS_ACCESS_KEY_ID begins or ends"),
        ("AWS_SECRET_ACCESS_KEY", "geheim\u00fc", "^AWS_SECRET_ACCESS_KEY holds a character that is not ASCII"),
        ("AWS_SESSION_TOKEN", "gehe im", "^AWS_SESSION_TOKEN holds a blank"),
        ("AWS_CA_BUNDLE", "/gone.pem", "^AWS_CA_BUNDLE is '/gone.pem', which is no file"),
    ],
)
def test_what_no_request_can_be_made_with_is_told(bedrock, monkeypatch, variable, value, told):
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError, match=told) as caught:
        LLMClient(BedrockBackend(MODEL, endpoint_url=bedrock.url))
    assert "gehe" not in str(caught.value)


@pytest.mark.parametrize("proxy", ["http://127.0.0.1:9", "socks://127.0.0.1:9"])
def test_a_server_on_this_machine_is_asked_past_every_proxy(client, bedrock, monkeypatch, proxy):
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, proxy)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "")
    assert client.complete(QUESTION).text == "well"


def test_a_proxy_in_the_way_is_named(monkeypatch, bedrock):
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://user:geheim@127.0.0.1:9")
    client = LLMClient(BedrockBackend(MODEL, timeout_s=5))
    with pytest.raises(BackendFailure, match=r"through the proxy 'http://127\.0\.0\.1:9' of https?_proxy") as caught:
        client.complete(QUESTION)
    assert "geheim" not in str(caught.value)
    monkeypatch.setenv("https_proxy", "socks5://127.0.0.1:9")
    with pytest.raises(ConfigurationError, match="socks5:// is no kind of proxy that can be used"):
        LLMClient(BedrockBackend(MODEL, timeout_s=5)).complete(QUESTION)


@pytest.mark.parametrize(
    ("status", "code", "words", "cure"),
    [
        (403, "AccessDeniedException", "You don't have access to the model.", "Model access in the console of Bedrock"),
        (
            403,
            "AccessDeniedException",
            "User is not authorized to perform: bedrock:InvokeModel",
            "let its policy allow",
        ),
        (403, "ExpiredTokenException", "The security token included in the request is expired", "get new credentials"),
        (403, "InvalidSignatureException", "Signature not yet current", "the clock of this machine"),
        (403, "UnrecognizedClientException", "The security token is invalid.", "which AWS does not know"),
        (400, "ValidationException", "This model doesn't support system messages.", "which knows system messages"),
        (429, "ThrottlingException", "Too many tokens", "lower concurrency under bedrock:"),
    ],
)
def test_each_refusal_has_its_own_cure(bedrock, status, code, words, cure):
    bedrock.status, bedrock.reply, bedrock.headers = status, {"message": words}, {"X-Amzn-ErrorType": code}
    with LLMClient(BedrockBackend(MODEL, endpoint_url=bedrock.url)) as client, pytest.raises(ModelError, match=cure):
        client.complete(QUESTION)


@pytest.mark.parametrize(
    ("stop", "told"), [("guardrail_intervened", "A guardrail of"), ("content_filtered", "filter of")]
)
def test_who_withheld_an_answer_is_told(client, bedrock, stop, told):
    bedrock.reply = answer("Sorry.", stop=stop)
    with pytest.raises(BackendRefused, match=told):
        client.complete(QUESTION)


def test_a_refused_run_ends_at_once_with_the_sentence(bedrock, tmp_path, monkeypatch):
    monkeypatch.setenv("BTLLM_CACHE_DIR", str(tmp_path))
    bedrock.status, bedrock.headers = 403, {"X-Amzn-ErrorType": "AccessDeniedException"}
    bedrock.reply = {"message": "You don't have access to the model with the specified model ID."}
    with client_of_settings(bedrock) as client, pytest.raises(BackendRefused, match="Model access"):
        _ = client.identity
