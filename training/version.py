"""The pack's version, as files and run records name it; pyproject.toml has the same (a test says so)."""

VERSION = "0.1.0"
