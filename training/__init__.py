"""The engine: plain Python and torch, importing nothing of ComfyUI.

    data        folder -> samples, captions, buckets, caches, batch order
    captioning  taggers and captioners that write the captions
    network     adapters, their targets, attaching them, file keys
    objective   timesteps, noise, target, loss, weights
    optim       optimizers, schedules, EMA
    memory      what a run will cost, and costs
    graph       a micro-step recorded once and replayed
    run         build (the only composition root), loop, step, state, control
    lora_file   the LoRA file: tensors, metadata, hashes
    presets     settings by what is trained, the family and the card; those of files
    record      what a run leaves to be read later: listeners of its events
    drawing     charts, grids and contact sheets
    processes   those that train one LoRA together: what they tell one another and sum
    files       atomic writing, safetensors, the store of the caches
    recipe      what the user set: what is to be trained, and how
    order       the recipe, with everything that the host lends
    specs       the records that belong to a run as a whole
    settings    how specs are described, and compared when a run is resumed
    events      what a run says while it goes on
    protocols   what the engine needs of its host
    families    what a family of models is called and made of
    parts       a part that can be trained, its sections and blocks
    patterns    how people name modules
    expressions  regular expressions in an engine whose time is bounded
    rules       lines of a pattern and its settings
    devices     what a device has, whoever made it
    ops         which modules can carry an adapter
    registry    names with errors that suggest the one that was meant
    seeds       one seed from several
    errors      errors that name every problem and what to do
    inputs      what a text may be that a person typed
    wording     lists and plurals in sentences
    version     the pack's version
"""
