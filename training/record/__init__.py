"""What a run leaves to be read later.

    records      events as small JSON records
    log          log.jsonl: every record of a run, one a line
    follow       a log read on as it grows, by another process
    requests     wishes of another process for a run that trains
    history      reading a log back, for the panel and for curves that go on
    reserve      space that is given up at the end, so that a full disk takes the last records
    run_json     run.json: what a run is, how far it got and how it ended
    loss_plot    loss.png: the loss curve
    samples      preview pictures, with the graph in them
    numbers      the numbers of an event that are drawn elsewhere
    tensorboard  the run for TensorBoard
    wandb        the run for Weights & Biases
    held         what is told before the first step is recorded with it
    keeping      a run's folder noted, renamed, or deleted
    taken        the run's folder: one process at a time, and only for a run that took a step
"""
