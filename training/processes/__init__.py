"""The processes that train one LoRA together, each on its part of every batch.

    processes  one process alone; which items are whose; what is summed
    joined     one of several, as a launcher started them
    board      what they tell one another, and who of them has died
    agreement  what all of them wish, heard before every step
    at_hand    a file of the main one, sent to those that cannot see it
    sharing    what is encoded once for all that see one folder
    voices     warnings of all of them in the main one's events
"""
