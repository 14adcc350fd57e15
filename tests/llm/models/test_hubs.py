"""Models from hubs: a real client against a local server that speaks the hub's protocol, and hubs out of reach."""

import contextlib
import hashlib
import json
import re
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace

import pytest
import requests

from llm_strategy.errors import ModelError, ModelNotFound, ModelNotLoaded
from llm_strategy.llm.models.store import available, pull, resolve, verify
from llm_strategy.llm.settings import LlmSettings

pytestmark = [pytest.mark.server, pytest.mark.slow]

FILE = b"GGUF" + struct.pack("<IQQ", 3, 0, 0) + b"weights" * 10_000
NAME = "hf:tiny-org/tiny-GGUF/tiny.Q4_0.gguf"
PLACE = "/tiny-org/tiny-GGUF/resolve/main/tiny.Q4_0.gguf"


AT_GPT4ALL = re.compile(r"^https://[^/]+(?=/models/models3\.json$)")


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A server that offers one file; what it announces and sends may be changed."""

    class Hub(BaseHTTPRequestHandler):
        content, announced, status = FILE, hashlib.sha256(FILE).hexdigest(), 200
        ranged, address = True, ""
        flood = empty = drips = False
        sent_on = ()  # where each GET is sent on to: (path asked, target)

        def do_HEAD(self):
            self.answer(b"")

        def do_GET(self):
            self.answer(Hub.content)

        def answer(self, body):
            if self.path == "/models/models3.json":
                listed = {"filename": "tiny.Q4_0.gguf", "filesize": str(len(FILE)), "url": Hub.address + PLACE}
                listed["md5sum"] = hashlib.md5(FILE).hexdigest()  # noqa: S324 - what that hub gives
                body = json.dumps([listed, {"filename": "other.gguf", "url": "x"}]).encode()
                self.send_response(Hub.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                return
            if self.command == "GET" and (target := dict(Hub.sent_on).get(self.path)):
                Hub.keys.append(self.headers["Authorization"])
                self.send_response(302)
                self.send_header("Location", target)
                self.send_header("Content-Encoding", "gzip")
                self.send_header("Set-Cookie", "a=b")
                self.end_headers()
                with contextlib.suppress(OSError):
                    for _ in range(2000):  # a body that nobody needs
                        self.wfile.write(FILE)
                return
            if self.path not in (PLACE, "/cdn") or Hub.status != 200:
                self.send_response(Hub.status if Hub.status != 200 else 404)
                self.send_header("X-Error-Code", "EntryNotFound" if "/tiny-GGUF/" in self.path else "RepoNotFound")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            begin = 0
            if self.command == "GET":
                Hub.asked.append(self.headers["Range"])
                Hub.keys.append(self.headers["Authorization"])
                assert "Cookie" not in self.headers
                if self.headers["Range"] and Hub.ranged:
                    begin = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
            if self.command == "GET" and Hub.flood:
                self.send_response(200)
                self.send_header("ETag", f'"{Hub.announced}"')
                self.end_headers()
                with contextlib.suppress(OSError):
                    while True:
                        self.wfile.write(FILE)
                return
            if begin >= len(Hub.content) or (self.command == "GET" and Hub.empty):
                self.send_response(416)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206 if begin else 200)
            if begin:
                self.send_header("Content-Range", f"bytes {begin}-{len(Hub.content) - 1}/{len(Hub.content)}")
            self.send_header("ETag", f'"{Hub.announced}"')
            self.send_header("X-Repo-Commit", "0" * 40)
            self.send_header("Content-Length", str(len(Hub.content) - begin))
            self.end_headers()
            rest = body[begin:]
            if Hub.drips and body:
                with contextlib.suppress(OSError):
                    for byte in rest:
                        self.wfile.write(bytes([byte]))
                        Hub.pause.wait(0.01)
                return
            self.wfile.write(rest[: Hub.cuts.pop(0)] if body and Hub.cuts else rest)
            self.close_connection = True

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    Hub.cuts = []  # after so many bytes answers are cut off
    Hub.asked = []  # the ranges
    Hub.pause = threading.Event()
    Hub.keys = []  # the keys that came with them
    Hub.address = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setenv("HF_ENDPOINT", Hub.address)
    monkeypatch.setattr("llm_strategy.llm.models.download.PAUSE_S", 0.01)
    get = requests.get
    # gpt4all knows one address alone: its list is asked here instead.
    monkeypatch.setattr(requests, "get", lambda url, **given: get(AT_GPT4ALL.sub(Hub.address, url), **given))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf-home"))
    monkeypatch.setenv("BTLLM_CACHE_DIR", str(tmp_path / "cache"))
    yield Hub
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_file_of_the_hub_is_pulled_listed_verified_and_used(hub, tmp_path):
    steps = []
    path = pull(NAME, progress=steps.append)
    assert path.read_bytes() == FILE
    assert steps == [f"fetching {NAME}", "verifying"]
    assert verify(NAME) == path
    assert resolve(LlmSettings(model=NAME, instruct_model_path=None)) == path
    assert [(entry.name, entry.path) for entry in available()][-1] == (NAME, path)
    hub.status = 500
    assert pull(NAME, progress=steps.append) == path  # what is there is not fetched again
    assert len(steps) == 2
    assert not list((tmp_path / "cache").glob(".pull-*"))


def test_a_model_of_gpt4all_is_pulled_listed_verified_and_used(hub, tmp_path):
    steps = []
    path = pull("gpt4all:tiny.Q4_0", progress=steps.append)
    assert path == tmp_path / "cache" / "gpt4all" / "tiny.Q4_0.gguf"
    assert path.read_bytes() == FILE
    assert steps == ["fetching gpt4all:tiny.Q4_0.gguf", "verifying"]
    assert verify("gpt4all:tiny.Q4_0.gguf") == path
    assert resolve(LlmSettings(model="gpt4all:tiny.Q4_0.gguf", instruct_model_path=None)) == path
    assert ("gpt4all:tiny.Q4_0.gguf", path) in [(entry.name, entry.path) for entry in available()]
    assert not list((tmp_path / "cache").glob(".pull-*"))


def test_a_model_that_gpt4all_does_not_offer_is_told(hub):
    with pytest.raises(ModelNotFound, match=r"gpt4all offers other\.gguf, tiny\.Q4_0\.gguf"):
        pull("gpt4all:huge")


def test_a_model_of_gpt4all_that_is_damaged_is_not_kept(hub, tmp_path):
    hub.content = FILE[:-1] + b"?"
    with pytest.raises(ModelNotLoaded, match="not the file that the hub announced"):
        pull("gpt4all:tiny.Q4_0")
    assert not list((tmp_path / "cache").rglob("*.gguf*"))


@pytest.mark.parametrize("name", [NAME, "gpt4all:tiny.Q4_0"])
def test_a_pull_that_is_cut_off_goes_on_where_it_was(hub, name):
    hub.cuts = [10_000, 20_000]
    assert pull(name).read_bytes() == FILE
    assert hub.asked == [None, "bytes=10000-", "bytes=30000-"]


@pytest.mark.parametrize("name", [NAME, "gpt4all:tiny.Q4_0"])
def test_a_pull_that_was_given_up_goes_on_at_the_next_command(hub, tmp_path, name):
    hub.cuts, steps = [10_000, 0, 0, 0], []
    with pytest.raises(ModelNotFound, match="pull again, which goes on where it was cut off"):
        pull(name)
    assert not [path for path in (tmp_path / "cache").rglob("*.gguf") if path.is_file()]
    hub.asked.clear()
    assert pull(name, progress=steps.append).read_bytes() == FILE
    assert hub.asked == ["bytes=10000-"]
    assert steps[1].startswith("going on at ")
    assert not list((tmp_path / "cache").glob(".pull-*"))


def test_a_part_of_another_version_is_not_gone_on_with(hub):
    hub.cuts = [10_000, 0, 0, 0]
    with pytest.raises(ModelNotFound):
        pull(NAME)
    hub.content = FILE.replace(b"weights", b"weighty")
    hub.announced = hashlib.sha256(hub.content).hexdigest()
    assert pull(NAME).read_bytes() == hub.content


def test_a_server_without_ranges_is_asked_for_the_whole(hub):
    hub.cuts, hub.ranged = [10_000], False
    assert pull(NAME).read_bytes() == FILE
    assert hub.asked == [None, "bytes=10000-"]


@pytest.mark.parametrize("name", [NAME, "gpt4all:tiny.Q4_0"])
def test_a_server_that_sends_without_end_is_left_at_the_announced_size(hub, tmp_path, name):
    hub.flood = True
    with pytest.raises(ModelNotLoaded, match=f"sends more than the {len(FILE)} bytes that it announced"):
        pull(name)
    assert not [path for path in (tmp_path / "cache").rglob("*") if path.is_file() and path.stat().st_size > 1000]


def test_a_server_that_sends_a_byte_an_attempt_is_given_up(hub):
    hub.cuts = [1] * 1000
    with pytest.raises(ModelNotFound, match="could not be fetched"):
        pull(NAME)
    assert len(hub.asked) == 3


def test_a_server_that_has_no_byte_of_what_it_announced_is_given_up(hub):
    hub.empty = True
    with pytest.raises(ModelNotFound, match="could not be fetched"):
        pull(NAME)
    assert len(hub.asked) == 1


def test_a_redirect_is_followed_and_the_key_goes_to_no_other_host(hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_planted0815planted")
    other = hub.address.replace("127.0.0.1", "localhost")
    hub.sent_on = ((PLACE, "/there"), ("/there", f"{other}/cdn"))
    assert pull(NAME).read_bytes() == FILE
    assert hub.keys == ["Bearer hf_planted0815planted"] * 2 + [None]


@pytest.mark.parametrize(
    ("target", "told"),
    [
        (PLACE, r"could not be fetched \(TooManyRedirects\)"),
        ("ftp://127.0.0.1/x.gguf", "sends the pull on to ftp://127.0.0.1, which is not encrypted"),
        ("file:///etc/passwd", "which is not encrypted"),
        ("http://[", r"could not be fetched \(InvalidURL\)"),
    ],
    ids=["loop", "ftp", "file", "no address"],
)
def test_a_redirect_that_leads_nowhere_good_is_not_followed(hub, tmp_path, target, told):
    hub.sent_on = ((PLACE, target),)
    with pytest.raises(ModelError, match=told):
        pull(NAME)
    assert len(hub.keys) <= 5
    assert not list((tmp_path / "cache").rglob("*.gguf"))


def test_a_file_larger_than_the_disk_is_not_begun(hub, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=len(FILE) - 1))
    with pytest.raises(ModelError, match="No space left on device"):
        pull(NAME)


def test_parts_of_a_file_without_a_hash_are_not_put_together(hub):
    hub.announced, hub.cuts = "no-hash", [10_000]
    assert pull(NAME).read_bytes() == FILE
    assert hub.asked == [None, None]


def test_a_server_that_drips_is_given_up(hub, monkeypatch):
    monkeypatch.setattr("llm_strategy.llm.models.download._MEASURED_S", 0.03)
    hub.drips = True
    with pytest.raises(ModelNotFound, match=r"could not be fetched \(Timeout\)"):
        pull(NAME)
    assert len(hub.asked) == 3


def test_a_file_that_was_damaged_later_is_found_out_and_replaced(hub):
    path = pull(NAME)
    path.write_bytes(FILE[:-1] + b"?")
    for use in (lambda: verify(NAME), lambda: resolve(LlmSettings(model=NAME, instruct_model_path=None))):
        with pytest.raises(ModelNotLoaded, match=f"is damaged: run 'btllm models pull {NAME}'"):
            use()
    assert pull(NAME).read_bytes() == FILE


def test_a_file_that_is_not_the_announced_one_is_not_kept(hub, tmp_path):
    hub.announced = "0" * 64
    with pytest.raises(ModelNotLoaded, match="not the file that the hub announced"):
        pull(NAME)
    assert not list((tmp_path / "cache").rglob("*.gguf"))


def test_a_file_that_is_no_model_is_not_kept(hub, tmp_path):
    hub.content = b"<html>" * 100
    hub.announced = hashlib.sha256(hub.content).hexdigest()
    with pytest.raises(ModelNotLoaded, match="no GGUF file"):
        pull(NAME)
    assert not list((tmp_path / "cache").rglob("*.gguf"))


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("hf:tiny-org/tiny-GGUF/other.gguf", r"tiny-org/tiny-GGUF holds no file other\.gguf"),
        ("hf:tiny-org/gone/other.gguf", r"check tiny-org/gone .*HF_TOKEN"),
    ],
)
def test_what_the_hub_does_not_have_is_told(hub, name, told):
    with pytest.raises(ModelNotFound, match=told):
        pull(name)


@pytest.mark.parametrize("name", [NAME, "gpt4all:Tiny-Q4_0"])
def test_a_hub_out_of_reach_is_one_sentence_with_the_cure(name, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("BTLLM_CACHE_DIR", str(tmp_path))
    with pytest.raises(ModelNotFound, match=r"could not be fetched .*LLM_INSTRUCT_MODEL_PATH") as caught:
        pull(name)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.rglob("*.gguf"))


@pytest.mark.parametrize(
    "name", ["hf:org/file.gguf", "hf:org/repo/file.bin", "hf:a/../../x.gguf", "hf:a/b/../x.gguf", "gpt4all:", "hf:"]
)
def test_a_misspelt_source_is_told_with_the_shape(name):
    with pytest.raises(ModelNotFound, match=r"write (hf|gpt4all):"):
        pull(name)


def test_a_hub_file_that_is_not_pulled_names_the_command(tmp_path, monkeypatch):
    monkeypatch.setenv("BTLLM_CACHE_DIR", str(tmp_path))
    with pytest.raises(ModelNotFound, match=f"run 'btllm models pull {NAME}'"):
        resolve(LlmSettings(model=NAME, instruct_model_path=None))
    with pytest.raises(ModelNotFound, match=f"run 'btllm models pull {NAME}'"):
        verify(NAME)
