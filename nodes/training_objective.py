"""Training Objective: what counts as an error, and on which noise levels."""

from comfy_api.latest import io

from ..training.objective.loss import THRESHOLD_SCHEDULES
from ..training.objective.menu import LOSSES, PRESERVATIONS, TIMESTEPS, WEIGHTINGS, Knobs, objective_from
from . import sockets
from .widgets import CATEGORY, advanced


class TrainingObjective(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="LoRACanvasTrainingObjective",
            display_name="Training Objective",
            category=CATEGORY,
            description="What the model is corrected for while training. You do not need this node for a good LoRA: without it, or with its "
                        "defaults, every model is trained as its makers did, plus what experience has shown to help.",
            inputs=[
                io.Combo.Input("loss", options=LOSSES.names(), default="l2",
                    tooltip="How an error is counted. 'l2' is what every model was trained with. 'smooth_l1' or 'huber' forgive single odd "
                            "pictures or damaged regions; 'l1' and they learn more slowly. When in doubt: l2."),
                io.Combo.Input("timesteps", options=TIMESTEPS.names(), default="auto",
                    tooltip="Which noise levels are practised most. High noise shapes composition, low noise shapes detail. 'auto': all equally "
                            "for SD1.5 and SDXL, and the resolution-dependent shift for FLUX and other flow models. 'sigmoid' and 'logit_normal' "
                            "practise the middle; 'shift' more noise; 'model_table' follows a ModelSampling node before this one."),
                io.Combo.Input("weighting", options=WEIGHTINGS.names(), default="auto",
                    tooltip="How much each noise level counts. 'auto': min-SNR with gamma 5 for SD1.5 and SDXL (learns faster and more evenly), "
                            "none for flow models. 'debiased' strengthens composition; 'p2' detail counts less; 'noise_pred_like' is for v-prediction models."),
                io.Float.Input("noise_offset", default=0.0, min=0.0, max=1.0, step=0.01,
                    tooltip="Lets SD1.5 and SDXL learn very dark and very bright pictures. 0: off; 0.03-0.05 is usual. Too high: contrast becomes harsh and "
                            "colours drift. Leave it 0 for FLUX and v-prediction models."),
                advanced(io.Float.Input("huber_c", default=0.1, min=0.0001, max=10.0, step=0.01, optional=True,
                    tooltip="For huber, smooth_l1 and log_cosh: errors above this count less. 0.1 is usual. Lower forgives more, and blurs.")),
                advanced(io.Combo.Input("huber_schedule", options=list(THRESHOLD_SCHEDULES), default="snr", optional=True,
                    tooltip="For huber, smooth_l1 and log_cosh: how huber_c changes with the noise level. 'snr' (best tested) and 'exponential' forgive more at "
                            "high noise; 'constant' is the same everywhere.")),
                advanced(io.Float.Input("min_snr_gamma", default=5.0, min=0.01, max=1000.0, step=0.5, optional=True,
                    tooltip="For weighting min_snr: 5 is the paper's value. Lower evens the noise levels out more; above 20 it does nothing.")),
                advanced(io.Float.Input("p2_gamma", default=1.0, min=0.01, max=10.0, step=0.1, optional=True,
                    tooltip="For weighting p2: 0.5 or 1. Higher pays less attention to fine detail.")),
                advanced(io.Float.Input("v_pred_like_strength", default=0.1, min=0.001, max=10.0, step=0.05, optional=True,
                    tooltip="For weighting v_pred_like on epsilon models: how much of a v-prediction loss is added. 0.1 is a start.")),
                advanced(io.Float.Input("logit_mean", default=0.0, min=-5.0, max=5.0, step=0.1, optional=True,
                    tooltip="For timesteps logit_normal: 0 centres on middle noise; above 0 practises more noise, below 0 less.")),
                advanced(io.Float.Input("logit_std", default=1.0, min=0.01, max=10.0, step=0.1, optional=True,
                    tooltip="For timesteps logit_normal: 1 is usual. Smaller keeps to the centre; larger goes to both ends.")),
                advanced(io.Float.Input("sigmoid_scale", default=1.0, min=0.01, max=10.0, step=0.1, optional=True,
                    tooltip="For timesteps sigmoid, shift and flux_shift: 1 is usual. Smaller keeps to the middle; larger goes to both ends.")),
                advanced(io.Float.Input("shift", default=3.0, min=0.01, max=100.0, step=0.1, optional=True,
                    tooltip="For timesteps shift: 3 is usual, 1 is none. Higher practises more noise: composition over detail.")),
                advanced(io.Float.Input("mode_scale", default=1.29, min=-1.0, max=1.75, step=0.05, optional=True,
                    tooltip="For timesteps mode: 1.29 prefers the middle, 0 is uniform, below 0 prefers both ends.")),
                advanced(io.Int.Input("min_timestep", default=0, min=0, max=999, optional=True,
                    tooltip="Noise levels below this are not trained, of 1000. 0 trains all. 200-400 learns composition and leaves fine texture as it is.")),
                advanced(io.Int.Input("max_timestep", default=1000, min=1, max=1000, optional=True,
                    tooltip="Noise levels from this on are not trained. 1000 trains all. 500 learns detail and texture only, and leaves composition as it is.")),
                advanced(io.Boolean.Input("stratified", default=False, optional=True,
                    tooltip="Spreads the noise levels of one update evenly, for a steadier loss. Helps when batch_size x gradient_accumulation is 4 or more; "
                            "does nothing for 1.")),
                advanced(io.Float.Input("adaptive_offset", default=0.0, min=-1.0, max=1.0, step=0.005, optional=True,
                    tooltip="Adds this times each picture's own brightness to noise_offset. 0: off; about noise_offset / 10 is usual.")),
                advanced(io.Int.Input("multires_iterations", default=0, min=0, max=16, optional=True,
                    tooltip="Coarse noise at so many sizes, another way to learn dark and bright pictures. 0: off; 6-10 is usual. Not together with noise_offset.")),
                advanced(io.Float.Input("multires_discount", default=0.3, min=0.01, max=0.99, step=0.05, optional=True,
                    tooltip="How strong the coarse noise is: 0.1-0.3 is usual; 0.8 is strong.")),
                advanced(io.Float.Input("input_perturbation", default=0.0, min=0.0, max=1.0, step=0.01, optional=True,
                    tooltip="Disturbs the noisy picture a little, which makes training sturdier. 0: off; 0.1 is the paper's value. Too high: soft pictures.")),
                advanced(io.Boolean.Input("random_strength", default=False, optional=True,
                    tooltip="Draws noise_offset and input_perturbation anew each time, between 0 and the values above.")),
                advanced(io.Float.Input("unmasked_weight", default=0.0, min=0.0, max=1.0, step=0.05, optional=True,
                    tooltip="For pictures with a mask: how much the part outside it still counts. 0: not at all; 0.1 keeps backgrounds sane; 1: the mask does nothing.")),
                advanced(io.Float.Input("unmasked_probability", default=0.0, min=0.0, max=1.0, step=0.05, optional=True,
                    tooltip="For pictures with a mask: how often the whole picture is trained all the same. 0: never; 0.1 is usual.")),
                advanced(io.Boolean.Input("normalise_mask", default=True, optional=True,
                    tooltip="A small masked part is learned as strongly as a large one. Off: a small part counts little, as in kohya's scripts.")),
                advanced(io.Float.Input("prior_weight", default=1.0, min=0.0, max=10.0, step=0.05, optional=True,
                    tooltip="How much regularisation pictures count. 1: as much as yours; lower: they hold the model back less. 0 ignores them.")),
                advanced(io.Combo.Input("preservation", options=PRESERVATIONS.names(), default="none", optional=True,
                    tooltip="Keeps what the base model can do, by comparing with itself without the LoRA; no second model is loaded. 'regularisation': on your "
                            "regularisation pictures. 'outside_mask': around your masked subject. 'class': so that 'woman' does not turn into your person. "
                            "'blank_caption': without any prompt. The last two nearly double the time of a step.")),
                advanced(io.Float.Input("preservation_weight", default=1.0, min=0.01, max=100.0, step=0.05, optional=True,
                    tooltip="How strongly preservation holds. 1 is usual. Too high: your subject is hardly learned.")),
                advanced(io.String.Input("preservation_trigger", default="", optional=True,
                    tooltip="For preservation class: the trigger word in your captions.")),
                advanced(io.String.Input("preservation_class", default="", optional=True,
                    tooltip="For preservation class: what replaces the trigger word, for example 'woman' or 'dog'.")),
                advanced(io.Boolean.Input("zero_terminal_snr", default=False, optional=True,
                    tooltip="For v-prediction models whose noisiest step is pure noise (NoobAI v-pred and the like): checks that the model really is set up so, "
                            "with ComfyUI's ModelSamplingDiscrete and zsnr, before training starts.")),
                advanced(io.Float.Input("guidance", default=-1.0, min=-1.0, max=100.0, step=0.1, optional=True,
                    tooltip="For FLUX dev and other models with a guidance input: the value that they are told while training. -1: the model's own, "
                            "which is 1 for FLUX. Higher (3.5) only for a LoRA that will be used at that guidance alone. Others ignore it.")),
            ],
            outputs=[sockets.Objective.Output(display_name="objective")],
        )

    @classmethod
    def execute(cls, **widgets) -> io.NodeOutput:
        return io.NodeOutput(objective_from(Knobs(**widgets)))
