"""The independent oracle for CLIP: transformers' own model on ComfyUI's weights."""


def transformers_clip(own, *, kind: str, width: int, heads: int, activation: str):
    """transformers' model of `kind` with the weights of ComfyUI's CLIP."""
    import transformers

    config = transformers.CLIPTextConfig(
        hidden_size=width, intermediate_size=4 * width, num_hidden_layers=own.num_layers, num_attention_heads=heads,
        hidden_act=activation, eos_token_id=49407, bos_token_id=49406, projection_dim=width,
    )
    model = getattr(transformers, kind)(config)
    names = set(model.state_dict())
    weights = {}
    for name, value in own.state_dict().items():
        bare = name.removeprefix("text_model.")
        weights[name if name in names else bare] = value.detach().clone()
    model.load_state_dict(weights, strict=False)
    assert {name for name in names - set(weights) if not name.endswith("position_ids")} == set()
    return model.requires_grad_(False).eval()
