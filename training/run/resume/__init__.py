"""A run that goes on: what it was, and what has changed since.

    begun        what it keeps of the day it began
    identity     what a run is made of, so that one that goes on can tell what has changed
    pictures     the same of its pictures, one by one
    identity_v1  the same for the states of version 1
    equal        whether nothing at all has changed
    notices      what it says at its start: what is another one and may be
    saved        a state file as it lies on disk: data that may be anything
"""
