"""The demo: a real ComfyUI, a tiny base model, drawn pictures, and the shipped workflow run on them.

`python -m demo.run` puts the repository's root on `sys.path`; that process only talks to ComfyUI over HTTP.
"""
