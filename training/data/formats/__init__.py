"""Formats that Pillow reads with a plugin only.

    plugins  which there are, taken into use where they are installed, and named with their install line where not
    jxl      what size a JPEG XL file claims to have, before anything of it is decoded
"""
