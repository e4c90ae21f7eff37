"""LoRA files, as ComfyUI reads and writes them.

    patches         ComfyUI's loader: the patches that it makes of a file, the keys that it does not know
    verify          a saved file read back before anyone is told of it
    compared        two patches side by side: what they hold, what they make of a weight
    given           the file or wire that a node was given
    sound           whether it can be gone on from at all: it may come from anywhere
    changes         a file in any format -> the change that it makes at each place
    start_from      that of Start From LoRA, to train on
    assistant       that which lies under a LoRA while it is trained
    save            where Save LoRA writes, and what it writes
    peft_names      what diffusers calls the modules
    block_report    what a network would train, for the Block Weights node
    strength_grid   strengths x prompts x checkpoints, for the LoRA Test node
"""
