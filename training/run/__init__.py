"""One run: from checked specs to the last file.

    build      the only composition root: specs + session -> Trainer
    trainer    the parts, wired;  loop: the recipe
    stepper    a batch of draws -> its losses
    updater    backward, accumulation, clipping, the update, the schedule
    companions what happens between steps: checkpoints, previews, validation
    state      what a resumed run needs;  control: wishes from outside
    run        start to end, whatever ends it
"""
