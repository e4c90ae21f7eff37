"""What a run costs, before it starts and while it runs.

    plan      what a run will need, before it starts
    meter     what the run holds now, and held at most
    spilling  noticing that the card is full and the driver has begun to swap
"""
