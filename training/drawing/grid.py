"""Pictures in rows and columns, each row and column named: a test of a LoRA at a glance."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from PIL import Image, ImageDraw, ImageFont

from .chart import to_tensor

GAP, HEADER, LINE = 8, 34, 20
PAPER, INK, FAINT = "#1b1b1f", "#e4e4e9", "#a0a0aa"


def labelled_grid(cells: Sequence[Sequence[torch.Tensor | None]], rows: Sequence[tuple[str, str]], columns: Sequence[str]) -> torch.Tensor:
    """One (1, H, W, 3) picture, floats in 0..1. `cells[r][c]` is (h, w, 3), all of one size, or None where nothing stands; `rows`
    are (name, faint line below it), written above each row, since prompts are long; `columns` stand at the top."""
    height, width = next(cell for row in cells for cell in row if cell is not None).shape[:2]
    label = 2 * LINE + GAP
    size = (GAP + len(columns) * (width + GAP), HEADER + len(rows) * (label + height + GAP))
    sheet = Image.new("RGB", size, PAPER)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(15)
    for c, name in enumerate(columns):
        pen.text((GAP + c * (width + GAP) + width / 2, HEADER / 2), name, fill=INK, font=font, anchor="mm")
    for r, (name, below) in enumerate(rows):
        top = HEADER + r * (label + height + GAP)
        pen.text((GAP, top + 2), _shortened(name, pen, font, size[0] - 2 * GAP), fill=INK, font=font)
        pen.text((GAP, top + LINE), _shortened(below, pen, font, size[0] - 2 * GAP), fill=FAINT, font=font)
        for c, cell in enumerate(cells[r]):
            if cell is None:
                continue
            pixels = (cell.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
            sheet.paste(Image.fromarray(pixels), (GAP + c * (width + GAP), top + label))
    return to_tensor(sheet)


def _shortened(text: str, pen: ImageDraw.ImageDraw, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """The text, cut with dots where it does not fit."""
    text = " ".join(text.split())
    if pen.textlength(text, font=font) <= width:
        return text
    while text and pen.textlength(text + "...", font=font) > width:
        text = text[:-1]
    return text + "..."
