"""Shares of pictures that are right: how sure one can be of them, and which are too low to be chance."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Share:
    """`right` of `of` pictures."""

    right: int
    of: int

    @property
    def share(self) -> float:
        return self.right / self.of

    def interval(self, z: float = 1.96) -> tuple[float, float]:
        """Wilson's interval of the true share, 95 % by default."""
        middle = self.share + z * z / (2 * self.of)
        spread = z * math.sqrt(self.share * (1 - self.share) / self.of + z * z / (4 * self.of**2))
        scale = 1 + z * z / self.of
        return (middle - spread) / scale, (middle + spread) / scale

    def __str__(self) -> str:
        low, high = self.interval()
        return f"{self.right} of {self.of} ({self.share:.1%}, 95 % interval {low:.1%} to {high:.1%})"


def least(of: int, true_share: float, risk: float) -> int:
    """The smallest number of right ones of `of` that is not too few: were each right with the chance `true_share`, fewer would come with
    less than the probability `risk`."""
    below, right = 0.0, 0
    while right < of:
        below += math.comb(of, right) * true_share**right * (1 - true_share) ** (of - right)
        if below >= risk:
            break
        right += 1
    return right
