"""A LLaMA of a few thousand weights as a GGUF file: seeded, a byte a token, with the chat template of SmolLM2."""

from pathlib import Path

import gguf
import numpy as np

from llm_strategy.llm.models.token_count import byte_letters

WIDTH, HEADS, SHARED_HEADS, BLOCKS, INNER = 32, 4, 2, 4, 64
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)


def write_model(path: Path, seed: int = 3) -> Path:
    """The model; its matrices are large enough for attention to matter."""
    random = np.random.default_rng(seed)
    letters = [byte_letters(bytes([byte]).decode("latin-1")) for byte in range(128)]
    tokens = [*SPECIAL, *letters, byte_letters(" b")]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name("tiny")
    writer.add_context_length(4096)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(BLOCKS)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(SHARED_HEADS)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_rope_freq_base(10_000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([3] * len(SPECIAL) + [1] * (len(tokens) - len(SPECIAL)))
    writer.add_token_merges([f"{byte_letters(' ')} b"])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(False)
    writer.add_chat_template(TEMPLATE)
    narrow = WIDTH // HEADS * SHARED_HEADS
    shapes = {"token_embd": (len(tokens), WIDTH)}
    for block in range(BLOCKS):
        shapes |= {
            f"blk.{block}.{name}": shape
            for name, shape in {
                "attn_q": (WIDTH, WIDTH),
                "attn_k": (narrow, WIDTH),
                "attn_v": (narrow, WIDTH),
                "attn_output": (WIDTH, WIDTH),
                "ffn_gate": (INNER, WIDTH),
                "ffn_up": (INNER, WIDTH),
                "ffn_down": (WIDTH, INNER),
            }.items()
        }
    for name, shape in shapes.items():
        writer.add_tensor(f"{name}.weight", (0.4 * random.standard_normal(shape)).astype(np.float32))
    for name in ("output_norm", *(f"blk.{block}.{part}_norm" for block in range(BLOCKS) for part in ("attn", "ffn"))):
        writer.add_tensor(f"{name}.weight", np.ones(WIDTH, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
