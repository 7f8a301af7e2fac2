"""Emission: an integer plan becomes a folder of dependency-free C99."""
