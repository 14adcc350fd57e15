"""What the types of the ``advisor`` section cannot say of its settings: their JSON Schemas."""

from __future__ import annotations

from typing import Any, get_args

from pydantic import WithJsonSchema

from llm_strategy.advice.examples import LabelSource
from llm_strategy.advice.layout import LAYOUT_NAMES
from llm_strategy.advice.options import CalibrationKind
from llm_strategy.advice.own_labels import LABELS_FILE
from llm_strategy.advice.own_prompt import PROMPT_FILES
from llm_strategy.advice.own_rule import RULE_NAME
from llm_strategy.advice.planning.options import PlanOptions
from llm_strategy.advice.rules import BASELINES
from llm_strategy.market.context.registry import SOURCES
from simulator.experiment.schema import section_schema, source_schema

FILES: dict[str, str | tuple[str, ...]] = {
    "layout": ".yaml",
    "calibration": ".json",
    "prompt": PROMPT_FILES,
    "labels": LABELS_FILE,
}
"""Choices that may be the path of a file, by its ending."""
ABSTAIN = "abstain"
"""In place of a rule that decides where the model failed: nobody does."""

FALLBACK = {"anyOf": [{"enum": [ABSTAIN, *BASELINES]}, {"type": "string", "pattern": RULE_NAME}]}
EXAMPLES = {
    "anyOf": [
        {"enum": ["auto", "none", "fixed"]},
        {
            "type": "object",
            "additionalProperties": False,
            "minProperties": 1,
            "maxProperties": 1,
            "properties": {
                "balanced": {"type": "integer", "minimum": 4, "maximum": 64},
                "nearest": {"type": "integer", "minimum": 1, "maximum": 64},
            },
        },
    ],
    "description": "auto, none, fixed, a number of balanced ones from 4, or a number of nearest ones, such as "
    "{nearest: 4}",
}


BASE_URL = {
    "anyOf": [{"type": "string", "minLength": 1}, {"type": "array", "items": {"type": "string", "minLength": 1}}],
    "description": "an address such as http://127.0.0.1:8080/v1, or a list of them",
}
OPTIONS = WithJsonSchema({"type": "object", "description": "settings of configs/llm.yaml by name"})


def _name_or_file(description: str, setting: str, otherwise: str, names: tuple[str, ...]) -> dict[str, Any]:
    """The schema of a setting that is one of some names, a file, or the content of one."""
    file = {"type": "string", "pattern": "\\" + f"{FILES[setting]}$"}
    return {
        "description": description,
        "if": {"anyOf": [{"type": "object"}, file]},
        "else": {"description": otherwise, "enum": list(names)},
    }


def _context_schema() -> dict[str, Any]:
    """The schema of what is shown: a list of names and one-key mappings, or a mapping; options of a person's own
    sources are checked where these are found."""
    sources = {name: source_schema(kind) for name, kind in SOURCES.items()}
    chosen = {"type": "object", "minProperties": 1, "properties": sources}
    entry = {"if": {"type": "object"}, "then": chosen | {"maxProperties": 1}, "else": {"type": "string"}}
    return {
        "description": "a list of sources by name, with options as in {history: {bars: 30}}",
        "if": {"type": "object"},
        "then": chosen,
        "else": {"type": "array", "minItems": 1, "items": entry},
    }


CONTEXT = _context_schema()
CALIBRATION = _name_or_file(
    "a kind, the calibration.json of an earlier run, or its content as in calibration.schema.json",
    "calibration",
    "the calibration.json of an earlier run",
    get_args(CalibrationKind),
)
LAYOUT = _name_or_file(
    "a layout by its name, a file of one's own (ending in .yaml), or its content as in layout.schema.json",
    "layout",
    "a file of your own that ends in .yaml",
    ("auto", *LAYOUT_NAMES),
)

LABELS = _name_or_file(
    "by whom past states are labelled: a name, a file of your own (ending in .csv), or its content as in "
    "labels.schema.json",
    "labels",
    "a file of your own that ends in .csv",
    get_args(LabelSource),
)
PROMPT = {
    "description": "a file of your own (ending in .j2 or .yaml), or its content as in prompt.schema.json",
    "if": {"type": "object"},
    "else": {
        "type": "string",
        "pattern": "\\.(j2|yaml)$",
        "description": "a file of your own that ends in .j2 or .yaml",
    },
}
PLAN = {
    "description": "which analytics the model may choose, as in {choose: 3, tokens: 400, when: bar}",
    "type": ["object", "null"],
    "if": {"type": "object"},
    "then": section_schema(PlanOptions),
}
