"""What the ComfyUI-GGUF pack puts into a model, in small: packed weights that look like tensors of their unpacked shape, layers that
unpack them in every forward, and a patcher that hangs LoRAs on the packed tensor. Names and behaviour are the pack's, the code is ours.

Blocks of 32 numbers: a scale in fp16, then 32 signed bytes (GGML's Q8_0).
"""

import torch
from torch import Tensor, nn

BLOCK, BYTES = 32, 34


class GGMLTensor(Tensor):
    """Packed bytes whose `shape` is that of the numbers in them."""

    def __new__(cls, packed: Tensor, shape: torch.Size):
        made = packed.as_subclass(cls)
        made.tensor_shape, made.patches = shape, []
        return made

    def to(self, *args, **kwargs):
        return _like(self, super().to(*args, **kwargs))

    def clone(self, *args, **kwargs):
        return self

    def detach(self):
        return self

    @property
    def shape(self):
        return self.tensor_shape


def _like(one: GGMLTensor, other: Tensor) -> GGMLTensor:
    other.tensor_shape, other.patches = one.tensor_shape, list(one.patches)
    return other


def pack(weight: Tensor) -> GGMLTensor:
    blocks = weight.float().reshape(-1, BLOCK)
    scale = (blocks.abs().amax(1, keepdim=True) / 127).half()
    numbers = (blocks / scale.float().clamp(min=1e-12)).round().clamp(-127, 127).to(torch.int8)
    packed = torch.cat([scale.view(torch.uint8), numbers.view(torch.uint8)], 1)
    return GGMLTensor(packed.reshape(weight.shape[0], -1), weight.shape)


def unpack(tensor: GGMLTensor, dtype: torch.dtype) -> Tensor:
    blocks = tensor.as_subclass(Tensor).reshape(-1, BYTES)
    scale, numbers = blocks[:, :2].contiguous().view(torch.float16), blocks[:, 2:].contiguous().view(torch.int8)
    return (scale.float() * numbers.float()).reshape(tensor.tensor_shape).to(dtype)


def operations(comfy):
    """ComfyUI's `custom_operations` whose linears hold packed weights."""
    ops, lora = comfy.module("comfy.ops"), comfy.module("comfy.lora")

    class Linear(ops.manual_cast.Linear):
        def __init__(self, in_features, out_features, bias=True, device=None, dtype=None):
            nn.Module.__init__(self)
            self.in_features, self.out_features = in_features, out_features
            self.weight = self.bias = None

        def _load_from_state_dict(self, state_dict, prefix, *rest):
            for name in ("weight", "bias"):
                if f"{prefix}{name}" in state_dict:
                    setattr(self, name, nn.Parameter(state_dict[f"{prefix}{name}"], requires_grad=False))

        def is_ggml_quantized(self):
            return isinstance(self.weight, GGMLTensor)

        def cast_bias_weight(self, input=None, dtype=None, device=None, bias_dtype=None):
            if input is not None:
                dtype, bias_dtype, device = input.dtype, input.dtype, input.device
            weight = unpack(self.weight.to(device), dtype)
            for patches, key in self.weight.patches:
                weight = lora.calculate_weight(patches, weight, key)
            return weight, None if self.bias is None else self.bias.to(device, bias_dtype)

        def forward_comfy_cast_weights(self, input):
            if not self.is_ggml_quantized():
                return super().forward_comfy_cast_weights(input)
            return nn.functional.linear(input, *self.cast_bias_weight(input))

    return type("Operations", (ops.manual_cast,), {"Linear": Linear})


def load(comfy, weights: dict[str, Tensor], is_packed) -> object:
    """A MODEL as the pack's Unet Loader gives it."""
    patchers = comfy.module("comfy.model_patcher")

    class GGUFModelPatcher(patchers.ModelPatcher):
        def patch_weight_to_device(self, key, device_to=None, **rest):
            weight = comfy.module("comfy.utils").get_attr(self.model, key)
            if key not in self.patches or not isinstance(weight, GGMLTensor):
                return super().patch_weight_to_device(key, device_to, **rest)
            weight.patches = [(self.patches[key], key)]

        def unpatch_model(self, *args, **kwargs):
            for weight in self.model.parameters():
                if isinstance(weight, GGMLTensor):
                    weight.patches = []
            return super().unpatch_model(*args, **kwargs)

    state = {key: pack(weight) if is_packed(key) and weight.ndim == 2 else weight for key, weight in weights.items()}
    with torch.inference_mode():
        made = comfy.module("comfy.sd").load_diffusion_model_state_dict(state, model_options={"custom_operations": operations(comfy)})
    return GGUFModelPatcher(made.model, made.load_device, made.offload_device)
