"""Training with the memory that there is: a step that ran out of it is undone, and made again in a way that takes less.

Draws are a function of the step, and no MemoryChoice changes what is learned, so the run ends as it would have ended.
"""

from __future__ import annotations

from ..errors import OutOfMemory, is_out_of_memory
from ..events import Message
from ..memory.choice import NONE, MemoryChoice
from ..memory.choose import Way, cheaper
from ..memory.lack import empty_caches, let_go
from ..memory.told import now_in_words
from ..network.attach import attached
from ..order import Order
from ..specs import BY_HAND
from .build import Built
from .loop import train
from .room.way import ask_for
from .trainer import Trainer


def train_in_memory(order: Order, built: Built) -> str:
    """`train`, begun in the run's own way. Raises OutOfMemory when nothing cheaper is left: the step is undone then."""
    way = built.room.way
    built.trainer.launch(order.recipe.run.compile, order.unrecordable)
    while True:
        ended, lack = _tried(order, built, way)
        if lack is None:
            return ended
        _undo(order, built.trainer, lack)
        way = _cheaper(order, built, way, lack)


def as_told(error: BaseException, built: Built | None) -> BaseException:
    """`error`; where it is a raw one that says that memory ran out, nothing of what it held is left, and it is told as OutOfMemory."""
    if not is_out_of_memory(error):
        return error
    let_go(error)
    if built is not None and built.trainer.step:
        return OutOfMemory(f"Memory ran out after step {built.trainer.step} ({_lack(error)}). {_help(built.trainer)}")
    return OutOfMemory(f"Memory ran out before the first step ({_lack(error)}). Close other programs that use it, or lower resolution on "
                       "Bucket Config.")


def _tried(order: Order, built: Built, way: Way) -> tuple[str, str | None]:
    """How the training ended; and what the error said when memory ran out, all that is left of it."""
    trainer = built.trainer
    try:
        trainer.keep_to(way.choice)
        # Steps that are recorded take longer than the plan says, those that are replayed less.
        trainer.spill_watch.expect(built.room.seconds(way) if trainer.replays is None else None)
        with order.training(), attached(built.network, list(order.parts), checkpointing=way.choice.checkpointing):
            return train(trainer), None
    except Exception as error:
        if isinstance(error, trainer.control.interrupts) or not is_out_of_memory(error):
            raise
        let_go(error)
        return "", _lack(error)
    finally:
        trainer.forget_recordings()


def _undo(order: Order, trainer: Trainer, lack: str) -> None:
    """Nothing of the step that was cut short is left, on the device or in the run. Raises OutOfMemory where that cannot be had."""
    trainer.updater.undo()
    order.make_room()
    empty_caches(trainer.memory.device)
    if trainer.processes.is_bound:
        raise OutOfMemory(f"{_ran_out(trainer, lack)} It struck in an update that the other processes have made. {_help(trainer)}")
    if trainer.updater.is_half_made:
        raise OutOfMemory(f"{_ran_out(trainer, lack)} It struck in the middle of an update, which cannot be undone. {_help(trainer)}")


def _cheaper(order: Order, built: Built, way: Way, lack: str) -> Way:
    trainer, costs = built.trainer, built.room.costs
    found = cheaper(costs, way)
    if found is None:
        raise OutOfMemory(f"{_ran_out(trainer, lack)} Nothing that takes less memory is left to try. {_help(trainer)}")
    ask_for(order, costs, found, order.free() if order.free is not None else found.total)
    trainer.emit(Message(level="warning", topic="memory", step=trainer.step, text=(
        f"{_ran_out(trainer, lack)} The step is undone and made again with less: from here on {now_in_words(found, costs)}"
        f"{_against(order, found.choice)}. The run goes on; its result is the same, and its steps take longer."
    )))
    return found


def _against(order: Order, choice: MemoryChoice) -> str:
    """What of the user's own settings it does not keep to."""
    run = order.recipe.run
    off = run.memory == BY_HAND and not run.gradient_checkpointing and choice.recompute != NONE
    return ", though gradient_checkpointing is off on Train LoRA" if off else ""


def _ran_out(trainer: Trainer, lack: str) -> str:
    return f"Memory ran out at step {trainer.step + 1} ({lack})."


def _help(trainer: Trainer) -> str:
    return trainer.spill_watch.what_helps(trainer.memory.now() or 0)


def _lack(error: BaseException) -> str:
    """What it says of the lack, in its first sentence."""
    return str(error).strip().partition("\n")[0].partition(". ")[0] or type(error).__name__
