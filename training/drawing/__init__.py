"""Pictures that tell of a run, drawn with PIL.

    chart          curves on axes: frame, ticks, legend; the loss curve
    schedule_plot  the learning rates of a run
    grid           pictures in rows and columns, each named: a LoRA's strengths
    contact_sheet  a dataset's thumbnails with masks and crops
"""
