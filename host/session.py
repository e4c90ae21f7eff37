"""One run's hold on ComfyUI's models: load them, lend them to autograd, give them back for previews, load again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext

import comfy.model_management as model_management
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from ..training.devices.arithmetic import full_products
from ..training.families import Family
from ..training.network import in_place
from ..training.parts import Trainable
from ..training.specs import DTYPES
from . import compat
from .lend import attention, kernels, notes, smoothing
from .lend.borrow import attributes, borrowed
from .lend.fakes import encoding_fakes, leaving_none, twin_on
from .lend.main_memory import MainMemory
from .lend.paged import settled
from .lend.weights import PAGE, exact_changes, largest_copy
from .model.denoiser import ComfyDenoiser
from .model.family import family_of
from .model.parts import trainable_parts


class Session:
    """`patcher` and `clip` are the MODEL and CLIP of the graph; `clip` only when its encoders are trained. An `exact` one lets
    no layer of the diffusion model round what comes into it; `quantized_backward` lets its gradients be multiplied in fp8."""

    def __init__(self, patcher, *, clip=None, precision: str | None = None, exact: bool = False, quantized_backward: bool = False):
        self.patcher = patcher
        self.family: Family = family_of(patcher)
        self.device: torch.device = patcher.load_device
        self.dtype = compute_dtype(patcher, precision)
        self._reserved = 0
        self._for_copies = 0
        self.denoiser = ComfyDenoiser(patcher, self.family, self.dtype)
        self.clip = clip
        self._exact = exact
        self._quantized_backward = quantized_backward
        self._main_memory = MainMemory(list(zip(self._models(), self._devices(), strict=True)))
        self._stack: ExitStack | None = None
        self._lent: list[tuple] = []
        self._unrecordable: str | None = None
        self._doors: list[tuple[nn.Module, _Door]] = []

    def parts(self) -> list[Trainable]:
        """The diffusion model, then each text encoder of `clip`."""
        return trainable_parts(self.patcher, self.clip, self.family, self.dtype, quantized_backward=self._quantized_backward,
                               at_hand=self._main_memory.at_hand)

    @contextmanager
    def training(self) -> Iterator[None]:
        """The models loaded and lent to autograd. Whatever ends it, everything is put back as it was."""
        self._doors = [(part.module, _Door(part.module)) for part in self.parts()]
        with compat.on_device(self.device), attributes([(module, "forward", door) for module, door in self._doors]):
            self._lend()
            try:
                yield
            finally:
                self._return()

    @contextmanager
    def returned(self) -> Iterator[None]:
        """Inside `training`: the models are ComfyUI's again for a while (to sample, to encode), then lent anew."""
        self._return()
        try:
            yield
        finally:
            self._lend()

    def restored(self) -> bool:
        """Inside `training`: whether somebody had the models unloaded, or parts of them, since they were lent. They are loaded and
        lent anew then; what was computed with them since is not to be trusted."""
        if self._lent == self._loaded():
            return False
        _wait_for(lambda: not any(patches is None and size for patches, size, *_ in self._loaded()))
        self._return()
        self._lend()
        return True

    def unrecordable(self) -> str | None:
        """Inside `training`: why a step of the models, as they are lent now, cannot be replayed from a recording, after 'this run'."""
        return self._unrecordable

    def reserve(self, size: int) -> None:
        """Keep `size` bytes free beside the weights from the next load on: ComfyUI loads as much of the model as then fits."""
        self._reserved = size

    def free(self) -> int:
        """Bytes that the run may take on its device."""
        return free_on(self.device)

    def make_room(self) -> None:
        """Outside of `training`: whatever ComfyUI has on the device goes away, the run's models too; the next load takes what fits then."""
        model_management.free_memory(1e30, self.device)

    def load(self) -> None:
        """Load through ComfyUI's memory manager; patches of the graph (LoRAs, model sampling) are applied by it. Where not all fits, the
        copies of what stays in main memory need room too."""
        with torch.inference_mode(), compat.on_device(self.device):
            model_management.load_models_gpu(self._patchers(), memory_required=self._reserved + self._for_copies)
            if not self._for_copies and (self._main_memory.holds_some() or compat.is_dynamic(self.patcher)):
                self._for_copies = self.bytes_of_copies()
                model_management.load_models_gpu(self._patchers(), memory_required=self._reserved + self._for_copies)

    def bytes_of_copies(self) -> int:
        """What copies of weights take on the device at most, where not all of the models is there: those that are fetched ahead, and the
        one that a backward computes with. Pages come and go within what they are given."""
        ahead = 0 if compat.is_dynamic(self.patcher) else self._main_memory.bytes_needed()
        return ahead + max(largest_copy(model, self.dtype) for model in self._models())

    @contextmanager
    def rehearsal(self, *encoders) -> Iterator[None]:
        """As `training`, on fake tensors: nothing is loaded, moved or computed, and the models' weights may even be on `meta`. The
        `encoders`, CLIP and VAE of the graph, can be asked too. Raises whatever a model does that cannot run so."""
        self._doors = [(part.module, _Door(part.module)) for part in self.parts()]
        with ExitStack() as stack:
            stack.enter_context(leaving_none())
            stack.enter_context(FakeTensorMode(allow_non_fake_inputs=True))
            stack.enter_context(encoding_fakes(encoders))
            stack.enter_context(attributes([(module, "forward", door) for module, door in self._doors]))
            for model, device in zip(self._models(), self._devices(), strict=True):
                stack.enter_context(borrowed([model], twin_on(device)))
            self._make_fit(stack, nullcontext())
            yield

    def _lend(self) -> None:
        self.load()
        with ExitStack() as stack:
            stack.enter_context(borrowed(self._models()))
            attention.settle(self.device)
            if self.dtype is torch.float32:
                stack.enter_context(full_products())
            self._make_fit(stack, self._main_memory.open())
            self._stack = stack.pop_all()
        self._lent = self._loaded()
        self._unrecordable = self._why_unrecordable()

    def _why_unrecordable(self) -> str | None:
        if self._main_memory.holds_some():
            return "has a part of its model in main memory"
        if any(hasattr(layer, PAGE) for model in self._models() for layer in model.modules()):
            return "has a model whose weights ComfyUI pages (dynamic VRAM)"
        return None

    def _make_fit(self, stack: ExitStack, main_memory: AbstractContextManager) -> None:
        """What else autograd needs, once it may save the weights. `main_memory` has fetched what of them lies there."""
        for model in self._models():
            stack.enter_context(smoothing.outside(model))
        stack.enter_context(settled(self.patcher.model, self.device))
        if self.clip is not None:
            stack.enter_context(settled(self.clip.cond_stage_model, self.clip.patcher.load_device))
        stack.enter_context(main_memory)
        stack.enter_context(attributes(self._changes()))
        stack.enter_context(attention.pinned())
        stack.enter_context(kernels.differentiable())
        stack.enter_context(in_place.harmless(_storages(self._models())))
        for module, door in self._doors:
            stack.enter_context(notes.forgotten(module, door))
            stack.enter_context(attributes([(door, "forward", in_place.followed(door.forward))]))

    def _patchers(self) -> list:
        return [self.patcher, *([self.clip.patcher] if self.clip is not None else [])]

    def _loaded(self) -> list[tuple]:
        """What ComfyUI notes of each model when it loads or unloads: the patches in its weights, the bytes on the device, the device."""
        models = [patcher.model for patcher in self._patchers()]
        return [(model.current_weight_patches_uuid, model.model_loaded_weight_memory, model.device) for model in models]

    def _models(self) -> list[nn.Module]:
        return [self.patcher.model, *([self.clip.cond_stage_model] if self.clip is not None else [])]

    def _devices(self) -> list[torch.device]:
        return [patcher.load_device for patcher in self._patchers()]

    def _return(self) -> None:
        stack, self._stack = self._stack, None
        if stack is not None:
            stack.close()

    def _changes(self) -> list[tuple[object, str, object]]:
        """Attributes that keep ComfyUI to what autograd can follow, and make the model compute in the run's dtype."""
        model = self.patcher.model
        changes = compat.training_changes(self._models())
        if self._exact:
            changes += exact_changes(model.diffusion_model)
        if self.dtype == natural_dtype(model):
            return changes
        changes.append((model, "manual_cast_dtype", self.dtype))
        for module in model.diffusion_model.modules():
            if hasattr(module, "comfy_cast_weights") and not module.comfy_cast_weights:
                changes.append((module, "comfy_cast_weights", True))
        return changes


class _Door:
    """Stands in the place of a model's `forward` for a whole training: what lending does lies behind it, so that whoever has wrapped it
    from outside (norms that are trained) is still there after the model was returned and lent anew."""

    def __init__(self, module: nn.Module):
        self.forward: Callable = module.forward

    def __call__(self, *args, **kwargs):
        return self.forward(*args, **kwargs)


def _wait_for(is_done: Callable[[], bool]) -> None:
    """For as long as another thread may need to move a model, half a minute."""
    for _ in range(600):
        if is_done():
            return
        time.sleep(0.05)


def _storages(modules: Sequence[nn.Module]) -> set[int]:
    """Of the base weights: nobody writes to them."""
    return {in_place.storage_of(tensor) for module in modules for tensor in (*module.parameters(), *module.buffers())}


def natural_dtype(model) -> torch.dtype:
    """The dtype that ComfyUI computes the model in."""
    return model.manual_cast_dtype or model.get_dtype()


def compute_dtype(patcher, precision: str | None) -> torch.dtype:
    """What a MODEL is trained in."""
    return dtype_to_train_in(natural_dtype(patcher.model), patcher.load_device, precision)


def dtype_to_train_in(natural: torch.dtype, device: torch.device, precision: str | None) -> torch.dtype:
    """The asked precision; else what ComfyUI computes in, but bf16 instead of fp16 where the device has it, since
    fp16 gradients overflow."""
    if precision is not None:
        return DTYPES[precision]
    if natural is torch.float16 and model_management.should_use_bf16(device):
        return torch.bfloat16
    return natural


def free_on(device: torch.device) -> int:
    """Bytes of the device that a run may take, its models included: ComfyUI moves away what it holds there."""
    free = model_management.get_free_memory(device)
    if device.type == "cpu":
        return free
    held = [loaded.model_loaded_memory() for loaded in model_management.current_loaded_models if loaded.device == device]
    return free + sum(held) - model_management.extra_reserved_memory()

