"""Runs inside ComfyUI: where they lie, which are live, what listens.

    paths          the folders that ComfyUI gives us
    folder_rules   which folders a graph may name
    run_folders    where runs lie on disk, and which of their files may be read
    saved_loras    which LoRA files a run has left
    input_folders  folders of pictures in ComfyUI's input, and new files into one
    going_on       which run goes on by itself
    registry       which runs are training right now
    elsewhere      which runs other processes are training, and how they are asked
    listeners      a run's files, ComfyUI's log, and what the node gives on
"""
