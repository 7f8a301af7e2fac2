"""Text from files, pipes and the hub: examples, checked, numbered and split, and corpora for pre-training.

Nothing here loads torch; `datasets` and `pyarrow` are loaded only by the sources that need them.
"""

from embbert.data.cards import TaskCard, task_card
from embbert.data.corpus import Corpus, corpus_presets, open_corpus
from embbert.data.examples import Columns, Examples
from embbert.data.labels import encode_targets, label_names
from embbert.data.readers import read_examples
from embbert.data.sentences import sentences
from embbert.data.splits import split_validation

__all__ = [
    "Columns",
    "Corpus",
    "Examples",
    "TaskCard",
    "corpus_presets",
    "encode_targets",
    "label_names",
    "open_corpus",
    "read_examples",
    "sentences",
    "split_validation",
    "task_card",
]
