"""The assistant: a LoRA that lies frozen under the trained one, and is taken away again when the training is over.

A distilled model (Turbo, schnell) unlearns its few steps when it is trained on pictures. Under an adapter that has
unlearned them already there is nothing left to break, and what is learned on top of it also fits the model without it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from ..errors import SettingsError, is_out_of_memory
from ..ops import Op
from ..parts import Place, Trainable
from ..specs import Assistant
from .kinds.adapter import Adapter
from .kinds.menu import KINDS, adapters
from .network import Network
from .slots import Slot
from .spec import NetworkSpec
from .start_from import ModuleStart, Starts, slot_of_file

WHERE = "Train LoRA"


def build_assistant(assistant: Assistant, starts: Starts, parts: Sequence[Trainable]) -> Network:
    """Frozen adapters with the values of `starts`, in the dtype of the file. Raises SettingsError for a kind that is no
    addition to the weight, for modules that nothing can be added to, and for other shapes than the model's."""
    ops = {(part.name, path): (op, part.file_keys[path]) for part in parts for path, op in part.ops}
    dtype = stored_dtype(assistant.tensors)
    entries, wrong = {}, {}
    for place, start in starts.items():
        op, key = ops.get(place, (None, ""))
        if op is None:
            wrong[place] = "no linear layer or convolution"
            continue
        try:
            adapter = _adapter(op, start)
        except (KeyError, RuntimeError) as error:
            if is_out_of_memory(error):
                raise
            wrong[place] = f"of another shape ({error})"
            continue
        adapter.strength = assistant.strength
        entries[place] = (adapter.to(dtype).requires_grad_(False), key)
    _require_all(assistant, wrong, len(starts))
    return Network(entries, NetworkSpec())


def require_additive(assistant: Assistant, starts: Starts, algorithm: str) -> None:
    """Raises SettingsError when the assistant, or the kind that is trained on top of it, is a function of the weight: under
    the assistant that is another weight than the one that the saved file will meet."""
    dependent = {kind.algorithm for kind in KINDS if kind.depends_on_base}
    of_file = sorted({start.algorithm for start in starts.values()} & dependent)
    problems = []
    if of_file:
        problems.append(f"the assistant ({assistant.name}) holds {of_file[0]}, which multiplies the weight instead of adding to it: it "
                        "cannot be laid under a LoRA. Take one that is a LoRA, LoHa or LoKr.")
    if algorithm in dependent:
        problems.append(f"algorithm '{algorithm}' changes a weight by what it is, and with an assistant that is another weight while "
                        "training than afterwards. Set algorithm on LoRA Network to lora, or leave the assistant out.")
    if problems:
        raise SettingsError(WHERE, problems)


def stored_dtype(tensors: Mapping[str, Tensor]) -> torch.dtype:
    """What most of a file's values are stored in."""
    sizes: Counter[torch.dtype] = Counter()
    for tensor in tensors.values():
        if tensor.is_floating_point():
            sizes[tensor.dtype] += tensor.numel()
    return max(sizes, key=lambda dtype: sizes[dtype])


def _adapter(op: Op, start: ModuleStart) -> Adapter:
    kind = adapters.get(start.algorithm)
    slot = slot_of_file(kind, Slot(op, 1, 1.0), start)
    adapter = kind(op, slot.rank, slot.alpha, generator=torch.Generator())
    adapter.load_file_tensors(start.tensors)
    return adapter


def _require_all(assistant: Assistant, wrong: Mapping[Place, str], count: int) -> None:
    if not wrong:
        return
    (_, path), why = next(iter(wrong.items()))
    raise SettingsError(WHERE, [
        f"the assistant ({assistant.name}) does not fit this model: {len(wrong)} of its {count} modules do not, the first, '{path}', is "
        f"{why}. Take the training adapter that was made for this model."
    ])
