"""From gradients to updates.

    kinds       the optimizers by name: where each comes from, its defaults, its habits
    others      every other optimizer of pytorch-optimizer that can be used
    arguments   'extra arguments': parsed, and checked against the optimizer's own
    rehearsal   two updates of a few numbers: whether those arguments can be computed with
    rules       'group rules': settings for some of the parameters, and which those are
    rates       'text encoder rates': a rate for each text encoder of its own
    schedules   Schedule: the learning rate's multiplier, a pure function of the step; the curves to choose from
    course      that schedule over a run that may be resumed with another length
    spec        OptimizerSpec: all choices together, checked at birth
    menu        the widgets of the canvas -> OptimizerSpec
    groups      parameters -> torch's parameter groups (rates of each part, LoRA+)
    optimizers  spec + groups -> torch.optim.Optimizer; training and averaged weights
    loss_scale  what a loss is multiplied by in fp16
    numerics    norms, clipping, finite checks
    ema         a running average of the weights
    undo        the step before an update, for one that is cut short
    state       an optimizer's state as plain tensors and JSON, and back, bit by bit
"""
