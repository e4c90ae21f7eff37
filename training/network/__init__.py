"""Adapters and where they go. From what is asked for to what is trained:

    spec            what the LoRA Network and Start From LoRA nodes say
    block_weights   what the Block Weights node says, and how its text is read
    fitting         whether the choices fit the kind of adapter
    targets         which modules get an adapter: presets, include, exclude
    slots           with which rank, alpha and learning rate each: targets and block weights put together
    start_from      a LoRA that exists: its modules and ranks, its values for the adapters
    assistant       a frozen LoRA under the trained ones
    build           spec + model -> Network
    offsets         numbers that are added to norms and biases
    network         the adapters of a run, together
    attach          the side branch on the borrowed module's forward, put back afterwards
    frozen          an op that keeps no copy of its weight for backward
    fp8             a gradient multiplied in fp8
    checkpointing   which blocks are recomputed in backward
    in_place        a model's in-place writes, made harmless to what autograd has kept
    files           Network <-> the tensors of a LoRA file
    report          what would be trained, block by block, for people
    kinds/          the kinds of adapter, one file each
"""
