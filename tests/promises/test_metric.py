"""The int8 metric that is printed is that of the compiled C, on a whole test set, answer by answer."""

import dataclasses
import json

import numpy as np
import pytest

import folders
from embbert.cli import run
from embbert.errors import UsageError
from embbert.quant.reference import predict
from embbert.verify.device.check import verify_device
from embbert.verify.device.cores import find_core
from embbert.verify.device.tools import find_tools
from embbert.verify.host import HostModel

TEXTS = [f"{one}, {other}" for one in folders.TEXTS for other in folders.TEXTS]


@pytest.fixture
def labels(model):
    """Most, but not all, are what the random model answers."""
    folder, plan = model
    ids = folder.tokenizer.encode_batch(TEXTS, max_length=plan.max_length)
    answers = predict(plan, ids).argmax(axis=1)
    answers[::4] += 1
    return [folder.labels[answer % 3] for answer in answers]


@pytest.fixture
def printed(model, labels, tmp_path, capsys):
    """The accuracy that `embbert eval` prints of a labelled file."""
    pytest.importorskip("sklearn")
    path = tmp_path / "test.csv"
    rows = (f'"{text}",{label}\n' for text, label in zip(TEXTS, labels, strict=True))
    path.write_text("text,label\n" + "".join(rows))
    assert run(["eval", str(model[0].path), str(path), "--json"]) == 0
    return json.loads(capsys.readouterr().out)["accuracy"]


def of_the_c(folder, plan, labels):
    """The accuracy of what the compiled C answers."""
    with HostModel(folder, plan, flags=("-O1",)) as compiled:
        answers = compiled.logits(TEXTS).argmax(axis=1)
    names = [folder.labels[answer] for answer in answers]
    return np.mean([name == label for name, label in zip(names, labels, strict=True)])


def test_the_printed_accuracy_is_that_of_the_compiled_c(model, labels, printed):
    assert 0.5 < printed < 1
    assert of_the_c(*model, labels) == printed


@pytest.mark.slow
def test_the_printed_accuracy_is_that_of_a_core(model, labels, printed):
    try:
        find_tools(find_core("cortex-m4"), "gcc")
    except UsageError as error:
        pytest.skip(str(error))
    result = verify_device(*model, "cortex-m4", TEXTS, labels=labels, tools="gcc", layers=0)
    assert result.problems == ()
    assert result.accuracy == printed


def test_c_of_other_weights_has_another_accuracy(model, labels, printed):
    folder, plan = model
    *stages, head = plan.stages
    (op,) = head.ops
    bias = op.bias.copy()
    bias[0] += 2**24
    turned = dataclasses.replace(head, ops=(dataclasses.replace(op, bias=bias),))
    other = dataclasses.replace(plan, stages=(*stages, turned))
    assert of_the_c(folder, other, labels) != printed
