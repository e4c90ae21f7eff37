"""Kinds of adapter. A new one is a file and a row of the menu.

    adapter    what every kind offers, and the registry
    options    what a kind may be told beside rank and alpha
    menu       all kinds, in the canvas's order
    lora       LoRA, LoCon on convolutions, and rsLoRA
    dora       direction and length of the weight's columns
    lora_fa    only up is trained
    dylora     may be cut to fewer ranks
    lokr       a Kronecker product
    loha       an elementwise product of two low ranks
    oft        a block-diagonal rotation of the output
    boft       a rotation of butterfly factors
    glora      a low-rank change on the input and one beside the weight
    ia3        one number a channel

    initial           what down and up start as
    dropout           masks as a function of seed and module
    made_delta        a change that is made for the product alone, and again in backward
    lycoris_algebra   lycoris-lora's functions, imported when needed
"""
