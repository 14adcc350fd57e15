"""The manifest of a run as a value: what it reads it writes, to the byte."""

import dataclasses
import json

import pytest
from record_factory import write_comparison
from small_run import recording, small

import simulator
from simulator.folder.manifest import Manifest


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    experiment = small(
        tmp_path_factory.mktemp("run"), arms=["llm", "buy_and_hold"], evaluation={"draws": 2, "bootstrap_samples": 100},
        data={"source": "synthetic:cycles?bars=300&seed=5", "start": "2001-01-22"},
    )  # fmt: skip
    return simulator.compare(experiment, client=recording()[0], progress=False).folder


@pytest.mark.parametrize("part", [".", "llm", "buy_and_hold"])
def test_a_manifest_writes_what_it_reads(folder, part):
    document = json.loads((folder / part / "manifest.json").read_text(encoding="utf-8"))
    manifest = Manifest.from_mapping(document)
    assert json.dumps(manifest.as_dict()) == json.dumps(document), "in the same order"
    assert Manifest.from_mapping(manifest.as_dict()) == manifest
    assert manifest.is_comparison == (part == ".")
    assert manifest.draws == (1 if part == "buy_and_hold" else 2)
    assert manifest.usage.decisions == document["usage"]["decisions"]


def test_a_record_says_who_answered(folder):
    record = simulator.Result.load(folder).record
    assert record.about.as_dict() == record.manifest
    assert record.arm("llm").about.model_identity.name == "scripted"
    assert record.arm("buy_and_hold").about.model is None
    with pytest.raises(dataclasses.FrozenInstanceError):
        record.about.name = "another"


def test_parts_that_this_version_does_not_know_are_left_aside(tmp_path):
    write_comparison(tmp_path, arms=("llm",), bars=100, samples=100)
    document = json.loads((tmp_path / "llm" / "manifest.json").read_text())
    later = document | {"weather": "fine", "usage": document["usage"] | {"sighs": 3}}
    assert Manifest.from_mapping(later) == Manifest.from_mapping(document)
