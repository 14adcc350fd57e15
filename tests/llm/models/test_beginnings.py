"""Where a prompt that is one piece of text may be parted, so that no token is cut."""

import pytest

from llm_strategy.llm.models.gguf import Metadata
from llm_strategy.llm.models.vocabulary import Vocabulary

WORDS = ["a", "\n", "\n\n", "▁b"]


def vocabulary(tokens=WORDS, model="llama"):
    return Vocabulary(Metadata({"tokenizer.ggml.tokens": tokens, "tokenizer.ggml.model": model}, {}))


@pytest.mark.parametrize(
    ("prompt", "part", "parted"),
    [
        ((2, "a b\na"), (2, "a b"), True),
        ((2, "a b\n\na"), (2, "a b"), True),
        ((2, "a b\n\na"), (2, "a b\n"), False),
        ((2, "a bb"), (2, "a b"), False),
        ((2, "a"), (2, "a"), True),
        ((2, "a\nb"), (3, "a"), False),
        ((2,), (2, "a"), False),
        (("a\nb",), (2,), False),
    ],
)
def test_a_prompt_is_parted_at_the_end_of_a_line(prompt, part, parted):
    assert vocabulary().begins_with(prompt, part) is parted


@pytest.mark.parametrize("other", [vocabulary([*WORDS, "\n▁"]), vocabulary(model="gpt2")], ids=["mixed", "bytes"])
def test_a_vocabulary_whose_tokens_may_reach_over_the_end_of_a_line_is_parted_nowhere(other):
    assert not other.begins_with((2, "a b\na"), (2, "a b"))
