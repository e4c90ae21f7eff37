"""Tiny image-text-to-text models in folders of the published layout: config.json, model.safetensors, tokenizer, processor.

Each says 'dog' at every step, whatever it sees: its last layers are set by hand.
"""

import json
from pathlib import Path

import torch

WORDS = "a photo of dog cat red describe this picture user assistant : . what does the image in detail is shown".split()


def word_tokenizer(special: list[str], **names):
    """A fast tokenizer of whole words."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {word: index for index, word in enumerate([*special, *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.add_special_tokens(special)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", **names)


def make_blip(folder: Path) -> Path:
    """BLIP; as in the published ones, the mark that begins a text has an id behind the tokenizer's words."""
    from transformers import BertTokenizerFast, BlipConfig, BlipForConditionalGeneration, BlipImageProcessor

    torch.manual_seed(0)
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    folder.mkdir(parents=True)
    (folder / "vocab.txt").write_text("\n".join([*special, *WORDS]))
    tokenizer = BertTokenizerFast(str(folder / "vocab.txt"))
    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "projection_dim": 16}
    text = {**small, "vocab_size": len(tokenizer) + 2, "encoder_hidden_size": 16, "bos_token_id": len(tokenizer), "sep_token_id": 3,
            "eos_token_id": 3, "pad_token_id": 0, "max_position_embeddings": 64}  # fmt: skip
    model = BlipForConditionalGeneration(BlipConfig(text_config=text, vision_config={**small, "image_size": 32, "patch_size": 16}))
    bias = model.text_decoder.cls.predictions.bias
    with torch.no_grad():
        bias.zero_()
        bias[tokenizer.convert_tokens_to_ids("dog")] = 100
    model.save_pretrained(folder)
    old_layout(folder, BlipImageProcessor(size={"height": 32, "width": 32}), tokenizer, "BlipProcessor")
    return folder


def old_layout(folder: Path, pictures, tokenizer, processor: str) -> None:
    """Processor files as models of before 2024 have them: preprocessor_config.json and the tokenizer, nothing else."""
    tokenizer.save_pretrained(folder)
    settings = {**pictures.to_dict(), "processor_class": processor, "image_processor_type": type(pictures).__name__}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    assert not (folder / "processor_config.json").exists()


def make_git(folder: Path) -> Path:
    """GIT, which goes on with the prompt: its last bias decides."""
    from transformers import BertTokenizerFast, CLIPImageProcessor, GitConfig, GitForCausalLM

    torch.manual_seed(0)
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    folder.mkdir(parents=True)
    (folder / "vocab.txt").write_text("\n".join([*special, *WORDS]))
    tokenizer = BertTokenizerFast(str(folder / "vocab.txt"))
    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    vision = {**small, "image_size": 32, "patch_size": 16}
    model = GitForCausalLM(
        GitConfig(vision_config=vision, vocab_size=len(tokenizer), bos_token_id=2, eos_token_id=3, pad_token_id=0, **small)
    )
    with torch.no_grad():
        model.output.bias.zero_()[tokenizer.convert_tokens_to_ids("dog")] = 100
    model.save_pretrained(folder)
    old_layout(folder, CLIPImageProcessor(size={"height": 32, "width": 32}, do_center_crop=False), tokenizer, "GitProcessor")
    return folder


def make_florence(folder: Path) -> Path:
    """Florence-2 of one block a stage."""
    from transformers import CLIPImageProcessor, Florence2Config, Florence2ForConditionalGeneration, Florence2Processor

    torch.manual_seed(0)
    special = ["<s>", "<pad>", "</s>", "<unk>", "<image>", "<loc_0>"]
    tokenizer = word_tokenizer(special, bos_token="<s>", pad_token="<pad>", eos_token="</s>",
                               extra_special_tokens={"image_token": "<image>"})
    text = {"model_type": "bart", "vocab_size": len(special) + len(WORDS), "d_model": 16, "encoder_layers": 1, "decoder_layers": 1,
            "encoder_attention_heads": 2, "decoder_attention_heads": 2, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16,
            "max_position_embeddings": 128, "bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 2,
            "forced_eos_token_id": 2, "forced_bos_token_id": 0}  # fmt: skip
    vision = {"depths": (1, 1, 1, 1), "embed_dim": (8, 8, 8, 16), "num_heads": (2, 2, 2, 2), "num_groups": (2, 2, 2, 2), "window_size": 2,
              "projection_dim": 16, "max_temporal_embeddings": 4, "max_position_embeddings": 8}  # fmt: skip
    model = Florence2ForConditionalGeneration(Florence2Config(text_config=text, vision_config=vision, image_token_id=4))
    words, last = model.get_input_embeddings().weight, model.model.language_model.decoder.layers[-1].final_layer_norm
    with torch.no_grad():
        for parameter, value in ((words, 0), (words[tokenizer.convert_tokens_to_ids("dog")], 1), (last.weight, 0), (last.bias, 1)):
            parameter.fill_(value)
    model.save_pretrained(folder)
    pictures = CLIPImageProcessor(size={"height": 64, "width": 64}, crop_size={"height": 64, "width": 64}, do_center_crop=False)
    pictures.image_seq_length = 5  # (64 / 32)^2 places and their mean
    Florence2Processor(image_processor=pictures, tokenizer=tokenizer).save_pretrained(folder)
    return folder


CHAT = (
    "{% for m in messages %}user : "
    "{% for c in m['content'] %}{% if c['type'] == 'image' %}<image>{% else %}{{ c['text'] }}{% endif %}{% endfor %} "
    "assistant : {% endfor %}"
)


def make_chat(folder: Path) -> Path:
    """LLaVA with a chat template: a model that repeats the conversation in front of its answer."""
    from transformers import CLIPImageProcessor, LlavaConfig, LlavaForConditionalGeneration, LlavaProcessor

    torch.manual_seed(1)
    special = ["<unk>", "<s>", "</s>", "<pad>", "<image>"]
    tokenizer = word_tokenizer(special, bos_token="<s>", eos_token="</s>", pad_token="<pad>")
    vision = {"model_type": "clip_vision_model", "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2,
              "num_attention_heads": 2, "image_size": 32, "patch_size": 16, "projection_dim": 16}  # fmt: skip
    text = {"model_type": "llama", "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
            "num_key_value_heads": 2, "vocab_size": len(special) + len(WORDS), "bos_token_id": 1, "eos_token_id": 2,
            "pad_token_id": 3}  # fmt: skip
    model = LlavaForConditionalGeneration(LlavaConfig(vision_config=vision, text_config=text, image_token_index=4))
    layer, words = model.model.language_model.layers[0], model.get_input_embeddings().weight
    with torch.no_grad():
        for parameter, value in ((layer.self_attn.o_proj.weight, 0), (layer.mlp.down_proj.weight, 0), (words, 1), (model.lm_head.weight, 0),
                                 (model.lm_head.weight[tokenizer.convert_tokens_to_ids("dog")], 1)):  # fmt: skip
            parameter.fill_(value)
    model.save_pretrained(folder)
    pictures = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    LlavaProcessor(pictures, tokenizer, patch_size=16, vision_feature_select_strategy="default", chat_template=CHAT, image_token="<image>",
                   num_additional_image_tokens=1).save_pretrained(folder)  # fmt: skip
    return folder


JOY = (
    "{% for m in messages %}{% if m['role'] == 'user' %}{{ 'user : <image> ' + m['content'] }}{% else %}{{ 'what : ' + m['content'] }}"
    "{% endif %}{% endfor %} assistant : "
)


def make_joycaption(folder: Path) -> Path:
    """JoyCaption: LLaVA of a SigLIP and a Llama, whose template takes texts and puts the picture in itself."""
    from transformers import LlavaConfig, LlavaForConditionalGeneration, LlavaProcessor, SiglipImageProcessor

    torch.manual_seed(1)
    special = ["<unk>", "<s>", "</s>", "<pad>", "<image>"]
    tokenizer = word_tokenizer(special, bos_token="<s>", eos_token="</s>", pad_token="<pad>")
    vision = {"model_type": "siglip_vision_model", "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 2,
              "num_attention_heads": 2, "image_size": 32, "patch_size": 16, "vision_use_head": False}  # fmt: skip
    text = {"model_type": "llama", "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
            "num_key_value_heads": 2, "vocab_size": len(special) + len(WORDS), "bos_token_id": 1, "eos_token_id": 2,
            "pad_token_id": 3}  # fmt: skip
    model = LlavaForConditionalGeneration(LlavaConfig(
        vision_config=vision, text_config=text, image_token_index=4, image_seq_length=4, vision_feature_select_strategy="full"))
    says_dog(model, model.model.language_model, tokenizer)
    model.save_pretrained(folder)
    LlavaProcessor(SiglipImageProcessor(size={"height": 32, "width": 32}), tokenizer, patch_size=16, vision_feature_select_strategy="full",
                   chat_template=JOY, image_token="<image>", num_additional_image_tokens=0).save_pretrained(folder)  # fmt: skip
    return folder


def says_dog(model, language_model, tokenizer) -> None:
    """Every step's likeliest word is 'dog': all words are ones, and only the head's row for it is not zero."""
    layer, words, dog = language_model.layers[0], model.get_input_embeddings().weight, tokenizer.convert_tokens_to_ids("dog")
    with torch.no_grad():
        for parameter, value in ((layer.self_attn.o_proj.weight, 0), (layer.mlp.down_proj.weight, 0), (words, 1), (model.lm_head.weight, 0),
                                 (model.lm_head.weight[dog], 1)):  # fmt: skip
            parameter.fill_(value)


QWEN = (
    "{% for m in messages %}{{ '<|im_start|> ' + m['role'] + ' : ' }}{% for c in m['content'] %}{% if c['type'] == 'image' %}"
    "<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ c['text'] }}{% endif %}{% endfor %}{{ ' <|im_end|> ' }}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|> assistant : {% endif %}"
)


def make_qwen(folder: Path) -> Path:
    """Qwen3-VL of one block each."""
    from transformers import Qwen2VLImageProcessor, Qwen3VLConfig, Qwen3VLForConditionalGeneration, Qwen3VLProcessor, Qwen3VLVideoProcessor

    torch.manual_seed(1)
    special = ["<unk>", "<|im_start|>", "<|im_end|>", "<|endoftext|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>",
               "<|video_pad|>"]  # fmt: skip
    tokenizer = word_tokenizer(special, eos_token="<|im_end|>", pad_token="<|endoftext|>")
    vision = {"depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "patch_size": 16, "spatial_merge_size": 2,
              "temporal_patch_size": 2, "out_hidden_size": 16, "num_position_embeddings": 16, "deepstack_visual_indexes": [0]}  # fmt: skip
    text = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2,
            "head_dim": 8, "vocab_size": len(special) + len(WORDS), "eos_token_id": 2, "pad_token_id": 3,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 1, 1]}}  # fmt: skip
    model = Qwen3VLForConditionalGeneration(Qwen3VLConfig(
        vision_config=vision, text_config=text, vision_start_token_id=4, vision_end_token_id=5, image_token_id=6, video_token_id=7))
    with torch.no_grad():
        for merger in (model.model.visual.merger, *model.model.visual.deepstack_merger_list):
            merger.linear_fc2.weight.zero_()
            merger.linear_fc2.bias.fill_(1)
    says_dog(model, model.model.language_model, tokenizer)
    model.save_pretrained(folder)
    pictures = Qwen2VLImageProcessor(patch_size=16, merge_size=2, min_pixels=32 * 32, max_pixels=64 * 64)
    Qwen3VLProcessor(pictures, tokenizer, Qwen3VLVideoProcessor(patch_size=16, merge_size=2), chat_template=QWEN).save_pretrained(folder)
    return folder
