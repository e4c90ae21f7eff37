"""Tiny model files with the true families' key names and layout, which ComfyUI's own loaders find out by detection.

    sizes     what is in each file at its true size, and what was shrunk
    make      writes the files under their true names
    loading   lets ComfyUI build what it detected in the small size
"""
