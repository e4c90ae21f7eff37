"""Small helpers for schemas that work the same on every ComfyUI version."""

from comfy_api.latest import io

from ..training.objective.widget import Widget

CATEGORY = "LoRA Canvas"


def folded(inp):
    """A widget that need not be set: Vue nodes show it behind their switch, the classic canvas behind ours (web/folding.mjs).
    0.3.75 has no keyword for it, but the attribute."""
    inp.extra_dict = {**inp.extra_dict, "advanced": True}
    return inp


def advanced(inp):
    """As `folded`, and scripts may leave it out."""
    return extra(folded(inp))


def extra(inp):
    """A widget that scripts may leave out, so that prompts written before it was added still run. `execute` repeats its
    default; a test compares the two."""
    inp.optional = True
    return inp


def lines(text: str) -> tuple[str, ...]:
    """The lines of a text widget that hold something, without surrounding blanks."""
    return tuple(line.strip() for line in text.splitlines() if line.strip())


def pictures(image) -> tuple:
    """The pictures of an IMAGE batch, (1, h, w, 3) each; none where it is not connected."""
    return () if image is None else tuple(picture[None, :, :, :3].detach().cpu() for picture in image)


def input_of(widget: Widget):
    """The input that shows a setting: folded away unless it is a basic one."""
    given = {"default": widget.default, "tooltip": widget.tooltip}
    if widget.options:
        made = io.Combo.Input(widget.name, options=list(widget.options), **given)
    elif isinstance(widget.default, str):
        made = io.String.Input(widget.name, **given)
    elif isinstance(widget.default, bool):
        made = io.Boolean.Input(widget.name, **given)
    else:
        kind = io.Int if isinstance(widget.default, int) else io.Float
        made = kind.Input(widget.name, min=widget.least, max=widget.most, step=widget.step, **given)
    return made if widget.basic else advanced(made)
