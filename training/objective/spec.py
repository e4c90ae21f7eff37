"""ObjectiveSpec: what a LORACANVAS_OBJECTIVE socket carries."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ..errors import SettingsError, raise_problems
from .loss import L2, Loss
from .mask import MaskedLoss
from .noise import NoiseSpec
from .preservation import FewSteps, Preservation
from .sampled import WHERE, SampledSigmas
from .target import check_parametrisation
from .timesteps import AutoTimesteps, FluxShift, ModelTable, Shift, Timesteps, Window
from .weights import AutoWeighting, CosMapWeighting, MinSNR, NoisePredLike, NoWeighting, VPredLike, Weighting
from .widget import Widget, setting


@dataclass(frozen=True, kw_only=True, slots=True)
class ObjectiveSpec:
    """Every choice of the training objective. The defaults suit any model.

    `stratified` spreads the noise levels of one update evenly over their distribution; `prior_weight` multiplies the
    loss of regularisation pictures; `zero_terminal_snr` demands a model whose last step is pure noise; `guidance` is what
    models with distilled guidance are told while training (None: the family's own, 1 for FLUX).
    """

    loss: Loss = field(default_factory=L2)
    timesteps: Timesteps | SampledSigmas = field(default_factory=AutoTimesteps)
    window: Window = field(default_factory=Window)
    stratified: bool = setting(Widget("stratified", False,
        tooltip="Spreads the noise levels of one update evenly, for a steadier loss. Helps when batch_size x gradient_accumulation is 4 or "
                "more; does nothing for 1."))
    weighting: Weighting = field(default_factory=AutoWeighting)
    noise: NoiseSpec = field(default_factory=NoiseSpec)
    masked_loss: MaskedLoss = field(default_factory=MaskedLoss)
    prior_weight: float = setting(Widget("prior_weight", 1.0, least=0.0, most=10.0, step=0.05,
        tooltip="How much regularisation pictures count. 1: as much as yours; lower: they hold the model back less. 0 ignores them."))
    preservation: Preservation | None = None
    zero_terminal_snr: bool = setting(Widget("zero_terminal_snr", False,
        tooltip="For v-prediction models whose noisiest step is pure noise (NoobAI v-pred and the like): checks that the model really is "
                "set up so, with ComfyUI's ModelSamplingDiscrete and zsnr, before training starts."))
    guidance: float | None = setting(Widget("guidance", -1.0, least=-1.0, most=100.0, step=0.1,
        tooltip="For FLUX dev and other models with a guidance input: the value that they are told while training. -1: the model's own, "
                "which is 1 for FLUX. Higher (3.5) only for a LoRA that will be used at that guidance alone. Others ignore it."), None)

    def __post_init__(self) -> None:
        parts = (self.loss, self.timesteps, self.window, self.weighting, self.noise, self.masked_loss, self.preservation)
        problems = [problem for part in parts if part is not None for problem in part.problems()]
        if isinstance(self.timesteps, SampledSigmas) and self.window != Window():
            problems.append("sigmas is connected, which says what is trained already: leave min_timestep at 0 and max_timestep at 1000, "
                            "and cut the sigmas with Split Sigmas.")
        if isinstance(self.preservation, FewSteps) and not isinstance(self.timesteps, SampledSigmas):
            problems.append("preservation 'few_steps' needs sigmas: connect the scheduler node that you sample with, at its few steps.")
        if self.prior_weight < 0:
            problems.append(f"prior_weight is {self.prior_weight} but must be at least 0 (1: like any other picture).")
        if self.guidance is not None and not 0 <= self.guidance <= 100:
            problems.append(f"guidance is {self.guidance} but must lie between 0 and 100, or be -1 for the model's own (1 for FLUX).")
        raise_problems(SettingsError, WHERE, problems)

    def trained_range(self) -> tuple[float, float]:
        """The lowest and the highest noise level of a flow model that is trained, in 0..1."""
        if isinstance(self.timesteps, SampledSigmas):
            return self.timesteps.sigmas[-1], self.timesteps.sigmas[0]
        return self.window.minimum / 1000, self.window.maximum / 1000

    def warnings(self, parametrisation: str) -> list[str]:
        """What is allowed but rarely meant, on a model of this parametrisation."""
        flow = parametrisation == "flow"
        found = []
        if self.noise.offset and self.noise.multires_iterations:
            found.append("noise_offset and multires_iterations do the same thing; together they are too strong. Set one of them to 0.")
        elif flow and (self.noise.offset or self.noise.adaptive_offset or self.noise.multires_iterations):
            found.append("noise_offset and multires_iterations are for SD1.5 and SDXL; flow models know dark and bright already.")
        if flow and not isinstance(self.weighting, (AutoWeighting, NoWeighting, CosMapWeighting)):
            found.append("this weighting is made for SD1.5 and SDXL; on flow models it neglects noisy levels. Use 'auto'.")
        if not flow and isinstance(self.timesteps, (Shift, FluxShift)):
            found.append("timesteps 'shift' and 'flux_shift' are made for flow models; SD1.5 and SDXL are trained with 'uniform'.")
        if not flow and isinstance(self.timesteps, ModelTable):
            found.append("timesteps 'model_table' is the same as 'uniform' on this model.")
        if parametrisation == "epsilon" and isinstance(self.weighting, NoisePredLike):
            found.append("weighting 'noise_pred_like' changes nothing on this model, which predicts the noise itself.")
        return found


def resolve(spec: ObjectiveSpec, parametrisation: str, own_shift: float | None = None) -> ObjectiveSpec:
    """The same spec with its automatic choices made for a model of this parametrisation.

    epsilon, v: uniform timesteps, min-SNR 5. flow: a sigmoid with the model's `own_shift` (None: FLUX.1's, by resolution), no
    weighting. Raises ModelError for an unknown parametrisation, SettingsError for a weighting that cannot be used with it.
    """
    check_parametrisation(parametrisation)
    flow = parametrisation == "flow"
    if isinstance(spec.timesteps, AutoTimesteps):
        spec = replace(spec, timesteps=spec.timesteps.on(parametrisation, own_shift))
    if isinstance(spec.weighting, AutoWeighting):
        spec = replace(spec, weighting=NoWeighting() if flow else MinSNR())
    if isinstance(spec.weighting, VPredLike) and parametrisation != "epsilon":
        problem = f"weighting 'v_pred_like' is for epsilon models, but this one predicts {parametrisation}. Use 'auto'."
        raise SettingsError(WHERE, [problem])
    return spec


def default_for(parametrisation: str) -> ObjectiveSpec:
    """The objective of a run without a Training Objective node."""
    return resolve(ObjectiveSpec(), parametrisation)
