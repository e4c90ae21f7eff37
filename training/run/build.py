"""The only composition root: checked specs and what the host lends -> a Trainer, ready for its first step."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..data.advice.length import hints, length
from ..data.batches import BatchPlan, Draw
from ..data.captions import texts_needed
from ..data.items import Item, make_items, trained_first
from ..data.latents import LatentCache
from ..data.references import Prompt, ReferenceCache
from ..data.texts import TextCache
from ..devices.card import Card
from ..errors import DatasetError, SettingsError
from ..events import Emitter, Message
from ..files.overflow import Overflow
from ..lora_file.metadata import metadata_at
from ..memory.cost.plan import StepCost
from ..memory.lane import Lane, lane_of
from ..memory.meter import MemoryMeter
from ..memory.missing import missing_on
from ..memory.spilling import SpillWatch
from ..network.assistant import build_assistant, require_additive
from ..network.build import Network, build_network, prepare
from ..network.targets import Names
from ..objective.divergence import Divergence
from ..objective.objective import Objective
from ..objective.preservation import BlankCaption, FewSteps, SwappedCaption
from ..optim.course import Course, resumed
from ..optim.ema import EMA
from ..optim.groups import ParameterGroup, torch_groups
from ..optim.optimizers import build_optimizer, require_device
from ..optim.rules import ModuleNames
from ..order import Order
from ..parts import Trainable
from ..processes.processes import require_one_mind
from ..processes.sharing import Sharing, shared
from ..settings import describe
from ..specs import RunSpec, Update
from .checkpoints import Checkpoints
from .control import Control
from .feed import Feed
from .loss_watch import LossWatch
from .previews import Previews
from .rehearsal.ahead import foreseen
from .rehearsal.batch import largest
from .rehearsal.step import Step, measured
from .resume.identity import identity
from .resume.notices import about_the_rate, notices
from .resume.saved import as_data
from .room.way import Room, ask_for, room_for
from .state import require_same_run, saved_identity, saved_schedule
from .stepper import Stepper
from .trainer import Trainer
from .updater import Updater
from .validation import Validation


@dataclass(frozen=True, kw_only=True)
class Built:
    """A Trainer and what the end of the run needs. `items` are the pictures that are trained, then those held out; `room` is
    how it lives with the memory that there is."""

    trainer: Trainer
    checkpoints: Checkpoints
    network: Network
    items: Sequence[Item]
    settings: Mapping[str, Any]
    room: Room


def build(order: Order, control: Control, emit: Emitter, state: Path | None = None) -> Built:
    """Encode what is not cached, make adapters and optimizer, and wire the loop. Raises before any step is taken; StateError before
    anything is encoded, where the run whose `state` it goes on from was made of something else."""
    recipe, run = order.recipe, order.recipe.run
    require_device(recipe.optimizer, order.denoiser.device)
    objective = Objective(recipe.objective, order.denoiser)
    among, overflow = shared(order.processes, order.cache_folder, order.overflow_folder)
    latents = LatentCache(order.image_encoder, _below(order.cache_folder, "latents"), overflow=overflow)
    items, network = make_items(recipe.dataset), build_network(recipe.network, order.parts, seed=run.seed, starts=order.starts)
    network.assistant = _assistant(order)
    torch_groups(recipe.optimizer, _groups(order, network), module_names(order.parts, network))  # raises for rules that match nothing
    if state is not None:
        require_same_run(state, order, trained_first(items), network, are_readable=not run.skip_bad_pictures)
        _say_what_differs(state, order, emit)
    meter, card, lane = MemoryMeter(order.denoiser.device), Card(order.denoiser.device), lane_of(order.denoiser.device)
    cost = foreseen(order, items, stepping(order), control.interrupts)
    room = _room(order, cost, items, meter, lane, emit) if cost is not None else None
    items = latents.encode_missing(items, emit, control.check, skip_unreadable=run.skip_bad_pictures,
                                   at_once=cost.pictures_at_once() if cost is not None else None, among=among)
    references = _references(order, overflow)
    if references is not None:
        items = references.encode_missing(items, emit, control.check, skip_unreadable=run.skip_bad_pictures, among=among)
    if state is not None and run.skip_bad_pictures:  # only now it is known which can be read
        require_same_run(state, order, trained_first(items), network)
    items = trained_first(items)
    training_items = [item for item in items if item.sample.is_trained]
    if not training_items:
        raise DatasetError("Train LoRA", ["no picture is left to train on. Check the folder on the Load Dataset node."])
    plan = make_plan(run, training_items, order.processes.size, order.begun)
    total_steps = run.epochs * plan.steps_per_epoch if run.epochs else run.steps
    network.place(order.parts)
    texts = _texts(order, network, _prompts(order, items, references), control, emit, overflow, among)
    with order.training() if network.needs_base else nullcontext():
        prepare(network, order.parts, order.starts)
    emit(Message(level="info", topic="length", text=length(plan, total_steps, order.processes.size)))
    for text in [*recipe.warnings(order.denoiser.parametrisation), *_about_the_length(order, training_items, plan, total_steps)]:
        emit(Message(level="warning", topic="settings", text=text))
    feed = Feed(denoiser=order.denoiser, objective=objective, items=items, latents=latents, texts=texts,
                trained=order.text_encoder if order.trains_text_encoders else None, references=references)
    stepper = Stepper(denoiser=order.denoiser, objective=objective, network=network, feed=feed)
    if room is None:
        room = _room(order, _measured(order, stepper, network, training_items), training_items, meter, lane, emit)
    if missing := missing_on(order.denoiser.device, meter, card):
        emit(Message(level="info", topic="device", text=missing))
    updater = _updater(order, network, _course(order, total_steps, state, emit), meter.in_hand)
    network.rest_all_but(_trained_names(updater))
    trainer = Trainer(
        plan=plan, stepper=stepper, updater=updater, control=control, emit=emit,
        memory=meter, spill_watch=SpillWatch(meter.total() or 0, card.read, room.saves), total_steps=total_steps,
        divergence=Divergence(unlearns=_unlearns(updater)), restored=order.restored, lane=lane, processes=order.processes,
    )
    settings = {**run_settings(order, plan, total_steps, network), "memory": room.record}
    require_one_mind(order.processes, made_of := identity(order, items))
    checkpoints = Checkpoints(order.folder, run, metadata_at(order, plan, settings), made_of, order.read_back)
    validation = Validation(feed, order.denoiser, objective, held_out=range(len(training_items), len(items)),
                            trained=range(len(training_items)), every_n_steps=run.validate_every_n_steps, on_best=checkpoints.save_best)
    shown = [sample for sample in recipe.dataset.samples if sample.references]
    trainer.companions = (Previews(recipe.preview, order.sampler, order.returned, shown), validation,
                          LossWatch(trainer, checkpoints.state_path), checkpoints)
    return Built(trainer=trainer, checkpoints=checkpoints, network=network, items=items, settings=settings, room=room)


def _say_what_differs(state: Path, order: Order, emit: Emitter) -> None:
    with as_data(state):
        said = list(notices(saved_identity(state), order))
    for message in said:
        emit(message)


def _assistant(order: Order) -> Network | None:
    spec, starts = order.recipe.run.assistant, order.assistant
    if spec is None:
        return None
    assert starts is not None, "the host must read the assistant's file"
    if isinstance(order.recipe.objective.preservation, FewSteps):
        raise SettingsError("Train LoRA", ["preservation 'few_steps' holds on to the few steps that the assistant takes away while "
                                           "training. Leave one of the two out."])
    require_additive(spec, starts, order.recipe.network.algorithm)
    return build_assistant(spec, starts, order.parts)


def make_plan(run: RunSpec, items: Sequence[Item], processes: int = 1, begun: Update | None = None) -> BatchPlan:
    """Draws as it began, computed in pieces as it is asked for now."""
    asked = run.update(processes)
    update = begun or asked
    return BatchPlan([item.shape for item in items], [item.sample.repeats for item in items], batch_size=update.batch_size,
                     accumulation=update.accumulation, seed=run.seed, at_once=asked.batch_size)


def run_settings(order: Order, plan: BatchPlan, total_steps: int, network: Network) -> dict[str, Any]:
    """All that shapes the run, JSON-ready: for run.json, the panel's comparison of runs, and the file's metadata."""
    recipe = order.recipe
    return {
        "model": {"family": order.family.name, "name": order.model_name},
        "network": {**describe(recipe.network), "modules": len(network), "parameters": network.parameter_count()},
        "optimizer": describe(recipe.optimizer),
        "objective": describe(recipe.objective),
        "preview": describe(recipe.preview),
        "run": describe(recipe.run),
        "dataset": {
            "pictures": len(recipe.dataset.samples), "references": sum(len(sample.references) for sample in recipe.dataset.samples),
            "batches_per_epoch": plan.batches_per_epoch,
            "steps_per_epoch": plan.steps_per_epoch, "total_steps": total_steps,
            "buckets": {"x".join(map(str, shape)): count for shape, count in plan.bucket_counts().items()},
        },
        **order.extra_settings,
    }


def _course(order: Order, total_steps: int, state: Path | None, emit: Emitter) -> Course:
    """What the learning rate does; told, where the run goes on otherwise than it was to."""
    schedule = order.recipe.optimizer.schedule
    if state is None:
        return Course(schedule=schedule, total_steps=total_steps)
    step, memory = saved_schedule(state)
    with as_data(state):
        course = resumed(schedule, total_steps, step, order.recipe.run.resume_schedule, memory)
        said = list(about_the_rate(order, course, step, memory))
    for message in said:
        emit(message)
    return course


def _updater(order: Order, network: Network, course: Course, in_hand: Callable[[], int]) -> Updater:
    spec, total_steps = order.recipe.optimizer, course.total_steps
    return Updater(
        network=network, optimizer=build_optimizer(spec, _groups(order, network), total_steps, module_names(order.parts, network)),
        course=course, text_encoders_stop_at=spec.text_encoders_stop_at(total_steps),
        max_grad_norm=spec.max_grad_norm, ema=EMA(list(network.named_parameters()), spec.ema_decay) if spec.ema_decay else None,
        scale_gradients=order.scale_gradients, in_hand=in_hand, each_by_itself=spec.kind.each_by_itself,
    )


def _groups(order: Order, network: Network) -> list[ParameterGroup]:
    return [
        ParameterGroup(part.name, named, lr_scale)
        for part in order.parts for lr_scale, named in network.by_lr_scale(part.name).items()
    ]


def _trained_names(updater: Updater) -> set[str]:
    return {name for group in updater.optimizer.param_groups for name in group["parameter_names"]}


def _unlearns(updater: Updater) -> bool:
    return any(group["base_lr"] < 0 for group in updater.optimizer.param_groups)


def module_names(parts: Sequence[Trainable], network: Network) -> ModuleNames:
    """What group_rules may call the trained modules, as Block Weights does."""
    names = Names(parts, with_norms=True)
    by_key = {network.file_keys[place]: name for name, place in names.places.items() if place in network.file_keys}
    return ModuleNames(by_key, names.sections)


def _references(order: Order, overflow: Overflow | None) -> ReferenceCache | None:
    encoder = order.reference_encoder
    return ReferenceCache(encoder, _below(order.cache_folder, "references"), overflow=overflow) if encoder is not None else None


def _texts(
    order: Order, network: Network, prompts: Sequence[Prompt], control: Control, emit: Emitter, overflow: Overflow | None,
    among: Sharing | None,
) -> TextCache | None:
    """Every caption, encoded. Where encoders are trained it holds what the others make of them; None where there are no others."""
    cached = order.text_encoder
    if order.trains_text_encoders:
        cached = cached.frozen({part.name for part in order.parts if network.adapters_of(part.name)})
    if cached is None:
        return None
    texts = TextCache(cached, _below(order.cache_folder, "texts"), overflow=overflow)
    texts.encode_missing(prompts, emit, control.check, among)
    return texts


def _prompts(order: Order, items: Sequence[Item], references: ReferenceCache | None) -> list[Prompt]:
    """Every text that the run can need, beside the pictures that it is read with, each once."""
    preservation = order.recipe.objective.preservation
    found: dict[Prompt, None] = {}
    for item in items:
        texts = texts_needed([item.sample])
        if isinstance(preservation, (SwappedCaption, BlankCaption)):
            texts = (*texts, *(preservation.caption(text) for text in texts))
        for variant in item.variants() if references else (item,):
            found.update(dict.fromkeys(references.prompt(variant, text) if references else text for text in texts))
    return list(found)


def _about_the_length(order: Order, items: Sequence[Item], plan: BatchPlan, total_steps: int) -> list[str]:
    preview = order.recipe.preview
    prompts = preview.sampling.prompts if preview else ()
    return [*hints(items, plan, total_steps, prompts), *order.recipe.optimizer.schedule.outlasts(total_steps)]


def stepping(order: Order) -> Step:
    """How the order's steps are made, for their rehearsal."""
    return lambda objective, network, feed: Stepper(denoiser=order.denoiser, objective=objective, network=network, feed=feed).losses


def _measured(order: Order, stepper: Stepper, network: Network, items: Sequence[Item]) -> StepCost:
    """On the largest item, as often as a batch is large."""
    place = largest(items)
    draws = [Draw(item=place, repeat=repeat, epoch=0, seed=repeat) for repeat in range(order.recipe.run.batch_size)]
    return measured(order, network, lambda: stepper.losses(draws))


def _room(
    order: Order, cost: StepCost, items: Sequence[Item], meter: MemoryMeter, lane: Lane | None, emit: Emitter
) -> Room:
    side = round(math.sqrt(max((math.prod(item.bucket) for item in items), default=1)))
    free = order.free() if order.free is not None else meter.in_hand()
    room, said = room_for(order, cost, side, free, main_memory=lane is not None)
    ask_for(order, room.costs, room.way, free)
    emit(said)
    return room


def _below(folder: Path | None, name: str) -> Path | None:
    return folder / name if folder else None
