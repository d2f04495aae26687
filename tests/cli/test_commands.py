"""The command: results on standard output, the rest on standard error, and the exit codes."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from consilience.cli import main
from consilience.errors import DataError, Diagnostic, RunError, Severity
from consilience.plan import Plan, Survey

Call = Callable[..., Result]


@pytest.fixture
def call() -> Call:
    def invoke(*arguments: object, stdin: str | bytes | None = None) -> Result:
        return CliRunner().invoke(main, [str(argument) for argument in arguments], input=stdin)

    return invoke


@pytest.fixture
def broken(small_fusion: Path, tmp_path: Path) -> Path:
    text = small_fusion.read_text(encoding="utf-8").replace("use: regressor", "use: regresor")
    text = text.replace("path: checkpoint", f"path: {small_fusion.parent / 'checkpoint'}")
    text = text.replace("path: reviews.csv", f"path: {small_fusion.parent / 'reviews.csv'}")
    (tmp_path / "fusion.yaml").write_text(text.replace("target: topics", "target: topic"), encoding="utf-8")
    return tmp_path / "fusion.yaml"


def test_check_tells_what_a_fusion_is(call: Call, small_fusion: Path) -> None:
    result = call("check", small_fusion)
    assert result.exit_code == 0
    assert result.stderr == ""
    assert result.stdout == (
        "small: no fault in 1 input, 5 modules, 4 losses, 2 metrics\n"
        "  objective  1 opinion_loss (task), 0.1 rating_loss (task), 1 about_loss (task), 1 feeling_loss (task)\n"
    )


def test_check_tells_what_changes_weights_from_step_to_step(call: Call, small_fusion: Path, tmp_path: Path) -> None:
    text = small_fusion.read_text(encoding="utf-8")
    for name in ("checkpoint", "reviews.csv"):
        text = text.replace(f"path: {name}", f"path: {small_fusion.parent / name}")
    objective = "objective: {balance: uncertainty, schedules: {task: {rise: 0.5}}}\n"
    (tmp_path / "fusion.yaml").write_text(text + objective, encoding="utf-8")
    told = call("check", tmp_path / "fusion.yaml").stdout
    assert told.endswith(" 1 feeling_loss (task); balance uncertainty; schedules of task\n")


def test_check_tells_every_fault(call: Call, broken: Path) -> None:
    result = call("check", broken)
    assert result.exit_code == 1
    assert result.stdout == ""
    heads = [line.split(" at ")[0] for line in result.stderr.splitlines() if line.startswith("error")]
    assert heads == ["error CN201", "error CN210"]
    assert f"({broken}:21:17)\n   21 |   rating: {{use: regresor, in: encoder.pooled}}\n" in result.stderr
    assert result.stderr.endswith("\n\n2 errors\n")
    assert "\x1b" not in result.output


def test_the_worst_of_several_files_is_the_exit_code(call: Call, small_fusion: Path, broken: Path) -> None:
    result = call("check", small_fusion, broken, small_fusion)
    assert result.exit_code == 1
    assert result.stdout.startswith("small: no fault in 1 input")
    assert result.stdout.count("\n") == 2
    assert result.stderr.endswith("\n\n2 errors\n")
    assert call("check", small_fusion, small_fusion).exit_code == 0


WARNING = Diagnostic("CN398", ("train",), "this", "that", "mend: it", severity=Severity.WARNING)


@pytest.fixture
def warned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file gets a warning."""
    from consilience.cli import _check
    from consilience.plan import survey

    def found(file: str) -> Survey:
        whole = survey(file)
        return replace(whole, diagnostics=(*whole.diagnostics, WARNING))

    monkeypatch.setattr(_check, "survey", found)


@pytest.mark.usefixtures("warned")
def test_warnings_alone_exit_with_0(call: Call, small_fusion: Path) -> None:
    result = call("check", small_fusion)
    assert result.exit_code == 0
    assert result.stdout.startswith("small: no error in 1 input")
    assert result.stderr == f"{WARNING}\n\n1 warning\n"
    told = json.loads(call("check", small_fusion, "--format", "json").stdout)
    assert (told["errors"], told["warnings"]) == (0, 1)


@pytest.mark.usefixtures("warned")
def test_colours_are_forced_or_left_out(call: Call, broken: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = call("check", broken).stderr
    monkeypatch.setenv("FORCE_COLOR", "1")
    coloured = call("check", broken).stderr
    assert "\x1b[31m\x1b[1merror CN201\x1b[0m" in coloured
    assert "\x1b[33m\x1b[1mwarning CN398\x1b[0m" in coloured
    assert click.unstyle(coloured) == plain
    assert "\x1b" not in call("check", broken, "--format", "json").output
    monkeypatch.setenv("NO_COLOR", "1")
    assert call("check", broken).stderr == plain


def test_the_data_are_examined_when_it_is_asked(
    call: Call, small_fusion: Path, broken: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import consilience.data

    examined = []
    faults: list[Diagnostic] = []

    def examine(plan: Plan) -> tuple[Diagnostic, ...]:
        examined.append(plan.fusion.name)
        return tuple(plan.fusion.locate(faults))

    monkeypatch.setattr(consilience.data, "examine", examine, raising=False)
    assert call("check", small_fusion).exit_code == 0
    assert call("check", broken, "--data").exit_code == 1
    assert examined == []
    well = call("check", small_fusion, "--data")
    assert (well.exit_code, examined) == (0, ["small"])
    assert well.stderr == f"{small_fusion}: reading the data\n"
    faults.append(replace(WARNING, path=("sources", "reviews")))
    warned = call("check", small_fusion, "--data", "--format", "json")
    assert warned.exit_code == 0
    assert json.loads(warned.stdout)["warnings"] == 1
    faults.append(Diagnostic("CN502", ("sources", "reviews", "map"), "this", "that", "mend: it"))
    failed = call("check", small_fusion, "--data")
    assert (failed.exit_code, failed.stdout) == (1, "")
    assert failed.stderr.endswith("\n\n1 error, 1 warning\n")


def test_data_that_cannot_be_read_at_all_are_told(
    call: Call, small_fusion: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import consilience.data

    def examine(plan: Plan) -> tuple[Diagnostic, ...]:
        raise DataError(Diagnostic("CN507", ("sources", "reviews"), "this", "that", "mend: it"))

    monkeypatch.setattr(consilience.data, "examine", examine, raising=False)
    result = call("check", small_fusion, "--data")
    assert result.exit_code == 1
    assert "error CN507 at sources.reviews" in result.stderr


def test_a_missing_file_is_told(call: Call, tmp_path: Path) -> None:
    result = call("check", tmp_path / "no.yaml")
    assert result.exit_code == 1
    assert result.stderr.startswith("error CN601 at the file")


def test_wrong_usage_exits_with_2(call: Call, small_run: Path) -> None:
    assert call("check").exit_code == 2
    assert call("chek", "x").exit_code == 2
    assert call("evaluate", small_run, "--split", "no").exit_code == 2
    assert call("predict", small_run, "--text", "a fine film").exit_code == 2


@pytest.mark.parametrize(
    "command",
    [[], ["check"], ["explain"], ["graph"], ["schema"], ["plugins"], ["train"], ["evaluate"], ["predict"], ["demo"]],
)
def test_help_tells_the_exit_codes(call: Call, command: list[str]) -> None:
    result = call(*command, "--help")
    assert result.exit_code == 0
    told = "Exit codes: 0 well, or warnings alone; 1 faults were found; 2 wrong usage; 130 interrupted; 143 ended."
    assert told in " ".join(result.stdout.split())


def test_version(call: Call) -> None:
    from importlib.metadata import version

    assert call("--version").stdout == f"consilience {version('consilience')}\n"


def test_graph_is_written_in_the_form_of_the_suffix(call: Call, small_fusion: Path, tmp_path: Path) -> None:
    assert call("graph", small_fusion).stdout.startswith("flowchart")
    assert call("graph", small_fusion, "--format", "svg").stdout.startswith("<svg")
    for name, start in (("g.svg", "<svg"), ("g.mmd", "flowchart")):
        assert call("graph", small_fusion, "-o", tmp_path / name).exit_code == 0
        assert (tmp_path / name).read_text(encoding="utf-8").startswith(start)


def test_a_graph_in_a_form_that_is_not_drawn(call: Call, small_fusion: Path, tmp_path: Path) -> None:
    result = call("graph", small_fusion, "-o", tmp_path / "g.png")
    assert result.exit_code == 1
    assert result.stderr == (
        "error CN709 at output\n"
        f"  found     {tmp_path / 'g.png'}\n"
        "  expected  a name that ends in .html, .svg or .mmd\n"
        f"  fix       --output {tmp_path / 'g.svg'}\n"
        "\n1 error\n"
    )
    assert not (tmp_path / "g.png").exists()


def test_a_graph_that_cannot_be_written(call: Call, small_fusion: Path, tmp_path: Path) -> None:
    result = call("graph", small_fusion, "-o", tmp_path / "no" / "g.svg")
    assert result.exit_code == 1
    assert result.stderr == (
        "error CN709 at output\n"
        f"  found     {tmp_path / 'no' / 'g.svg'}: No such file or directory\n"
        "  expected  a file that can be written\n"
        "  fix       --output graph.svg\n"
        "\n1 error\n"
    )


def test_plugins_lists_the_standard_ones(call: Call) -> None:
    listed = {info["namespace"]: info for info in json.loads(call("plugins", "--json").stdout)}
    assert "text_encoder" in [component["name"] for component in listed["standard"]["components"]]
    assert listed["standard"]["fault"] is None
    header, *rows = call("plugins").stdout.splitlines()
    assert header.split() == ["namespace", "distribution", "version", "made", "for", "components"]
    assert any(row.startswith("standard") for row in rows)


def test_a_broken_plugin_is_listed_with_its_fault(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib.metadata import EntryPoint

    from consilience.host import Registry, _registry

    registry = Registry([EntryPoint("ruin", "no_such_module_at_all", "consilience.plugins")])
    monkeypatch.setattr(_registry, "_default", registry)
    result = call("plugins")
    assert result.exit_code == 1
    assert "(CN204)" in result.stdout
    assert "fails to import: ModuleNotFoundError" in result.stderr
    assert call("--help").exit_code == 0


def test_train_evaluate_predict(call: Call, small_fusion: Path, tmp_path: Path) -> None:
    trained = call("train", small_fusion, "--runs", tmp_path)
    assert trained.exit_code == 0, trained.output
    run = Path(trained.stdout.removesuffix("\n"))
    assert run.parent == tmp_path
    assert "training 5,496 of 5,496 parameters" in trained.stderr
    evaluated = call("evaluate", run)
    assert evaluated.stdout.startswith("small: 10 rows of test, ")
    as_json = json.loads(call("evaluate", run, "--json").stdout)
    assert as_json["metrics"] == json.loads((run / "report-test.json").read_text(encoding="utf-8"))["metrics"]
    predicted = call("predict", run, "a fine film", "the dull plot")
    assert predicted.exit_code == 0
    assert len(predicted.stdout.splitlines()) == 2


def test_a_fault_stops_before_anything_is_trained(call: Call, broken: Path, tmp_path: Path) -> None:
    result = call("train", broken, "--runs", tmp_path / "runs")
    assert result.exit_code == 1
    assert "CN201" in result.stderr
    assert not (tmp_path / "runs").exists()


def test_predict_reads_json_lines_and_loses_none(call: Call, small_run: Path) -> None:
    lines = ['{"text": "ein schöner Film ☹"}', "", "not", "[1]", '{"txt": "x"}', '{"text": ""}', '{"text": "\\ud800"}']
    result = call("predict", small_run, stdin="\n".join(lines).encode() + b'\n\xff\n{"text": "last"}')
    found = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.exit_code == 1
    assert [answer.get("error", {}).get("code") for answer in found] == [
        None, "CN801", "CN802", "CN803", "CN807", "CN806", "CN811", None,
    ]  # fmt: skip
    assert [answer["error"]["line"] for answer in found if "error" in answer] == [3, 4, 5, 6, 7, 8]
    assert [also["code"] for also in found[3]["also"]] == ["CN805"]
    assert result.stderr.endswith('6 of 8 lines could not be read: see "error" in their place\n')


def test_a_byte_that_is_not_utf_8_is_told(call: Call, small_run: Path) -> None:
    [line] = call("predict", small_run, stdin=b"\xff\n").stdout.splitlines()
    assert json.loads(line) == {
        "error": {
            "code": "CN811",
            "at": "example",
            "line": 1,
            "found": "the byte 0xff, which is not UTF-8",
            "expected": "text in UTF-8",
            "fix": "iconv -f ISO-8859-1 -t UTF-8 FILE | consilience predict RUN",
        }
    }


def test_predict_reads_plain_lines_and_a_byte_order_mark(call: Call, small_run: Path) -> None:
    plain = call("predict", small_run, "--text", stdin="\ufeffa fine film\r\nthe dull plot\n")
    listed = call("predict", small_run, "a fine film", "the dull plot")
    assert plain.exit_code == listed.exit_code == 0
    assert plain.stdout == listed.stdout


def test_predict_gives_the_outputs_that_are_asked(call: Call, small_run: Path) -> None:
    result = call("predict", small_run / "model", "a fine film", "-o", "opinion", "-o", "rating.value")
    assert list(json.loads(result.stdout)) == ["opinion", "rating.value"]
    assert call("predict", small_run, "x", "-o", "no").stderr.startswith("error CN809 at outputs")


def test_a_run_that_is_none_is_told(call: Call, tmp_path: Path) -> None:
    for command in ("evaluate", "predict"):
        result = call(command, tmp_path, *(["x"] if command == "predict" else []))
        assert result.exit_code == 1
        assert result.stderr.startswith("error CN704 at the file")


def test_an_interrupt_is_quiet(call: Call, small_fusion: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from consilience.cli import _check

    def interrupt(file: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(_check, "survey", interrupt)
    result = call("check", small_fusion)
    assert (result.exit_code, result.output) == (130, "")


def test_a_fault_of_ours_keeps_its_traceback(call: Call, small_fusion: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from consilience.cli import _check

    def fail(file: object) -> None:
        raise ZeroDivisionError("ours")

    monkeypatch.setattr(_check, "survey", fail)
    assert isinstance(call("check", small_fusion).exception, ZeroDivisionError)


def test_every_error_of_consilience_becomes_a_diagnostic(
    call: Call, small_fusion: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from consilience.cli import _check

    def fail(file: object) -> None:
        raise RunError(Diagnostic("CN799", ("here",), "one", "other", "mend"))

    monkeypatch.setattr(_check, "survey", fail)
    result = call("check", small_fusion)
    assert result.exit_code == 1
    assert result.stderr == "error CN799 at here\n  found     one\n  expected  other\n  fix       mend\n\n1 error\n"


def test_collecting_garbage_goes_on_after_a_check(call: Call, small_fusion: Path) -> None:
    import gc

    call("check", small_fusion)
    assert gc.isenabled()


def test_a_damaged_model_is_told(call: Call, small_run: Path, tmp_path: Path) -> None:
    shutil.copytree(small_run / "model", tmp_path / "model")
    (tmp_path / "model" / "config.json").write_text("{", encoding="utf-8")
    result = call("predict", tmp_path / "model", "x")
    assert result.exit_code == 1
    assert "a model of consilience" in result.stderr


def test_changed_data_are_refused_unless_a_note_is_kept(call: Call, small_run: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(small_run, run)
    record = json.loads((run / "record.json").read_text(encoding="utf-8"))
    record["sources"]["reviews"] = dict.fromkeys(record["sources"]["reviews"], "0" * 64)
    (run / "record.json").write_text(json.dumps(record), encoding="utf-8")
    refused = call("evaluate", run)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "error CN710 at sources.reviews" in refused.stderr
    noted = call("evaluate", run, "--changed-data", "note")
    assert noted.exit_code == 0
    assert "note: reviews: reviews.csv changed since the training" in noted.stdout
    assert call("evaluate", run, "--changed-data", "no").exit_code == 2
