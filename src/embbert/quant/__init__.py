"""The integer model: its number format, how a float model becomes one, and the NumPy specification."""
