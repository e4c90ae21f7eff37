"""What a run's device is, has and does, whoever made it: nothing else says CUDA.

    backend      torch's module for it, its numbers, its generators
    arithmetic   fp32 multiplied as fp32
    determinism  the same bits every time
    generators   the user's generators of random numbers, left as they were
    products     a CPU's, each made the way that is fastest there
    copies       many tensors in the dtype that is computed in, made together
    streams      work on a stream of its own, beside what the device computes
    upload       from main memory to a card, for which the host does not wait
    speed        how fast it multiplies
    card         what all programs have on the card, and where it lies
    nvml         that by NVIDIA's driver
    windows      that by Windows' counters
"""
