"""How often a run shows each picture, and whether its prompts speak of what is trained."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...wording import count, some
from ..batches import BatchPlan
from ..captions import has_word
from ..dataset import REGULARISATION
from ..items import Item

USUAL_VIEWS = 50, 100
"""How often a picture is usually seen in a whole run."""


def hints(items: Sequence[Item], plan: BatchPlan, total_steps: int, prompts: Sequence[str] = ()) -> Iterator[str]:
    """What may not be meant in a run of `total_steps` on `items`, those that are trained; `prompts` are those of its previews.
    Regularisation pictures may be seen as often as one likes."""
    own = [item for item in items if item.sample.role != REGULARISATION]
    yield from _about_views(own, plan, total_steps)
    yield from _about_the_trigger(own, prompts)


def _about_views(items: Sequence[Item], plan: BatchPlan, total_steps: int) -> Iterator[str]:
    pictures, epochs = len({id(item.sample) for item in items}), total_steps / plan.steps_per_epoch
    views = epochs * sum(item.sample.repeats for item in items) / max(1, pictures)
    least, most = USUAL_VIEWS
    if views > most:
        yield (
            f"{total_steps} steps on {count(pictures, 'picture')} are {epochs:.0f} epochs: each picture is seen {views:.0f} times. {least} "
            f"to {most} times is usual; beyond that a LoRA tends to copy its pictures. Lower steps on Train LoRA, add pictures, or keep an "
            "early checkpoint."
        )


def _about_the_trigger(items: Sequence[Item], prompts: Sequence[str]) -> Iterator[str]:
    triggers = {item.sample.captions.trigger.strip() for item in items} - {""}
    if triggers and prompts and not any(has_word(prompt, trigger) for prompt in prompts for trigger in triggers):
        named = some(f"'{trigger}'" for trigger in sorted(triggers))
        yield (
            f"no prompt of Sample Preview holds the trigger word {named}, so the samples do not show what is trained. Put it into the "
            "prompts, as it stands in the captions, or write [trigger] there."
        )


def length(plan: BatchPlan, total_steps: int, processes: int = 1) -> str:
    """How long the run is, as kohya counts it."""
    draws, shared = sum(plan.bucket_counts().values()), f" in {processes} processes" if processes > 1 else ""
    return (f"{draws} pictures with repeats, in batches of {plan.batch_size} x {plan.accumulation}{shared}: {plan.steps_per_epoch} steps "
            f"an epoch, {total_steps} steps are {total_steps / plan.steps_per_epoch:.1f} epochs.")
