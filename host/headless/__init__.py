"""A workflow without a browser: what `headless.py` calls once ComfyUI is started in its process.

    run       a workflow file to an exit code
    workflow  the canvas' format to the one that ComfyUI runs
    changes   what --set says, put into both
    queue     a prompt through ComfyUI's own queue, and what a Ctrl-C does
    progress  the screen: nodes, bars, the time left
"""
