"""Folder -> samples -> captions -> buckets -> caches -> batches.

    dataset    the types: Picture, Sample, Dataset (what a LORACANVAS_DATASET socket carries)
    scan       a folder of pictures and captions -> Dataset
    captions   the caption of one draw: prefix, trigger, shuffle, dropout, wildcards
    buckets    sizes and crops
    items      Dataset + buckets -> Items: one picture at one size and crop
    batches    the seeded, resumable order
    latents, texts   the caches
"""
