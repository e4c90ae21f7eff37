"""The LoRA file: its tensors, and what it says of itself.

    file                writing and reading it; what a LORA_MODEL socket carries
    metadata            all entries of a file together
    run_metadata        ss_* entries of the run: identity, base model, progress, optimisation
    network_metadata    ss_* entries of the network
    objective_metadata  ss_* entries of the objective
    dataset_metadata    ss_* entries of the pictures
    modelspec           modelspec.* entries: Stability's model specification
    privacy             how much a file tells about its pictures
    hashes              the hashes by which other programs know a file
    peft                the file as diffusers and PEFT write it
"""
