"""A micro-step recorded once and replayed: forward and backward as one list of operations, without Python's part in them.

    tape      what was recorded, operation by operation
    recorder  records it, below autograd
    lazy      lazy clones taken out of a tape
    program   a tape as a function, without what nobody needs
    bound     a program on memory of its own, launched anew or from a recording of the card's
    given     what a micro-step is given, as a list of tensors and what tells lists apart
    same      whether two tapes, two results are the same
    replays   which of a run's micro-steps are recorded, checked and replayed
"""
