"""How hard each picture is made, and what counts as an error.

    timesteps     which noise levels are trained, and how often
    sampled       the noise levels of a sampler's own schedule
    noise         the noise that is added: plain, offset, multi-resolution; input perturbation
    target        sigma, SNR and the scale that turns D - x0 into the model's native error
    loss          L2, L1, Huber, smooth L1, log-cosh on that error
    weights       min-SNR, debiased and other weights by noise level
    mask          which part of a picture counts
    divergence    whether the losses run away from those of the first steps
    preservation  holding the base model's behaviour (the same weights with the adapter off)
    widget        a setting of a choice and the widget that sets it, as one field
    spec          ObjectiveSpec: all choices together, checked at birth
    menu          the names of the choices on the canvas, and the spec that its widgets describe
    objective     Objective: what the loop calls
"""
