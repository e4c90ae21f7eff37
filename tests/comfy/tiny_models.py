"""The smallest instance of every model that ComfyUI knows and that is trained; those that are refused are in tiny/refused.py."""

from pack.tests.comfy.tiny.fluxes import FLUX, FLUXES
from pack.tests.comfy.tiny.model import CPU, TOKENS, Tiny, cond, empty_patcher, fill, is_known, patcher, text_tensors
from pack.tests.comfy.tiny.pixels import PIXELS
from pack.tests.comfy.tiny.transformers import TRANSFORMERS
from pack.tests.comfy.tiny.unets import UNETS
from pack.tests.comfy.tiny.video import VIDEO

__all__ = ["CPU", "FLUX", "TOKENS", "TRAINED", "UNETS", "Tiny", "cond", "empty_patcher", "fill", "is_known", "patcher", "text_tensors"]

TRAINED = (*UNETS, *FLUXES, *TRANSFORMERS, *PIXELS, *VIDEO)
