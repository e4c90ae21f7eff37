"""A step of the run gone through before anything is encoded or loaded, for what it costs.

    step   the step, on fake tensors or real ones
    batch  what it is fed with
    ahead  whether that can be had, before anything is encoded
"""
