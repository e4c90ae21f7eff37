"""How far a stage of training is: by steps, which can be repeated exactly, or by the clock, for a machine lent by the minute."""

import math
import time
from dataclasses import dataclass, field


@dataclass
class Budget:
    """steps and seconds: the most of each; infinity for no limit. `spent`: seconds before this process, when resumed."""

    steps: float = math.inf
    seconds: float = math.inf
    spent: float = 0.0
    _started: float = field(default_factory=time.monotonic)

    def elapsed(self) -> float:
        """Seconds used so far."""
        return self.spent + time.monotonic() - self._started

    def progress(self, step: int) -> float:
        """0 at the start, 1 when either limit is reached."""
        return min(1.0, max(step / self.steps, self.elapsed() / self.seconds))


def rate_at(progress: float, warmup: float = 0.03) -> float:
    """The share of the learning rate: up linearly over the first `warmup`, then down to nothing along half a cosine."""
    if progress < warmup:
        return (progress + 1e-3) / (warmup + 1e-3)
    return 0.5 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup)))
