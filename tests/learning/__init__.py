"""Does a LoRA learn? The small base (docs/world.md) is taught a fox in a real ComfyUI, and its pictures are counted: `make learning`.

    run          teaches, lets ComfyUI draw without and with the LoRA, prints shares with their intervals, fails below a limit
    shares       the arithmetic of shares: intervals, and limits that chance alone hardly misses
    test_shares  holds it against known values (`make test`)
"""
