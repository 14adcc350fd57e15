"""A small experiment, a scripted model that reads, and what a run wrote."""

import hashlib
import json

import simulator
from llm_strategy.llm import MemoryStore, RecordingClient
from llm_strategy.llm.backends.scripted import ScriptedClient
from simulator.folder import integrity
from simulator.folder.provenance import identity_from

SMALL = {
    "name": "small",
    "data": {"source": "synthetic:cycles?bars=420&seed=5"},
    "arms": ["llm", "buy_and_hold", "regime_rule"],
    "evaluation": {"bootstrap_samples": 100, "placebos": 19},
}


def reader(request):
    """A model that reads: long when the line says above, out when it says below."""
    market = request.messages[-1].content
    if "above" in market:
        label, action, why = "bull", "enter_long", "Above the long average."
    elif "below" in market:
        label, action, why = "bear", "exit", "Below the long average."
    else:
        label, action, why = "sideways", "hold", "Near the long average."
    return {"label": label, "action": action, "action_confidence": "70", "rationale": why}


def explainer(request):
    """The reader, who also chooses what an explanation tells: the first of each list."""
    slots = (part for part in request.form if not isinstance(part, str) and part.choices)
    return {slot.name: slot.choices[0] for slot in slots} | reader(request)


def asks_advice(request):
    """Whether a request asks to read a market, and not to explain what came of a run."""
    return any(getattr(part, "name", "") == "label" for part in request.form)


def recording(script=reader, store=None, mode="live"):
    model = ScriptedClient(script)
    return RecordingClient(model, model.identity, MemoryStore() if store is None else store, mode), model


def small(tmp_path, **sections):
    return simulator.Experiment.from_mapping(SMALL | {"output": {"folder": str(tmp_path / "reports")}} | sections)


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def strip_seals(folder):
    """Leave a folder as versions before there were seals wrote it."""
    for path in folder.rglob("manifest.json"):
        manifest = json.loads(path.read_text())
        del manifest["seal"]
        path.write_text(json.dumps(manifest | {"format": "2.0.0"}))
    return folder


def seal(folder):
    """Write hashes, identity and seals of a changed folder into its manifests, as if a run had left it so."""
    whole = json.loads((folder / "manifest.json").read_text())
    identity = identity_from(whole, whole.get("arms") or [whole["arm"]])
    for path in folder.rglob("manifest.json"):
        manifest = json.loads(path.read_text())
        hashes = {name: hashlib.sha256((path.parent / name).read_bytes()).hexdigest() for name in manifest["files"]}
        path.write_text(json.dumps(manifest | {"files": hashes, "identity": identity}))
    integrity.seal(folder)
    return folder
