"""The demo: a real ComfyUI, a small base that draws, pictures of a fox that it does not know, and the shipped workflow run on them.

`python -m demo.run` puts the repository's root on `sys.path`; that process talks to ComfyUI over HTTP, and looks at the pictures.

    run         `make demo` from start to end
    stage       what ComfyUI is given (model, pictures, a workflow fit for a CPU), and what it left behind
    progress    the screen while it runs: the pack's own, host/headless
    foxes       how many pictures show the fox, before training and after
    check       looks at the files that a demo left: a LoRA that says something, pictures that show the fox
    grid        one picture of all sample pictures
    pictures    the data set: twelve captioned pictures
    fox         the mascot in them
    scenes      the backgrounds behind it
    comfyui/    a ComfyUI to talk to
    tiny/       the tiny models
    world/      a small base that really draws
    shipped/    the makers of what is shipped
"""
