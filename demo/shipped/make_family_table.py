"""Write README's table of models from docs/families.json, which the test of every family wrote (`make families`)."""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FACTS = ROOT / "docs" / "families.json"
START, END = "<!-- families:start -->", "<!-- families:end -->"

#: What ComfyUI's classes are called by people. A class without a title keeps its own name.
TITLES: dict[str, str] = {
    "SD15": "Stable Diffusion 1.x", "SD20": "Stable Diffusion 2.x", "SD21UnclipL": "Stable Diffusion 2.1 unCLIP",
    "SD21UnclipH": "Stable Diffusion 2.1 unCLIP", "SDXL": "SDXL (Pony, Illustrious, NoobAI, CosXL, Playground 2.5, ...)",
    "SDXLRefiner": "SDXL refiner", "SSD1B": "SSD-1B, Segmind Vega, KOALA", "Segmind_Vega": "SSD-1B, Segmind Vega, KOALA",
    "KOALA_700M": "SSD-1B, Segmind Vega, KOALA", "KOALA_1B": "SSD-1B, Segmind Vega, KOALA",
    "Stable_Cascade_C": "Stable Cascade, stage C", "Flux": "FLUX.1 dev, Krea, Kontext", "FluxSchnell": "FLUX.1 schnell",
    "FluxInpaint": "FLUX.1 Fill", "Flux2": "FLUX.2 dev, Klein", "ChromaRadiance": "Chroma Radiance", "SD3": "Stable Diffusion 3, 3.5",
    "PixArtAlpha": "PixArt Alpha, Sigma", "PixArtSigma": "PixArt Alpha, Sigma", "HunyuanDiT": "Hunyuan DiT",
    "HunyuanDiT1": "Hunyuan DiT", "Lumina2": "Lumina 2", "ZImage": "Z-Image", "QwenImage": "Qwen-Image", "HiDream": "HiDream I1",
    "Omnigen2": "OmniGen 2", "HunyuanImage21": "Hunyuan Image 2.1", "HunyuanVideo": "Hunyuan Video",
    "HunyuanVideo15": "Hunyuan Video 1.5", "WAN21_T2V": "Wan 2.1 and 2.2 text to video",
    "WAN22_T2V": "Wan 2.2 5B", "CosmosT2IPredict2": "Cosmos Predict 2 text to image",
    "CosmosT2V": "Cosmos 1 text to video", "GenmoMochi": "Mochi", "LongCatImage": "LongCat-Image",
    "Ideogram4": "Ideogram 4", "Krea2": "Krea 2", "MageFlow": "Mage-Flow", "JoyImage": "JoyImage", "Boogu": "Boogu",
    "Kandinsky5Image": "Kandinsky 5 image", "ErnieImage": "Ernie-Image", "ZImagePixelSpace": "Z-Image in pixels",
    "PixelDiTT2I": "PixelDiT", "HiDreamO1": "HiDream O1", "WAN21_CausalAR_T2V": "Wan 2.1 Causal Forcing",
    "Kandinsky5": "Kandinsky 5 video", "CogVideoX_T2V": "CogVideoX text to video", "LTXV": "LTX-Video",
}
OBJECTIVES = {"epsilon": "noise", "v": "velocity (v)", "flow": "flow"}


def table(facts: dict) -> str:
    """Markdown: what is trained, one line a model, and what is refused, one line a reason."""
    lines = ["| model | it predicts | keys in the file | text encoders | seen on ComfyUI |", "|---|---|---|---|---|"]
    rows: dict[str, list[dict]] = {}
    for entry in facts["trained"]:
        rows.setdefault(TITLES.get(entry["kind"]) or entry["kind"], []).append(entry)
    for title, entries in rows.items():
        objectives = dict.fromkeys(OBJECTIVES[entry["objective"]] for entry in entries)
        keys, encoders = entries[0]["keys"], ", ".join(entries[0]["text_encoders"]) or "not trained"
        lines.append(f"| {title} | {', '.join(objectives)} | `{keys}` | {encoders} | {', '.join(versions(entries))} |")
    lines += [
        "",
        f"Each line is trained, saved, loaded and sampled as a tiny instance in the test suite ({len(facts['trained'])} instances of "
        f"ComfyUI's classes). {len(facts['refused'])} others are refused before any work, with the reason:",
        "",
    ]
    by_reason: dict[str, list[str]] = {}
    for entry in facts["refused"]:
        by_reason.setdefault(entry["reason"], []).append(entry["name"])
    lines += [f"- {', '.join(names)}: {reason}" for reason, names in by_reason.items()]
    return "\n".join(lines)


def versions(entries: list[dict]) -> list[str]:
    """The versions of ComfyUI that they were seen on, ascending."""
    found = {version for entry in entries for version in entry["comfyui"]}
    return sorted(found, key=lambda version: [int(number) for number in version.split(".")])


def seen_on(facts: dict, version: str) -> dict:
    """What was found on one version of ComfyUI, as the walk finds it: without the versions."""
    return {
        part: [{key: value for key, value in entry.items() if key != "comfyui"} for entry in entries if version in entry["comfyui"]]
        for part, entries in facts.items()
    }


def merged(facts: dict, found: dict, version: str) -> dict:
    """`facts` with what was found on `version` in the place of what they had of it. What is the same on several is one entry."""
    result = {}
    for part, entries in found.items():
        kept = [{**entry, "comfyui": [other for other in entry["comfyui"] if other != version]} for entry in facts.get(part, [])]
        for entry in entries:
            same = next((old for old in kept if old == {**entry, "comfyui": old["comfyui"]}), None)
            if same is None:
                kept.append({**entry, "comfyui": [version]})
            else:
                same["comfyui"] = versions([same, {"comfyui": [version]}])
        result[part] = [entry for entry in kept if entry["comfyui"]]
    return result


def with_table(text: str, facts: dict) -> str:
    """`text` with the table between its markers. Raises ValueError when it has none."""
    if START not in text or END not in text:
        raise ValueError(f"the page has no place for the table: add the lines {START} and {END} to it")
    before, rest = text.split(START, 1)
    return f"{before}{START}\n{table(facts)}\n{END}{rest.split(END, 1)[1]}"


def main(page: Path) -> None:
    facts = json.loads(FACTS.read_text(encoding="utf-8"))
    page.write_text(with_table(page.read_text(encoding="utf-8"), facts), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "README.md")
