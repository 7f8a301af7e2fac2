"""Verification on bare cores: an image around the export, an emulator that runs it, and what was counted."""
