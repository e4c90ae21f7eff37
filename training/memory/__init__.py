"""What a run costs, before it starts and while it runs.

    choice    MemoryChoice: what is recomputed, and what waits in main memory
    plan      what a run will need, before it starts
    meter     what the run holds now, and held at most
    spilling  noticing that the card is full and what does not fit is moved elsewhere
    savings   which settings would take less, and how much less
"""
