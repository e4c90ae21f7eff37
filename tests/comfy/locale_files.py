"""ComfyUI's locale files for nodes, made from their schemas: locales/<language>/nodeDefs.json."""

import json
import re
from pathlib import Path
from typing import Any

LOCALES = Path(__file__).resolve().parents[2] / "locales"


def escaped(text: str) -> str:
    """Text for vue-i18n, to which { } @ $ | mean something."""
    return re.sub(r"([{}@$|])", r"{'\1'}", text)


def _texts(**texts: str | None) -> dict[str, str]:
    return {name: escaped(text) for name, text in texts.items() if text}


def english(schema: Any) -> dict[str, Any]:
    """One node's entry: names and help as the schema has them. Inputs keep their ids as names: help texts refer to those."""
    return {
        **_texts(display_name=schema.display_name, description=schema.description),
        "inputs": {one.id: _texts(name=one.id, tooltip=one.tooltip) for one in schema.inputs},
        "outputs": {str(slot): _texts(name=one.display_name, tooltip=one.tooltip) for slot, one in enumerate(schema.outputs)},
    }


def path_of(language: str, name: str = "nodeDefs") -> Path:
    return LOCALES / language / f"{name}.json"


def read(language: str, name: str = "nodeDefs") -> dict[str, Any]:
    return json.loads(path_of(language, name).read_text(encoding="utf-8"))


def write(language: str, content: dict[str, Any]) -> None:
    path = path_of(language)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def leaves(content: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """Every text by its path: 'LoRACanvasTrainLoRA.inputs.steps.tooltip'."""
    found = {}
    for key, value in content.items():
        found.update(leaves(value, f"{prefix}{key}.") if isinstance(value, dict) else {prefix + key: value})
    return found
