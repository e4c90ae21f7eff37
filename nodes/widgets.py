"""Small helpers for schemas that work the same on every ComfyUI version."""

CATEGORY = "LoRA Canvas"


def advanced(inp):
    """Mark a widget as advanced: newer frontends fold it away. 0.3.75 has no keyword for it, but the attribute."""
    inp.extra_dict = {**inp.extra_dict, "advanced": True}
    return extra(inp)


def extra(inp):
    """A widget that scripts may leave out, so that prompts written before it was added still run. `execute` repeats its
    default; a test compares the two."""
    inp.optional = True
    return inp


def lines(text: str) -> tuple[str, ...]:
    """The lines of a text widget that hold something, without surrounding blanks."""
    return tuple(line.strip() for line in text.splitlines() if line.strip())
