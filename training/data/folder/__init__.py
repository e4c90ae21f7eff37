"""A folder of pictures, clips and captions -> Dataset, however large or untidy it is.

    scan           the folder as samples, in kohya's layout
    walk           what lies in a folder, and nothing of what lies outside it
    clips          which files are clips, and how they are cut
    caption_files  captions beside the pictures, metadata.jsonl and metadata.csv
    headers        the headers of many pictures, and whether each file is whole
    index          what was learnt of each file, kept between scans
    left_out       pictures that a list in their folder leaves out
    leftovers      files that are not used, though their owner may think so
    references     what an edit model is shown beside each picture, by name
    splits         what is held out, and how often regularisation pictures are seen
"""
