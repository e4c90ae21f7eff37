"""What a step takes, computed before it is made.

    ledger     the bytes that are alive, operation by operation
    fakes      what an operation on fake tensors gives
    kernels    what an operation takes for itself
    trace      what a step holds, block by block
    alike      blocks that are counted, since two like them were gone through
    optimizer  what an optimizer holds
    expected   how long a step should take
    plan       all that a run takes beside the model, for any MemoryChoice
"""
