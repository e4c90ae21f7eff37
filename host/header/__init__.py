"""What a step will take, of a model that nobody has loaded: built on `meta` from its shapes, and rehearsed there.

    bare      ComfyUI's model of a configuration, without a byte of weights
    captions  what text encoders give, by shape
    step      a step on it, for what it costs
"""
