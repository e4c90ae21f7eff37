"""The memory that a run has, and what it makes of it.

    way  what a step takes in any way, the way that the run begins with, and what is asked of the host for it
"""
