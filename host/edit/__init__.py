"""Edit models: what makes a picture out of other ones and a caption.

    ways      how each family takes references, by ComfyUI's own nodes
    encoders  references and the captions beside them, for the engine
"""
