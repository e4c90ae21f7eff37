"""Files with several frames -> clips: a few frames as one sample, for models that make videos.

    timing     which frames a clip takes of a file, and when they are shown
    video      video files, by PyAV
    animation  animated GIF and WebP, by Pillow
    file_clip  a clip that lies in a file
"""
