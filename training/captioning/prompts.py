"""How a picture and a prompt are put to a model, and where its answer begins. One entry a kind of model."""

from __future__ import annotations

CHAT_PROMPT = "Describe this picture in one or two plain sentences. Begin with the description itself."
USUAL = {"florence2": "<DETAILED_CAPTION>", "paligemma": "caption en", "kosmos-2": "<grounding>An image of"}
"""The prompt where the user gave none; others are asked without one."""
OWN, SENTENCE, DESCRIPTION, TAGS = TEMPLATES = ("as prompt says", "one sentence", "detailed description", "tags")
CHAT_TEMPLATES = {
    SENTENCE: "Describe this picture in one plain sentence. Begin with the description itself.",
    DESCRIPTION: "Describe this picture in detail, in plain sentences: subject, clothing, pose, setting, light, style and how it was made. "
                 "Name only what is seen. Begin with the description itself.",
    TAGS: "List what this picture shows as short lower-case tags in English, with commas between, the most important first. At most 40 "
          "tags, each once. Write nothing else.",
}
"""What chat models are asked; the one for tags ends in a list with commas."""
FLORENCE_TEMPLATES = {SENTENCE: "<CAPTION>", DESCRIPTION: "<MORE_DETAILED_CAPTION>"}
COMPLETING = ("blip", "git")
"""Models that go on with the prompt ('a photo of' becomes 'a photo of a dog'): it is part of the caption."""
_SYSTEM = "You are a helpful image captioner."


def is_chat(processor) -> bool:
    """Whether the model expects messages of a conversation."""
    return bool(getattr(processor, "chat_template", None))


def prompt_for(processor, model, prompt: str, template: str = OWN) -> str | None:
    """The user's prompt, else what the template means for this kind of model, else its usual one; None: it has none for the template."""
    if prompt.strip():
        return prompt.strip()
    if template != OWN:
        kind = FLORENCE_TEMPLATES if model.config.model_type == "florence2" else CHAT_TEMPLATES if is_chat(processor) else {}
        return kind.get(template)
    return CHAT_PROMPT if is_chat(processor) else USUAL.get(model.config.model_type, "")


def model_inputs(processor, model, image, prompt: str):
    """A BatchFeature for `model.generate`, on the CPU; `image` is a PIL image in RGB."""
    kind = model.config.model_type
    if is_chat(processor):
        return _conversation(processor, image, prompt)
    if kind == "paligemma" and "<image>" not in prompt:
        prompt = "<image>" + prompt
    if not prompt and kind in COMPLETING:
        return processor(images=image, return_tensors="pt")
    inputs = processor(images=image, text=prompt, return_tensors="pt")
    if kind == "git":  # the end mark behind the prompt would end the caption; BLIP drops it itself
        inputs.pop("token_type_ids", None)
        inputs["input_ids"], inputs["attention_mask"] = inputs["input_ids"][:, :-1], inputs["attention_mask"][:, :-1]
    return inputs


def _conversation(processor, image, prompt: str):
    """Templates of today take parts of a message; older ones (JoyCaption) its text alone, and put the picture in themselves."""
    content = [{"type": "image", "image": image}, {"type": "text", "text": prompt}]
    if _takes_parts(processor, prompt):
        return processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt",
        )
    messages = [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": prompt}]
    text = processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    mark = getattr(processor, "image_token", "<image>")
    return processor(text=[text if mark in text else mark + text], images=[image], return_tensors="pt")


def _takes_parts(processor, prompt: str) -> bool:
    """Whether the template writes the text of a part, and not the part itself as Python would print it."""
    content = [{"type": "image"}, {"type": "text", "text": prompt}]
    try:
        text = processor.apply_chat_template([{"role": "user", "content": content}], tokenize=False)
    except Exception:  # noqa: BLE001  templates raise whatever their authors thought of
        return False
    return prompt in text and "'type'" not in text


def cut_prompt(model, inputs, sequence):
    """The token ids of the answer: without the prompt, where the model repeats it in front."""
    given = inputs.get("input_ids")
    if given is None or model.config.is_encoder_decoder or model.config.model_type in COMPLETING:
        return sequence
    length = given.shape[1]
    return sequence[length:] if len(sequence) >= length and bool((sequence[:length] == given[0]).all()) else sequence
