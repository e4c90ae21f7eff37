"""What makes ComfyUI's loaded weights fit for autograd while a run lasts.

    borrow     every tensor replaced by a normal one on the same storage, and put back
    attention  an attention with a backward, whatever ComfyUI was launched with
    fakes      tensors without numbers in the place of weights: what a step costs, before anything is loaded
    kernels    a backward for comfy_kitchen's kernels
    notes      what a forward keeps for the next one, taken away
    weights    the base weights as they act in the forward
    stored     the same as they are stored, byte by byte
    main_memory  those of partly loaded models, fetched ahead of their layers
    smoothing  layers that scale their input before they multiply
    paged      weights that ComfyUI moves to the device for one layer only
"""
