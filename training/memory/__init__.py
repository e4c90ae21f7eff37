"""What a run costs, before it starts and while it runs.

    choice       MemoryChoice: what is recomputed, and what waits in main memory
    choose       the choice that a run takes, and the next cheaper one
    lane         copies between the device and main memory, beside what the device computes
    activations  what autograd keeps, in main memory until backward
    cheaply      norms and activation functions computed again, the rest kept
    states       where the state of the optimizer lies between updates
    told         what was chosen, in a sentence
    cost/        what a step takes, computed before it is made
    meter        what the run holds now, and held at most, and what could still be had
    missing      what a run must do without on its device, in words
    spilling     noticing that the card is full and what does not fit is moved elsewhere
    savings      which settings would take less, and how much less
    lack         what an error that says 'out of memory' still holds, given back
    ahead        weights of main memory, on the device before they are used
    foresight    which those will be
    streamed     their copies, on a stream of their own
"""
