"""Does LoRA Canvas do on a card what it does on a CPU, how fast, and in how much memory? `make gpu` on a machine with a card and a ComfyUI;
`make gpu-carry` collects what another machine needs that has Python and torch only. Each check is a process's, with a time limit.

    run            starts the checks in processes of their own, watches their time, writes results.json and a table; stands alone
    worker         one such process
    carry          collects ComfyUI, the pack, kohya's modules and wheels for a machine without network
    boot           ComfyUI without a server
    models         models with random weights, tiny and at full size
    orders         a real run of the pack on such a model
    measure        seconds, bytes, waits, kernels of a step
    gradients      checks: the device's gradients against the CPU's
    optimizers     checks: every optimizer steps on the device and goes on from its state
    through_nodes  checks: whole runs by Train LoRA
    steps          full size: seconds and memory against the plan
    host_time      where the host's time goes
    findings       what a check has compared
    table          the results as a table
    rivals         the same work by ComfyUI's trainer and by kohya's modules
"""
