"""What a run will hold on its device beside the base model, before it starts: computed from a step that was gone through on fake
tensors (`run/rehearsal/`), or, where a model cannot run on those, measured on one real step.

The host's memory manager keeps this much free and loads as much of the model as then fits.
"""

from __future__ import annotations

from dataclasses import dataclass

from .. import states
from ..choice import ALL, CHEAP, DEVICE, PAGED, MemoryChoice
from .trace import Effort, Trace

FP32_BYTES = 4
STEPS, UPDATE, ENCODING, PREVIEW = "the steps", "the optimizer's updates", "encoding", "decoding a preview"


@dataclass(frozen=True, kw_only=True)
class MemoryPlan:
    """Bytes. `adapters`, their `gradients`, the optimizer's `state`, the `averages` of EMA and the frozen `assistant` are there in
    every step; `activations` is what is left of the peak: what is kept for backward, and computed with. `where` the peak of the run lies
    is one of STEPS, UPDATE, ENCODING, PREVIEW; `aside` is what is held in the last two, VAE and text encoders included, each at its own
    time. `is_measured`: on a real step, not on fakes. What an allocator holds between, and nobody uses, is not in it."""

    adapters: int
    gradients: int
    state: int
    activations: int
    averages: int = 0
    assistant: int = 0
    aside: int = 0
    where: str = STEPS
    is_measured: bool = False

    @property
    def total(self) -> int:
        """What is taken beside the model in a step, at most."""
        learned = self.adapters + self.gradients + self.state + self.averages
        return learned + self.activations + self.assistant

    def elsewhere(self) -> str:
        """'Most of the run is held in encoding: about 9.1 GiB.'; '' where most is held in a step."""
        return f"Most of the run is held in {self.where}: about {gib(self.aside)}." if self.where in (ENCODING, PREVIEW) else ""

    def sentence(self) -> str:
        learned = self.adapters + self.gradients + self.state + self.averages
        assistant = f", {gib(self.assistant)} for the assistant" if self.assistant else ""
        said = "Measured on one step" if self.is_measured else "Prediction"
        return (
            f"{said}: training needs about {gib(self.total)} beside the model ({gib(self.activations)} for activations, "
            f"{gib(learned)} for the LoRA and its optimizer{assistant}). {self.elsewhere() or f'Most is held in {self.where}.'}"
        )


def gib(size: int) -> str:
    return f"{size / 2**30:.1f} GiB"


@dataclass(frozen=True, kw_only=True)
class StepCost:
    """What a step was found to take, for any choice. `update` is the most that the optimizer takes beside its state, `kept` are the copies
    from which the first update can be undone, where they lie on the device (a CPU); the trace's peak is without the optimizer's state,
    averages and assistant, and with the gradients as they come. `weights` are the model's, `copies` what copies of those take that do not
    stay on the device, `pages` what of the state can lie in pages. `cheap` is the trace of a step that computes norms and activation
    functions twice; where it was not made, that is reckoned to save nothing."""

    trace: Trace
    weights: int
    adapters: int
    gradients: int
    state: int
    update: int
    kept: int = 0
    pages: int = 0
    cheap: Trace | None = None
    averages: int = 0
    assistant: int = 0
    copies: int = 0
    encoding: int = 0
    preview: int = 0
    picture: int = 0
    is_measured: bool = False

    @property
    def parameters(self) -> int:
        """How many are trained."""
        return self.adapters // FP32_BYTES

    def pictures_at_once(self) -> int:
        """How many of the run's largest pictures can be encoded together in what a step takes beside the model at the least by recomputing:
        the same whatever is chosen, so that no choice changes a latent. At least one."""
        return max(1, self.plan_for(MemoryChoice(recompute=ALL)).total // max(1, self.picture))

    @property
    def _passing(self) -> int:
        """Of a state that lies in main memory, what is on the device at once in an update: two pieces."""
        return min(self.state, round(2 * states.AT_ONCE * self.state / max(1, self.adapters)))

    def effort(self, choice: MemoryChoice) -> Effort | None:
        """Of one micro-batch; None where nobody counted."""
        return None if self.is_measured else self._trace_of(choice).effort(choice)

    def _trace_of(self, choice: MemoryChoice) -> Trace:
        return self.cheap if choice.recompute == CHEAP and self.cheap is not None else self.trace

    def plan_for(self, choice: MemoryChoice) -> MemoryPlan:
        """With the blocks recomputed, the activations and the state where `choice` has them."""
        trace = self._trace_of(choice)
        state = {DEVICE: self.state, PAGED: self.state - self.pages}.get(choice.state, 0)
        step = trace.peak(choice) + state
        update = self.gradients + max(state, self._passing) + self.update + self.kept
        most = max(step, update)
        activations = max(0, most - self.gradients - state)
        beside = self.adapters + most + self.averages + self.assistant
        preview = self.preview and self.preview + self.adapters + state + self.averages + self.assistant
        aside = max(self.encoding, preview)
        where = STEPS if step >= update else UPDATE
        if aside > self.weights + beside:
            where = ENCODING if self.encoding >= preview else PREVIEW
        return MemoryPlan(
            adapters=self.adapters, gradients=self.gradients, state=state, averages=self.averages, assistant=self.assistant,
            activations=activations, aside=aside, where=where, is_measured=self.is_measured,
        )
