"""Speed and memory, measured against others in one run. `make bench` writes results.md."""
