"""Small helpers for schemas that work the same on every ComfyUI version."""

CATEGORY = "LoRA Canvas"


def advanced(inp):
    """Mark a widget as advanced: newer frontends fold it away. 0.3.75 has no keyword for it, but the attribute."""
    inp.extra_dict = {**inp.extra_dict, "advanced": True}
    return inp


def lines(text: str) -> tuple[str, ...]:
    """The lines of a text widget that hold something, without surrounding blanks."""
    return tuple(line.strip() for line in text.splitlines() if line.strip())
