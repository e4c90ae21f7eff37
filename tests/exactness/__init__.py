"""What the memory plan says against what torch's allocator hands out, over a real run. `make plan-check` prints it for many settings.

    cases    the settings, every pair of which some case has
    measure  one run: what was planned, and what the profiler saw
    depth    plans of FLUX with few blocks and with all
    run      all cases, or full-size models, as a table
"""
