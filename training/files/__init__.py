"""Files, whatever is in them: what every room may use.

    atomic     a file appears whole or not at all
    names      file names that every system takes
    lengths    how long names and paths may be
    refusals   why a disk refuses a file, in words
    tensors    safetensors files, written tensor by tensor
    lock       one process at a time, and who that is
    store      tensors on disk by the hash of all that shaped them
    overflow   what a run has encoded: in memory, then on disk until it ends
    tail       a file of lines read from its end
    strangers  documents that others may have written; texts without the paths of this machine
"""
