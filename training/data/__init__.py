"""Pictures -> samples -> items -> caches -> batches.

    specs         BucketSpec and CaptionSpec: the rules of a picture, checked at birth
    dataset       the types: Picture, Sample, Dataset (what a LORACANVAS_DATASET socket carries)
    pictures      a picture that lies in a file
    decoding      picture files -> their header, or 8-bit RGBA, however broken or hostile
    conditions    a condition's entries, also as what a file can hold
    encoded       latents and conditions that the graph made -> Dataset
    captions      the caption of one draw: prefix, trigger, shuffle, dropout, wildcards
    buckets       sizes and crops
    colour        the colours and the mask of a sample at its own size
    resize        area averaging to shrink, Lanczos to enlarge
    altered       augmentation: versions of a picture that are turned, cut closer, or of other colours
    items         Dataset -> Items: one picture at one size and crop, and its pixels
    latents       the cache of the items' latents
    references    what an edit model is shown beside a caption, and the cache of its latents
    texts         the cache of the captions' encodings
    batches       the seeded, resumable sequence of draws
    formats/      formats that Pillow reads with a plugin only
    clips/        files with several frames -> clips
    from_graph/   pictures that the graph made, and several datasets as one
    folder/       a folder of pictures, clips and captions -> Dataset
    advice/       what is said of a dataset before training
    editing/      a folder's captions, masks and left-out pictures changed by hand, each change undone in one go
"""
