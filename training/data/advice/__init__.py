"""What is said of a dataset before it is trained on.

    report           what it holds, and what bucketing does to it
    check            what makes it unfit: the run does not start
    doctor           what will hurt; nothing is blocked
    duplicates       pictures that look the same
    length           how often each picture is seen, and what its prompts speak of
    caption_preview  the final captions of the draws, and what lies past the text encoders' windows
"""
