"""ComfyUI as the engine sees it: the only room that imports comfy, folder_paths, server and execution.

    lend        the loaded models lent to autograd for a while, and given back unchanged
    model       ComfyUI's models as the engine asks for them: denoiser, encoders, sampler, names and refusals
    edit        edit models: how each family takes references
    lora        LoRA files in and out: checked with ComfyUI's loader, started from, saved, tested
    header      what a step of a model will take that nobody has loaded
    runs        where runs lie, which are live, and what listens to them
    panel       the live panel's routes and messages
    captioning  Auto Caption: its models, their device, Cancel
    headless    a workflow without a browser: file to exit code, through ComfyUI's own queue
    session     a run's hold on the models: load, lend, give back, load again
    advice      what is said before any work: refusals, warnings, the first try of a new kind of model
    wiring      what is connected to the Train LoRA node
    again       what a Train LoRA node has trained last, for when it is called again with the same content
    wired       what came over a node's wires when it last ran, so that the files it names are watched
    train       what the Train LoRA node calls
    startup     what the pack tells ComfyUI when it is imported
    progress    the bar of the node that is running
    compat      what differs between ComfyUI versions
"""
