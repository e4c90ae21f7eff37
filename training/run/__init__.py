"""One run: from an order to the last file.

    build           the only composition root: order -> Trainer
    trainer         the parts of a run, wired
    loop            step by step to the end
    room/           what the run's steps take of the memory that there is, and in which way
    out_of_memory   a step that found no memory, undone and made again with less
    feed            draws -> latents, conditions, masks, weights
    stepper         a batch of draws -> its losses
    updater         backward, accumulation, clipping, the update, the schedule
    previews        what happens between steps: pictures
    validation      what happens between steps: the loss on held-out pictures
    checkpoints     what happens between steps: LoRA files, and a state to go on from
    state           that state, as a file
    place           whether the folder takes what a run writes
    space           what a run leaves on disk, reckoned before its first step
    rehearsal/      a step gone through ahead, for what it costs
    resume/         a run that goes on: what it was, and what has changed since
    loss_watch      what happens between steps: a run that falls apart is told so
    control         wishes from outside
    gradient_check  whether a model that nobody has seen train passes on true gradients
    carry_out       start to end, whatever ends it
"""
