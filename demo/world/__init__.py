"""A small world that can be learnt: a base model that really draws, trained here from pictures that a script draws.

    drawn/        the pictures and their captions
The networks, with the names that ComfyUI's loader expects:
    unet          a UNet of SD1.5's widths in few blocks
    text          CLIP-L with only the grammar's words trained
    vae           an autoencoder in TAESD's layout
    judge         a classifier that says what a picture shows
Their training:
    budget        how long it takes, by steps or by the clock
    diffusion     noise, the loss's weights, a sampler
    album         latents and captions to learn from
    learn_vae     teaches the autoencoder
    learn_unet    teaches the UNet and the words
    learn_judge   teaches the judge
    train         the command that does all of it
    scoring       samples judged while training
The file:
    files         fp16 parts, the 8-bit pack, the whole checkpoint
    pack          writes the pack
    assemble      puts the checkpoint together
    score         measures it through ComfyUI
"""
