import subprocess
import sys

import consilience.standard
from consilience.declare import Balancer, Component, Input, Loss, Metric, Module, Resource, Source, Tuner

EXPECTED = {
    Resource: {"checkpoint"},
    Source: {"table", "hub"},
    Input: {"tokens", "token_labels"},
    Module: {
        "text_encoder",
        "classifier",
        "token_classifier",
        "regressor",
        "multioutput_regressor",
        "concat",
        "gated",
        "cross_attention",
        "regroup",
        "probabilities",
    },
    Loss: {"cross_entropy", "binary_cross_entropy", "mse"},
    Metric: {"accuracy", "f1", "matthews", "multilabel_f1", "confusion", "pearson", "multioutput_pearson"},
    Tuner: {
        *("full", "frozen", "last_n", "bitfit", "lora", "adalora", "ia3", "bottleneck", "prefix", "prompt"),
    },
    Balancer: {"fixed", "uncertainty", "dwa", "gradnorm", "random"},
}


def components() -> list[type[Component]]:
    return consilience.standard.consilience_components()


def test_they_enter_by_the_hook() -> None:
    assert consilience.standard.consilience_components.consilience_impl  # type: ignore[attr-defined]


def test_every_kind_has_its_components() -> None:
    found = {kind: {item.component for item in components() if issubclass(item, kind)} for kind in EXPECTED}
    assert found == EXPECTED


def test_every_component_and_key_is_described() -> None:
    for item in components():
        assert (item.__doc__ or "").strip().partition("\n")[0].endswith("."), item
        undescribed = [key for key in item.model_fields if not item.descriptions().get(key)]
        assert not undescribed, (item, undescribed)


def test_declarations_import_nothing_heavy() -> None:
    code = (
        "import sys, consilience.standard as s\n"
        "checkpoint = s.Checkpoint.model_validate({'path': 'pkg:consilience/nothing'})\n"
        "list(checkpoint.faults())\n"
        "[item.model_json_schema() for item in s.consilience_components()]\n"
        "heavy = {'torch', 'transformers', 'numpy', 'datasets', 'huggingface_hub', 'torchmetrics', 'peft', 'pandas'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
