"""The optimizers by name: where each comes from, the defaults that suit a LoRA, and what is special about it."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import MissingLibraryError, SettingsError
from ..registry import Registry
from .others import OTHERS

if TYPE_CHECKING:
    import torch

WHERE = "Optimizer"
TORCH, BITSANDBYTES, PYTORCH_OPTIMIZER = "torch.optim", "bitsandbytes.optim", "pytorch_optimizer"


@dataclass(frozen=True, kw_only=True)
class OptimizerKind:
    """`module` (a Python module) and `class_name` say what is built; `defaults` replace the library's own where a LoRA wants
    others.

    usual_rate        the learning rate to start from
    finds_rate        Prodigy and D-Adaptation: multiplies the rate by its own estimate; one rate for all groups
    averages          schedule-free: trains on other weights than the ones to be used
    by_matrix         Muon: matrices and other parameters sit in groups of their own (`use_muon`)
    needs_positive_rate   its formula does not hold for a negative one
    state_bytes       what it keeps for each parameter, measured (tests/training/optim)
    one_device        its step reckons with all parameters at once and does not bring them together
    length_arguments  arguments that are set to the run's length in steps when it is known
    """

    module: str
    class_name: str
    defaults: Mapping[str, Any] = field(default_factory=dict)
    usual_rate: float = 1e-4
    finds_rate: bool = False
    averages: bool = False
    by_matrix: bool = False
    needs_positive_rate: bool = False
    state_bytes: float = 8.0
    one_device: bool = False
    length_arguments: tuple[str, ...] = ()

    @property
    def each_by_itself(self) -> bool:
        """Whether what it does to a parameter surely depends on no other one."""
        return self.module in (TORCH, BITSANDBYTES)

    @property
    def can_unlearn(self) -> bool:
        """Whether a negative learning rate makes it go the other way."""
        return not (self.finds_rate or self.averages or self.needs_positive_rate)

    def load(self) -> type["torch.optim.Optimizer"]:
        """The class. Raises MissingLibraryError."""
        library = self.module.split(".")[0].replace("_", "-")
        try:
            module = importlib.import_module(self.module)
        except ImportError as error:
            raise MissingLibraryError(library, f"the optimizer {self.class_name}") from error
        try:
            return module.load_optimizer(self.class_name) if self.module == PYTORCH_OPTIMIZER else getattr(module, self.class_name)
        except (AttributeError, NotImplementedError) as error:
            raise SettingsError(
                WHERE, [f"the installed {library} is too old to have {self.class_name}. Update it, or choose another optimizer."]
            ) from error

    def made(
        self, groups: list[dict[str, Any]], extra: Mapping[str, Any], *, lr: float, weight_decay: float, total_steps: int | None
    ) -> "torch.optim.Optimizer":
        """The optimizer over torch's parameter groups; `extra` are the user's own arguments. Raises what its constructor raises."""
        constructor = self.load()
        accepted = inspect.signature(constructor.__init__).parameters
        arguments = dict(self.defaults)
        if total_steps is not None:
            arguments |= dict.fromkeys(self.length_arguments, total_steps)
        arguments |= extra
        if "lr" in accepted:
            # The groups carry the rates, which may be negative; constructors refuse that in this argument only.
            arguments["lr"] = abs(lr) or self.usual_rate
        if "weight_decay" in accepted:
            arguments["weight_decay"] = weight_decay
        if self.module == TORCH and not arguments.keys() & _WAYS and _can_fuse(groups):
            arguments["fused"] = True
        return constructor(groups, **arguments)


#: How torch's own optimizers compute: fused is one pass over each number and a few launches for all tensors, where a card would take
#: a dozen launches for each hundred of them.
_WAYS = {"fused", "foreach", "differentiable"}


def _can_fuse(groups: Sequence[Mapping[str, Any]]) -> bool:
    from torch.utils._foreach_utils import _get_fused_kernels_supported_devices

    devices = {parameter.device.type for group in groups for parameter in group["params"]}
    return devices <= set(_get_fused_kernels_supported_devices())


optimizers: Registry[OptimizerKind] = Registry("optimizer", WHERE)


def _add(name: str, module: str, class_name: str, **settings: Any) -> None:
    optimizers.register(name)(OptimizerKind(module=module, class_name=class_name, **settings))


_add("AdamW", TORCH, "AdamW")
_add("AdamW8bit", BITSANDBYTES, "AdamW8bit", state_bytes=2.04)
_add("PagedAdamW8bit", BITSANDBYTES, "PagedAdamW8bit", state_bytes=2.04)
_add("Lion", PYTORCH_OPTIMIZER, "lion", state_bytes=4.0, usual_rate=3e-5)
_add("Lion8bit", BITSANDBYTES, "Lion8bit", state_bytes=1.02, usual_rate=3e-5)
# Its slow average is warmed up over the run, as the paper does (arXiv:2409.03137, section 3).
_add("AdEMAMix8bit", BITSANDBYTES, "AdEMAMix8bit", state_bytes=3.05, length_arguments=("t_alpha", "t_beta3"))
_add("PagedAdEMAMix8bit", BITSANDBYTES, "PagedAdEMAMix8bit", state_bytes=3.05, length_arguments=("t_alpha", "t_beta3"))
# LoRA's up starts at zero: a rate relative to the weights' size would keep it there.
_add("Adafactor", PYTORCH_OPTIMIZER, "adafactor", state_bytes=0.25,
     defaults={"scale_parameter": False, "relative_step": False, "betas": (None, 0.999)})
_add("SGDNesterov", TORCH, "SGD", state_bytes=4.0, defaults={"momentum": 0.9, "nesterov": True}, usual_rate=1e-2)
_add("Prodigy", PYTORCH_OPTIMIZER, "prodigy", state_bytes=16.0, usual_rate=1.0, finds_rate=True,
     defaults={"betas": (0.9, 0.99), "bias_correction": True, "safeguard_warmup": True})
_add("DAdaptAdam", PYTORCH_OPTIMIZER, "dadaptadam", state_bytes=12.0, usual_rate=1.0, finds_rate=True, defaults={"weight_decouple": True})
_add("DAdaptAdan", PYTORCH_OPTIMIZER, "dadaptadan", state_bytes=20.0, usual_rate=1.0, finds_rate=True, defaults={"weight_decouple": True})
_add("DAdaptLion", PYTORCH_OPTIMIZER, "dadaptlion", usual_rate=1.0, finds_rate=True, defaults={"weight_decouple": True})
_add("DAdaptSGD", PYTORCH_OPTIMIZER, "dadaptsgd", state_bytes=12.0, usual_rate=1.0, finds_rate=True)
_add("CAME", PYTORCH_OPTIMIZER, "came", state_bytes=4.5)
_add("ScheduleFreeAdamW", PYTORCH_OPTIMIZER, "schedulefreeadamw", usual_rate=5e-4, averages=True)
# A preconditioner of a 3072-wide layer alone is 75 MB: above 512 only the rank's side is preconditioned.
_add("SOAP", PYTORCH_OPTIMIZER, "soap", usual_rate=3e-4, defaults={"max_precondition_dim": 512})
# With the adjusted rate an update is as large as AdamW's (arXiv:2502.16982, eq. 4), so AdamW's rates carry over.
_add("Muon", PYTORCH_OPTIMIZER, "muon", state_bytes=4.0, by_matrix=True, defaults={"use_adjusted_lr": True})

for _name, _settings in OTHERS.items():
    _add(_name, PYTORCH_OPTIMIZER, _name, **_settings)
