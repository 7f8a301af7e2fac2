"""The benchmark: tasks as data, systems that compete, resumable runs, typed results, tables, plots.

Nothing here needs torch; systems that do import it when they are fitted.
"""
