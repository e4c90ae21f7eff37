"""A folder of pictures edited by hand. Every edit is a change of small files, so that one undo takes it back.

    change   words and tags added, removed and replaced in captions
    files    files changed only where they are as they were thought to be, and the history of that
    beside   the files of a picture: its caption, its painted mask, the list that leaves it out
    rows     what a person sees of each picture: caption, bucket, crop, warnings
    album    the folder while it is edited
"""
