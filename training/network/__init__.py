"""Adapters and where they go.

    spec      what the LoRA Network node says
    ops       which modules can carry an adapter, and their shapes
    targets   which of them do: presets, include, exclude
    adapter   what every kind of adapter offers;  lora.py and its siblings: one kind a file
    build     spec + model -> Network: the adapters by name, one a target
    attach    the side branch on the borrowed module's forward, put back afterwards
    files     Network <-> the tensors of a LoRA file
"""
