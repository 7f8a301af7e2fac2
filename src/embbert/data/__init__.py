"""Labelled text from files, pipes and the hub: read, checked, numbered and split.

Nothing here loads torch; `datasets` and `pyarrow` are loaded only by the sources that need them.
"""

from embbert.data.cards import TaskCard, task_card
from embbert.data.decode import read_texts
from embbert.data.examples import Columns, Examples
from embbert.data.labels import encode_targets, label_names
from embbert.data.readers import read_examples
from embbert.data.splits import split_validation

__all__ = [
    "Columns",
    "Examples",
    "TaskCard",
    "encode_targets",
    "label_names",
    "read_examples",
    "read_texts",
    "split_validation",
    "task_card",
]
