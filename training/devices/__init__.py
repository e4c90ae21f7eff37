"""What a run's device is and has, whoever made it: nothing else says CUDA.

    backend  torch's module for it, its numbers, its generators
    copies   many tensors in the dtype that is computed in, made together
    upload   from main memory to a card, for which the host does not wait
    card     what all programs have on the card, and where it lies
    nvml     that by NVIDIA's driver
    windows  that by Windows' counters
"""
