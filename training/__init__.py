"""The engine: plain Python and torch, importing nothing of ComfyUI.

The way of the data, one folder a stage:

    data        folder -> samples, captions, buckets, caches, batch order
    captioning  taggers and captioners that write the captions
    network     adapters, their targets, attaching them, file keys
    objective   timesteps, noise, target, loss, weights
    optim       optimizers, schedules, EMA
    memory      frozen ops, checkpointing, what a run will cost
    run         build (the only composition root), loop, step, state, control
    output      LoRA file and metadata, training state, previews, logs: listeners of events

What every room may know: `errors`, `registry`, `events`, `protocols`, `specs`.
"""
