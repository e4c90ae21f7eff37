"""What the Train LoRA node calls: checks, a session, listeners, the run, and the trained LoRA back on the model."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import comfy.sd
import torch
from comfy_api.latest import io

from ..training.data.advice.check import caption_problems
from ..training.errors import Contained, DatasetError, ModelError, raise_problems
from ..training.events import Emitter, Message, side_matter_failed
from ..training.lora_file.file import TrainedLora
from ..training.objective.preservation import FewSteps
from ..training.order import Order, Trial
from ..training.processes.joined import joined
from ..training.processes.voices import Voices
from ..training.recipe import Recipe
from ..training.record.loss_plot import LossPlot
from ..training.run.carry_out import carry_out
from ..training.run.control import PAUSED, Control
from ..training.specs import AUTO, NEW
from . import compat
from .advice.backward import backward_notices, backward_problems
from .advice.checks import check_parts, noise_level_warnings, repeatability_problems, warnings_about
from .advice.clips import clip_notices, clip_problems
from .advice.few_steps import few_steps_warning
from .advice.known import is_proven
from .advice.references import reference_notices, reference_problems
from .advice.trial import tried
from .advice.upstream import upstream_warnings
from .advice.vae import vae_warning
from .again import PASTS, Past, content_of
from .edit.encoders import ComfyReferenceEncoder, IllustratedTextEncoder
from .edit.ways import conditioning, way_of
from .lora.assistant import assistant_starts
from .lora.peft_names import peft_rows
from .lora.start_from import module_starts
from .lora.verify import read_back
from .model import fingerprint
from .model.facts import model_facts, model_files, model_name
from .model.images import ComfyImageEncoder
from .model.sampler import ComfySampler
from .model.text import ComfyTextEncoder
from .model.trigger import speaking
from .panel.listeners import panel_listeners
from .runs.elsewhere import requests_for
from .runs.going_on import run_to_go_on_with, waiting_runs
from .runs.listeners import ComfyLog, Kept, file_listeners
from .runs.paths import cache_folder, overflow_folder
from .runs.registry import RUNS
from .runs.run_folders import asked_state, folder_to_resume, run_folder
from .session import Session
from .wiring import Wiring

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What the node gives on: the patched MODEL and CLIP, the LoRA, and what the run left in its folder. `again`: nothing was trained
    for it now."""

    model: Any
    clip: Any
    lora: TrainedLora
    losses: list[float]
    loss_plot: torch.Tensor | None
    samples: torch.Tensor | None
    folder: Path
    reason: str
    step: int
    again: bool = False


def train_lora(wiring: Wiring) -> Trained:
    """Train on the models that are connected, unless this node has just done that with the same content. Raises TrainingError for
    what cannot work, ComfyUI's interrupt on Cancel and on Pause: what is half trained is given to no node behind."""
    _check(wiring)
    content, waiting = content_of(wiring), _waiting(wiring)
    past = None if waiting else PASTS.find(wiring, content)
    if past is None:
        return _train(wiring, content, waiting)
    log.info("[LoRA Canvas] nothing has changed since the run '%s' was trained: its LoRA is given on again", past.folder.name)
    left = {name: getattr(past, name) for name in ("losses", "loss_plot", "samples", "folder", "reason", "step")}
    return _applied(wiring, past.lora(), again=True, **left)


def _waiting(wiring: Wiring) -> list[Path]:
    """The runs that may go on by themselves."""
    return waiting_runs(wiring.prompt, wiring.shown_as) if wiring.recipe.run.resumes == AUTO and joined().is_main else []


def _train(wiring: Wiring, content: str, waiting: Sequence[Path]) -> Trained:
    recipe, run = wiring.recipe, wiring.recipe.run
    started_at = time.time()
    control = Control(compat.throw_if_interrupted, compat.INTERRUPTS, compat.is_interrupted)
    with ExitStack() as stack:
        clip = wiring.clip if recipe.optimizer.trains_text_encoders else None
        session = Session(wiring.model, clip=clip, precision=run.precision, quantized_backward=run.quantized_backward)
        going_on = run_to_go_on_with(waiting, partial(_order, wiring, session))
        ours = stack.enter_context(run_folder(run, going_on.folder if going_on else None)) if joined().is_main else None
        folder, state = _told(ours)
        unproven = [] if is_proven(wiring.model) else [tried(session, wiring.vae, wiring.clip)]
        kept, plot = Kept(), LossPlot(folder)
        stack.enter_context(RUNS.live(folder.name, folder, control, wiring.shown_as))
        emit = Voices([kept, plot, *file_listeners(folder, wiring), ComfyLog(),
                       *panel_listeners(wiring.node_id, wiring.shown_as, folder.name, RUNS)] if joined().is_main else [], joined())
        if joined().is_main:
            control.listen(requests_for(folder).take, emit)
        if going_on is not None:
            emit(Message(level="info" if going_on.folder else "warning", topic="going on", text=going_on.said))
        for text in (*unproven, *warnings_about(wiring.model, recipe.dataset, wiring.clip), *_about_the_way_here(wiring),
                     *noise_level_warnings(_model_name(wiring), recipe.objective), *clip_notices(wiring.model, wiring.vae, recipe.dataset)):
            emit(Message(level="warning", topic="settings", text=text))
        for message in reference_notices(wiring.model.model, _model_name(wiring), recipe.dataset):
            emit(message)
        result = carry_out(_order(wiring, session, folder), control, emit, state)
    if result.reason == PAUSED or not joined().is_main:  # what comes behind is one process' work
        compat.end_prompt()
    lora = result.built.checkpoints.trained(result.built.trainer)
    lora.started_at, lora.rows = started_at, peft_rows(wiring.model, wiring.clip, session.parts())
    lora.model_files = model_files(wiring.nodes, wiring.node_id)
    left = {"losses": kept.losses, "loss_plot": _drawn(plot, emit), "samples": kept.samples, "folder": folder, "reason": result.reason,
            "step": result.step}
    if result.lora_path is not None:
        PASTS.keep(wiring, Past.of(wiring, content, lora, result.lora_path, **left))
    return _applied(wiring, lora, **left)


def _told(ours: tuple[Path, Path | None] | None) -> tuple[Path, Path | None]:
    """The run's folder, and the state that it goes on from, as the main process has them."""
    folder, state = joined().told("the run folder", [str(path) if path else None for path in ours] if ours else None)
    return Path(folder), Path(state) if state else None


def _applied(wiring: Wiring, lora: TrainedLora, **left: Any) -> Trained:
    model, clip = comfy.sd.load_lora_for_models(wiring.model, wiring.clip, lora, 1.0, 1.0)
    return Trained(model=model, clip=speaking(clip, wiring.recipe.trigger), lora=lora, **left)


def _drawn(plot: LossPlot, emit: Emitter) -> torch.Tensor | None:
    """None, and a warning, when the curve cannot be drawn: what was learned goes on without it."""
    with Contained() as trouble:
        return plot.image()
    if trouble.error is not None:
        emit(side_matter_failed("the loss plot", trouble.error, None))
    return None


def _about_the_way_here(wiring: Wiring) -> list[str]:
    """What the nodes before this one made of the model, whether its few steps are in danger or its VAE is another family's, and which
    layers go back in fp8."""
    recipe = wiring.recipe
    sampling = recipe.preview.sampling if recipe.preview else None
    minded = recipe.run.assistant or isinstance(recipe.objective.preservation, FewSteps)
    few = None if minded else few_steps_warning(wiring.model, wiring.prompt, wiring.node_id, sampling)
    vae = vae_warning(wiring.model, wiring.nodes, wiring.node_id)
    return [*upstream_warnings(wiring.model), *([few] if few else []), *([vae] if vae else []), *backward_notices(wiring.model, recipe.run)]


def require_without_models(recipe: Recipe) -> None:
    """Raises TrainingError for what cannot work whatever the models are: before any of them is loaded."""
    unreadable = () if recipe.run.skip_bad_pictures else recipe.dataset.problems
    raise_problems(DatasetError, "Load Dataset", [*unreadable, *caption_problems(recipe.dataset)])
    recipe.optimizer.kind.load()
    if recipe.run.resumes not in (AUTO, NEW):
        asked_state(folder_to_resume(recipe.run.resume), recipe.run.resume)


def _check(wiring: Wiring) -> None:
    require_without_models(wiring.recipe)
    kept = cache_folder() / "texts" if wiring.recipe.run.cache_to_disk else None
    check_parts(wiring.model, wiring.vae, wiring.clip, kept)
    shown = reference_problems(wiring.model.model, _model_name(wiring), wiring.recipe.dataset, wiring.recipe.preview)
    run = wiring.recipe.run
    raise_problems(ModelError, "Train LoRA", [*shown, *backward_problems(wiring.model, run), *repeatability_problems(wiring.model, run)])
    raise_problems(DatasetError, "Train LoRA", clip_problems(wiring.model, wiring.vae, wiring.recipe.dataset))


def _order(wiring: Wiring, session: Session, folder: Path) -> Order:
    parts, start, assistant = session.parts(), wiring.recipe.network.start_from, wiring.recipe.run.assistant
    way, images = way_of(wiring.model.model, _model_name(wiring)), ComfyImageEncoder(wiring.vae)
    shown = way if any(sample.references for sample in wiring.recipe.dataset.samples) else None
    return Order(
        recipe=wiring.recipe, folder=folder, cache_folder=cache_folder() if wiring.recipe.run.cache_to_disk else None,
        overflow_folder=overflow_folder(),
        denoiser=session.denoiser, parts=parts, starts=module_starts(start, wiring.model, wiring.clip, parts) if start else None,
        assistant=assistant_starts(assistant, wiring.model, parts) if assistant else None,
        image_encoder=images, reference_encoder=ComfyReferenceEncoder(shown, wiring.vae, images) if shown else None,
        text_encoder=IllustratedTextEncoder(wiring.clip, shown) if shown and shown.looks else ComfyTextEncoder(wiring.clip),
        sampler=ComfySampler(wiring.model, wiring.clip, wiring.vae, partial(conditioning, way) if way else None),
        training=session.training, rehearsal=partial(session.rehearsal, wiring.clip, wiring.vae), returned=session.returned,
        reserve=session.reserve, restored=session.restored, unrecordable=session.unrecordable, make_room=session.make_room,
        free=session.free, encoders=_encoders(wiring), copies=session.bytes_of_copies(),
        trial=None if is_proven(wiring.model) else _trial(wiring, session),
        model_identity=fingerprint.of_patcher(wiring.model), model_name=_model_name(wiring),
        model_facts=model_facts(wiring.nodes, wiring.node_id, wiring.model, wiring.clip),
        scale_gradients=session.dtype is torch.float16,
        read_back=lambda path, network, watch: read_back(path, network, wiring.model, wiring.clip, watch).summary(),
        extra_settings={"precision": str(session.dtype).removeprefix("torch."), "device": str(session.device)},
        made_with={"ComfyUI": compat.version(), "torch": torch.__version__}, processes=joined(),
    )


def _encoders(wiring: Wiring) -> dict[str, int]:
    named = {"VAE": wiring.vae, "text encoders": wiring.clip}
    return {name: encoder.patcher.model_size() for name, encoder in named.items() if encoder is not None}


def _trial(wiring: Wiring, session: Session) -> Trial:
    in_fp32 = Session(wiring.model, clip=session.clip, precision="fp32", exact=True)
    return Trial(model=type(wiring.model.model.model_config).__name__, training=in_fp32.training, parts=in_fp32.parts())


def _model_name(wiring: Wiring) -> str:
    """The checkpoint's file name: from the loader in the prompt, else where a newer ComfyUI remembers it on the patcher."""
    return model_name(wiring.nodes, wiring.node_id) or compat.loaded_from(wiring.model)


def trained_outputs(trained: "Trained") -> io.NodeOutput:
    blank = torch.zeros(1, 64, 64, 3)
    plot, samples = (blank if image is None else image for image in (trained.loss_plot, trained.samples))
    return io.NodeOutput(
        trained.model, trained.clip, trained.lora, {"loss": plottable(trained.losses)},
        plot, samples, str(trained.folder),
        ui={"lora_canvas": [{"run": trained.folder.name, "reason": trained.reason, "step": trained.step, "again": trained.again}]},
    )


def plottable(losses: list[float]) -> list[float]:
    """At least two values that differ: ComfyUI's own loss graph divides by their range."""
    values = list(losses) or [0.0]
    if max(values) > min(values):
        return values
    return [*values, values[-1] + 1e-6]
