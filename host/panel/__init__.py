"""The live panel's side of the server.

    routes         runs on disk, their logs and pictures, and the commands for a live one
    keep_runs      a run after it: downloaded, opened, noted, renamed, deleted
    bring_in       pictures into ComfyUI's input folder, and the folders there
    answers        the run that a request names
    same_machine   the file manager, for a browser on ComfyUI's own machine
    next_run       which run goes on when Run is pressed
    estimate       how long a run will be: steps, epochs, pictures, and a step's time where one was measured
    presets        presets that ship, and those of files
    dataset_routes  a data set to be seen and edited
    datasets       those that a page has open
    thumbnails     their pictures, as a page shows them
    memory         what the last run of a model took
    request_guard  what every route asks of a request, and how it answers
    listeners      the run on the screen: records to every tab, progress to ComfyUI's bar
    lookout        runs of other processes, while a page is open
    batcher        items handed on in batches, at most one an interval
"""
