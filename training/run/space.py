"""What a run leaves on disk, reckoned before its first step, and whether there is room for it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from ..events import Message
from ..specs import PreviewSpec, RunSpec
from ..wording import count, size

PIXEL_BYTES = 2
"""Of a preview picture: a photograph as PNG takes 1.5 to 2 bytes a pixel."""
FP32_BYTES = 4


@dataclass(frozen=True, kw_only=True)
class Space:
    """Bytes of one LoRA file, of the state and of a preview picture; how many checkpoints and pictures there will be."""

    lora: int
    state: int
    checkpoints: int = 0
    picture: int = 0
    pictures: int = 0

    @property
    def least(self) -> int:
        """The LoRA and the state, which is written beside the one of before."""
        return self.lora + 2 * self.state

    @property
    def total(self) -> int:
        return self.least + self.checkpoints * self.lora + self.pictures * self.picture

    def told(self, free: int) -> Message:
        """What it takes of `free` bytes; a warning where it does not fit."""
        parts = [f"the LoRA {size(self.lora)}", f"the state {size(self.state)} and as much again while it is replaced"]
        parts += [f"{count(self.checkpoints, 'checkpoint')} {size(self.checkpoints * self.lora)}"] if self.checkpoints else []
        parts += [f"{count(self.pictures, 'picture')} {size(self.pictures * self.picture)}"] if self.pictures else []
        text = f"On disk the run takes about {size(self.total)}: {', '.join(parts)}. "
        if self.total <= free:
            return Message(level="info", topic="disk", text=f"{text}{size(free)} are free.")
        room = (free - self.least) // max(self.lora, 1)
        fits = f"room for {count(room, 'checkpoint')}" if room >= 0 else "no room for the LoRA and its state"
        return Message(level="warning", topic="disk", text=(
            f"{text}Only {size(free)} are free: {fits}. Free some space, or save less often and set keep_last on Train LoRA. A file that "
            "does not fit stops the run; what was learned goes on through the node's outputs."
        ))


def space_needed(
    run: RunSpec, preview: PreviewSpec | None, *, parameters: int, state_bytes: float, done: int, total_steps: int,
    steps_per_epoch: float,
) -> Space:
    """Of the steps behind `done`. `parameters` are trained; beside each the state keeps `state_bytes`."""

    def times(*every: float) -> int:
        return sum(int(total_steps // each) - int(done // each) for each in every if each > 0)

    checkpoints = times(run.save_every_n_steps, run.save_every_n_epochs * steps_per_epoch)
    if run.keep_last:
        checkpoints = min(checkpoints, run.keep_last + 1)
    lora = parameters * FP32_BYTES
    checkpoints += bool(times(run.validate_every_n_steps))
    space = Space(lora=lora, state=lora + round(parameters * state_bytes), checkpoints=checkpoints)
    if preview is None:
        return space
    sampling = preview.sampling
    looks = times(preview.every_n_steps, preview.every_n_epochs * steps_per_epoch) + (preview.at_start and done == 0) + preview.at_end
    largest = sampling.largest()
    return replace(space, picture=largest.width * largest.height * PIXEL_BYTES, pictures=looks * len(sampling.prompts))
