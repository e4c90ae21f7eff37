"""Presets: settings by what is trained, the family of models and the card, one's own, and those of other trainers' files.

    record    a preset: widgets by node with their values, and where each comes from; the file that it is shared as
    cards     what fits on which card, out of docs/cards.md
    shipped   the presets that come with the pack: what is trained x family x card, out of shipped.json
    files     what a preset's file holds, whoever wrote it: our own, kohya_ss' JSON, sd-scripts' TOML
    config    a file of kohya's while it is read: which of its keys were understood, and which were not
    kohya     what the settings of kohya's trainer are called here
    network   those of the network
    learning  those of the optimizer and of the run
    teaching  those of the objective: loss, noise levels, noise
    pictures  those of the data set, its captions and the pictures that are made
    prompt_file  sample prompts from a file, as kohya's trainer reads them, or JSON
"""
