"""Captions by machine: taggers and captioners, what to do with captions that exist, and caption files."""
