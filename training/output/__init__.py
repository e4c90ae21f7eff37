"""What a run leaves behind: files, logs and pictures. Everything here listens to events; nothing steers the run."""
