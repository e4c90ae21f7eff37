"""What a run costs and how it costs less.

    frozen          a frozen op that keeps no cast copy of its weight for backward
    checkpointing   recompute blocks in backward instead of keeping what is inside them
    plan            what a run will need, before it starts
    meter           what the run holds now, and held at most
"""
