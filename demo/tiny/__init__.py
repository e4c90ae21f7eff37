"""Random weights, seeded, for networks that ComfyUI detects as SD1.5, SDXL and FLUX but that train on a CPU."""
