"""A backend of one's own: ``backend: "own_backend.py:Keywords"`` in ``configs/llm.yaml``."""

from llm_strategy.llm import Backend, Generation, ModelIdentity


class Keywords(Backend):
    identity = ModelIdentity(backend="keywords", name="keywords", engine="keywords", engine_version="1")

    def answer(self, request, on_text=None):
        text = "up" if "rose" in request.messages[-1].content else "down"
        return Generation(text, tokens_in=0, tokens_out=1, latency_ms=0.0)
