"""ComfyUI's models as the engine asks for them.

    denoiser     the model as a function of noisy latents, noise level and conditions
    space        how ComfyUI samples a model, told as epsilon, v or flow
    parts        what adapters may be attached to
    family       which family a model is, and its names in a LoRA file
    refusals     models that cannot be trained, with the reason
    conditions   what of a condition the model takes in
    text         captions through the graph's own CLIP
    trigger      the trigger word in prompts behind Train LoRA
    frozen_text  encoders that are not trained, played back
    images       pictures and clips through the graph's own VAE
    sampler      previews with ComfyUI's own samplers
    facts        what is known of the models, for the metadata of files
    fingerprint  a cheap identity of a loaded model, for cache keys
    hashes       the hashes of model files
"""
