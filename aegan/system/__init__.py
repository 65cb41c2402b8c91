"""Small helpers about the machine: files, the screen, worker processes."""
