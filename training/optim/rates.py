"""'Text encoder rates': a learning rate for each text encoder of its own, "clip_l: 5e-5, clip_g: 1e-5"."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from ..inputs import SHORT, shown, text_problems
from ..parts import DIFFUSION_MODEL

_ENTRY = re.compile(r"([\w.-]+)\s*[:=\s]\s*(\S+)")


def parse_rates(text: str) -> tuple[dict[str, float], list[str]]:
    """Text encoder -> rate, and a sentence for each entry that cannot be read. Commas, semicolons or line ends part them."""
    problems = text_problems("text_encoder_rates", text, SHORT)
    rates: dict[str, float] = {}
    for entry in [] if problems else filter(None, map(str.strip, re.split(r"[,;\n]", text))):
        name, rate = _read(entry)
        if rate is None:
            problems.append(f"text_encoder_rates: '{shown(entry)}' must be a text encoder and its rate, such as clip_l: 5e-5.")
        elif name in rates:
            problems.append(f"text_encoder_rates names '{name}' twice. Leave one of them out.")
        elif name == DIFFUSION_MODEL:
            problems.append("text_encoder_rates is for text encoders: the diffusion model's rate is learning_rate.")
        else:
            rates[name] = rate
    return rates, problems


def _read(entry: str) -> tuple[str, float | None]:
    found = _ENTRY.fullmatch(entry)
    try:
        rate = float(found[2]) if found else math.nan
    except ValueError:
        rate = math.nan
    return found[1] if found else "", rate if math.isfinite(rate) else None


def rates_of_nothing(rates: Mapping[str, float], parts: Sequence[str]) -> list[str]:
    """A sentence for each rate whose text encoder is not among `parts`, those that LoRA Network puts something on. A rate of 0 asks
    for nothing."""
    there = [part for part in parts if part != DIFFUSION_MODEL]
    told = f"Its text encoders here: {', '.join(there)}." if there else "It puts nothing on any text encoder here."
    return [f"text_encoder_rates has a rate for '{name}', but LoRA Network puts nothing on a text encoder of that name. {told}"
            for name, rate in rates.items() if rate and name not in there]  # fmt: skip
