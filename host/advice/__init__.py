"""What is said before any work: refusals of what cannot work, warnings of what is rarely meant.

    checks      MODEL, VAE, CLIP and settings that do not belong together
    known       models that training has been proven on
    trial       the first try of one that it has not
    upstream    what nodes before this one have done to a model
    vae         whether the VAE is another family's, where the channels do not tell
    few_steps   whether a model was made for few steps
    references  pairs of pictures, for models that change pictures
    backward    gradients in fp8, by the card and the base
    clips       clips, for models that make videos
"""
