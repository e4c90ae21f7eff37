"""ComfyUI as the engine sees it: the only room that imports comfy, folder_paths, server and execution.

    borrow      the loaded model lent to autograd for a while, and given back unchanged
    attention, inplace   what ComfyUI's kernels do that autograd cannot follow, set right meanwhile
    weights     the base weights as they act in the forward
    denoiser    the model as a function of noisy latents, noise level and conditions
    text, images   captions and pictures through the graph's own CLIP and VAE
    family      which family the model is, and its names in a LoRA file
    session     all of the above for one run;  sampler: previews with ComfyUI's own samplers
    train       what the Train LoRA node calls
    paths, compat, panel, routes   folders, version differences, the live panel
"""
