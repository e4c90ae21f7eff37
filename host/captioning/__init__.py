"""Auto Caption inside ComfyUI.

    captioning  the device that captioners run on, and Cancel
    models      the captioners in ComfyUI's models folder, and how they get there
"""
