"""Architectures in PyTorch, one per file, and the heads that turn their output into answers."""
