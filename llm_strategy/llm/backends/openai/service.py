"""The batch service at an address: files of questions are handed in, and files of answers fetched."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import openai

from llm_strategy.errors import BackendFailure, RunFolderError
from llm_strategy.llm.backend import BatchState
from llm_strategy.llm.backends.http import brief, words_of
from llm_strategy.llm.backends.network import is_loopback
from llm_strategy.llm.backends.openai.endpoints import Endpoint
from llm_strategy.llm.backends.openai.hints import UNPACKED
from llm_strategy.llm.backends.openai.replies import refusal
from llm_strategy.llm.backends.openai.transport import LONGEST_REFUSAL
from llm_strategy.support.secrets import redact
from llm_strategy.support.write_whole import whole_file

TIMEOUT_S = 600.0
"""Seconds for a file on its way."""
RETRIES = 2
MOST_BYTES = 4_000_000_000
"""Of a file of answers, far above what a service gives."""
NO_SERVICE = "answer the files with vllm run-batch, or hand them in by other means"
_ENDED = ("completed", "expired", "cancelled", "failed")


class BatchService:
    """Hands files to the service at one address. Raises ``BackendFailure`` where it is none, or refuses."""

    def __init__(self, endpoint: Endpoint, key: str) -> None:
        self._endpoint = endpoint
        self._key = key

    def submit(self, file: Path, url: str) -> str:
        """Hand in a file of questions to this ``url`` of the service; returns the name of its batch."""
        with self._connected() as sdk, file.open("rb") as content:
            uploaded = sdk.files.create(file=(file.name, content), purpose="batch")
            asked: Any = url  # the SDK lists those of its own service
            return _text(sdk.batches.create(input_file_id=uploaded.id, endpoint=asked, completion_window="24h").id)

    def fetch(self, batch: str, folder: Path) -> BatchState:
        """How far a batch is; once it has ended its files of answers and of errors lie in ``folder``."""
        with self._connected() as sdk:
            state = sdk.batches.retrieve(batch)
            status, counts = _text(state.status), state.request_counts
            ended = status in _ENDED
            files = []
            for kind, name in (("answers", state.output_file_id), ("errors", state.error_file_id)):
                if ended and name:
                    files.append(folder / f"{_as_file_name(batch)}-{kind}.jsonl")
                    _fetch_file(sdk, name, files[-1])
            return BatchState(
                brief(status),
                ended,
                (_count(counts.completed), _count(counts.failed), _count(counts.total)) if counts else (0, 0, 0),
                tuple(files),
                brief(words_of(state.errors.to_dict())) if state.errors else "",
            )

    @contextmanager
    def _connected(self) -> Iterator[openai.OpenAI]:
        """The SDK, and what goes wrong on the way as one sentence about this address."""
        url, name = self._endpoint.url, self._endpoint.name
        try:
            http = openai.DefaultHttpx2Client(
                trust_env=not is_loopback(url),
                follow_redirects=False,
                headers={"Accept-Encoding": "identity"},
                event_hooks={"response": [_bound]},
            )
            with openai.OpenAI(
                api_key=self._key or "none", base_url=url, max_retries=RETRIES, timeout=TIMEOUT_S, http_client=http
            ) as sdk:
                yield sdk
        except openai.APIStatusError as problem:
            told = refusal(problem, datetime.datetime.now(datetime.UTC))
            said = str(told).rstrip(".")
            hint = f"; where it takes no files at all, {NO_SERVICE}" if problem.status_code in (404, 405, 501) else ""
            raise told.reworded(redact(f"The {name} {said}{hint}.")) from None
        except (openai.APIConnectionError, httpx2.HTTPError) as problem:
            cause = type(problem.__cause__ or problem).__name__
            raise BackendFailure(
                f"The {name} cannot be reached or broke off ({cause}): start it, or set LLM_BASE_URL."
            ) from None
        except BackendFailure as problem:
            raise problem.reworded(f"The {name} {problem}.") from None
        except (openai.OpenAIError, ValueError, TypeError, AttributeError) as problem:
            raise BackendFailure(
                f"The {name} answers as no batch service does ({type(problem).__name__}): {NO_SERVICE}."
            ) from None


class _Beginning(httpx2.SyncByteStream):
    """The first bytes of a body, as they come."""

    def __init__(self, body: httpx2.SyncByteStream) -> None:
        self._body = body

    def __iter__(self) -> Iterator[bytes]:
        left = LONGEST_REFUSAL
        for piece in self._body:
            yield piece[:left]
            left -= len(piece)
            if left <= 0:
                return

    def close(self) -> None:
        self._body.close()


def _bound(response: httpx2.Response) -> None:
    """Let the SDK meet only the beginning of what it reads whole: everything but the content of a file."""
    if "," in response.headers.get("content-encoding", ""):  # in several layers 2 KB become gigabytes
        raise BackendFailure(f"packed its answer more than once: {UNPACKED}")
    of_file = response.is_success and response.request.url.path.endswith("/content")
    if not of_file and isinstance(response.stream, httpx2.SyncByteStream):
        response.stream = _Beginning(response.stream)


def _fetch_file(sdk: openai.OpenAI, name: str, to: Path) -> None:
    size = 0
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        with sdk.files.with_streaming_response.content(name) as body, whole_file(to, "wb") as out:
            for piece in body.iter_bytes():
                size += len(piece)
                if size > MOST_BYTES:
                    raise BackendFailure(f"sent more than {MOST_BYTES:,} bytes: fetch the file by other means")
                out.write(piece)
    except OSError as problem:
        raise RunFolderError(f"{to} cannot be written ({problem.strerror}): name another folder.") from None


def _text(value: object) -> str:
    """A word of the service, which the SDK takes as it comes."""
    if not isinstance(value, str) or not value:
        raise BackendFailure(f"answers as no batch service does: {NO_SERVICE}")
    return value


def _count(value: object) -> int:
    return value if isinstance(value, int) else 0


def _as_file_name(batch: str) -> str:
    return "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in batch)[:80]
