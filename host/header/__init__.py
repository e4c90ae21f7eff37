"""What a step will take, of a model that nobody has loaded: built on `meta` from its shapes, and rehearsed there.

    bare        ComfyUI's model of a configuration, without a byte of weights
    captions    what text encoders give, by shape
    step        a step on it, for what it costs
    file        which model a file holds, by its header
    wanted      what a canvas says before Run
    before_run  the plan for that, or that it is known once the model is loaded
    child       the program that rehearses it, beside ComfyUI's
    rehearse    what it does there
    costs       its answer as JSON has it
"""
