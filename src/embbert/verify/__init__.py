"""Verification: compiled C against the reference, operator by operator, and its sizes against the report."""
