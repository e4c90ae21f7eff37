"""The models that this pack has been proven on: each was trained, saved, loaded and sampled by tests/comfy/test_every_family.py.

A class that is not here may train as well as they do, but nobody has seen it: a run on one begins with a trial.
"""

from __future__ import annotations

from typing import Any

#: Classes of comfy.supported_models, as docs/families.json has them: a test compares the two.
PROVEN = frozenset("""
    SD15 SD20 SD21UnclipL SD21UnclipH SDXL SDXLRefiner SSD1B Segmind_Vega KOALA_700M KOALA_1B Stable_Cascade_C
    Flux FluxSchnell FluxInpaint Flux2 Chroma ChromaRadiance
    SD3 AuraFlow PixArtAlpha PixArtSigma HunyuanDiT HunyuanDiT1 Lumina2 ZImage QwenImage HiDream Omnigen2
    LongCatImage Lens Boogu Ideogram4 Krea2 MageFlow JoyImage Kandinsky5Image ErnieImage
    ZImagePixelSpace PixelDiTT2I HiDreamO1
    HunyuanImage21 HunyuanVideo HunyuanVideo15 WAN21_T2V WAN21_CausalAR_T2V WAN22_T2V CosmosT2IPredict2 CosmosT2V Anima GenmoMochi
    Kandinsky5 CogVideoX_T2V LTXV
""".split())


def is_proven(patcher: Any) -> bool:
    """Whether a MODEL is of a class that was proven. What custom nodes derive from one is another class."""
    model = patcher.model
    ours = type(model).__module__ == "comfy.model_base" and type(model.model_config).__module__ == "comfy.supported_models"
    return ours and type(model.model_config).__name__ in PROVEN
