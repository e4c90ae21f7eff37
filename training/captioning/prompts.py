"""How a picture and a prompt are put to a model, and where its answer begins. One entry a kind of model."""

from __future__ import annotations

CHAT_PROMPT = "Describe this picture in one or two plain sentences. Begin with the description itself."
USUAL = {"florence2": "<DETAILED_CAPTION>", "paligemma": "caption en", "kosmos-2": "<grounding>An image of"}
"""The prompt where the user gave none; others are asked without one."""
COMPLETING = ("blip", "git")
"""Models that go on with the prompt ('a photo of' becomes 'a photo of a dog'): it is part of the caption."""


def is_chat(processor) -> bool:
    """Whether the model expects messages of a conversation."""
    return bool(getattr(processor, "chat_template", None))


def prompt_for(processor, model, prompt: str) -> str:
    """The user's prompt, else the usual one of this kind of model."""
    return prompt.strip() or (CHAT_PROMPT if is_chat(processor) else USUAL.get(model.config.model_type, ""))


def model_inputs(processor, model, image, prompt: str):
    """A BatchFeature for `model.generate`, on the CPU; `image` is a PIL image in RGB."""
    kind = model.config.model_type
    if is_chat(processor):
        content = [{"type": "image", "image": image}, {"type": "text", "text": prompt}]
        return processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt",
        )
    if kind == "paligemma" and "<image>" not in prompt:
        prompt = "<image>" + prompt
    if not prompt and kind in COMPLETING:
        return processor(images=image, return_tensors="pt")
    inputs = processor(images=image, text=prompt, return_tensors="pt")
    if kind == "git":  # the end mark behind the prompt would end the caption; BLIP drops it itself
        inputs.pop("token_type_ids", None)
        inputs["input_ids"], inputs["attention_mask"] = inputs["input_ids"][:, :-1], inputs["attention_mask"][:, :-1]
    return inputs


def cut_prompt(model, inputs, sequence):
    """The token ids of the answer: without the prompt, where the model repeats it in front."""
    given = inputs.get("input_ids")
    if given is None or model.config.is_encoder_decoder or model.config.model_type in COMPLETING:
        return sequence
    length = given.shape[1]
    return sequence[length:] if len(sequence) >= length and bool((sequence[:length] == given[0]).all()) else sequence
