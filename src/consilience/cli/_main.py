"""The command's entry: what each subcommand is called with. A room is imported when a subcommand needs it."""

from __future__ import annotations

from typing import Literal

import click

from consilience.cli._group import Commands, turn_off, uncollected

__all__ = ["main"]

_EPILOG = "Exit codes: 0 well, or warnings alone; 1 faults were found; 2 wrong usage; 130 interrupted; 143 ended."

KINDS = ["resource", "source", "input", "module", "loss", "metric", "tuner", "balancer"]

_RUNS = click.option(
    "--runs", type=click.Path(), default="runs", show_default=True, help="The directory that runs are kept in."
)


@click.group(cls=Commands, epilog=_EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="consilience", prog_name="consilience", message="%(prog)s %(version)s")
@click.option(
    "--safe-mode",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=turn_off,
    help="Turns every plugin off; CONSILIENCE_DISABLE=NAME,... turns off some.",
)
def main() -> None:
    """Lets several disciplines shape one model, declared in one file.

    Results go to standard output; progress and diagnostics to standard error.
    """


@main.command(epilog=_EPILOG)
@click.argument("files", type=click.Path(), nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "sarif", "github"]),
    default="text",
    show_default=True,
    help="Text for people, on standard error; the others for machines, on standard output.",
)
@click.option("--data", "has_data", is_flag=True, help="Reads the sources too, and checks their data.")
def check(files: tuple[str, ...], form: str, has_data: bool) -> None:
    """Checks each fusion FILE as a whole; trains and downloads nothing.

    Tells all faults in one run, each with its place and a fix. `consilience explain CODE` says more of one.
    """
    with uncollected():
        from consilience.cli._check import Reading, check_files

        check_files(files, form, Reading.DATA if has_data else Reading.FILE)


@main.command(epilog=_EPILOG)
@click.argument("code", required=False)
def explain(code: str | None) -> None:
    """Says what the CODE of a diagnostic means, and how to mend it; lists all codes when none is given."""
    from consilience.cli._explain import explain_code

    explain_code(code)


@main.command(epilog=_EPILOG)
@click.argument("file", type=click.Path())
@click.option(
    "--format", "form", type=click.Choice(["mermaid", "svg", "html"]), help="Told by --output's suffix if left out."
)
@click.option("--output", "-o", type=click.Path(dir_okay=False), help="Where to write it, instead of standard output.")
@click.option("--parameters", "is_counted", is_flag=True, help="Counts each module's parameters; html alone, slower.")
def graph(file: str, form: str | None, output: str | None, is_counted: bool) -> None:
    """Draws the graph of a fusion FILE: nodes by discipline, solved shapes on the edges, faults red where they are.

    As html it is one page to look around in, which needs no network. A broken file is drawn too; its faults are told,
    and the exit code is 1.
    """
    with uncollected():
        from consilience.cli._graph import Counting, draw_file

        draw_file(file, form, output, Counting.PARAMETERS if is_counted else Counting.NONE)


@main.group(epilog=_EPILOG, invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Writes one JSON array.")
@click.pass_context
def plugins(context: click.Context, as_json: bool) -> None:
    """Lists the installed plugins, and what is wrong with one; `doctor` looks closer."""
    if context.invoked_subcommand is None:
        with uncollected():
            from consilience.cli._plugins import list_plugins

            list_plugins(as_json)


@plugins.command(epilog=_EPILOG)
@click.option("--json", "as_json", is_flag=True, help="Writes one JSON array.")
def doctor(as_json: bool) -> None:
    """Examines each plugin in a process of its own, and tells every problem with its code and a fix."""
    from consilience.cli._plugins import doctor

    doctor(as_json)


@plugins.command("check", epilog=_EPILOG)
@click.argument("path", type=click.Path())
@click.option(
    "--keep", type=click.Path(file_okay=False), help="Makes the environment in this new folder, and keeps it."
)
def check_plugin(path: str, keep: str | None) -> None:
    """Tries the plugin at PATH, a source tree or a wheel, in a clean environment, with the conformance kit.

    The environment has the plugin, what its distribution requires, and nothing else: an undeclared dependency fails.
    """
    from consilience.cli._clean import check_clean

    check_clean(path, keep)


@main.command(epilog=_EPILOG)
@click.argument("name", required=False)
@click.option("--kind", type=click.Choice(KINDS), help="Lists those of one kind alone.")
@click.option("--json", "as_json", is_flag=True, help="Writes JSON: an array, or an object for one NAME.")
def components(name: str | None, kind: str | None, as_json: bool) -> None:
    """Lists what fusions can use; of one NAME, its ports, keys, help, and a line for a file."""
    with uncollected():
        from consilience.cli._components import list_components, show_component

        show_component(name, as_json) if name else list_components(kind, as_json)


@main.command(epilog=_EPILOG)
@click.argument("discipline")
@click.option(
    "--kind",
    type=click.Choice(["module", "loss", "input", "metric", "source", "tuner", "balancer"]),
    help="One component alone, of this kind, instead of a module, a loss, an input and a metric.",
)
@click.option("--output", "-o", type=click.Path(), help="The directory to make.  [default: consilience-DISCIPLINE]")
def new(discipline: str, kind: str | None, output: str | None) -> None:
    """Makes the repository of a new DISCIPLINE, which passes its own tests: declarations, plain PyTorch, an example."""
    from consilience.cli._new import make_discipline

    make_discipline(discipline, kind, output)


@main.command(epilog=_EPILOG)
@click.option("--output", "-o", type=click.Path(dir_okay=False), help="Where to write it, instead of standard output.")
def schema(output: str | None) -> None:
    """Writes the JSON Schema of the fusion file, with all that is installed, for editors to complete and check by."""
    with uncollected():
        from consilience.cli._schema import write_schema

        write_schema(output)


@main.command(epilog=_EPILOG)
@click.argument("file", type=click.Path(), required=False)
@_RUNS
@click.option("--resume", type=click.Path(), metavar="RUN", help="Goes on with a RUN from its newest whole checkpoint.")
@click.option("--accept", multiple=True, metavar="NAME", help="Goes on though NAME is not as the RUN began with.")
def train(file: str | None, runs: str, resume: str | None, accept: tuple[str, ...]) -> None:
    """Checks, builds and trains a fusion FILE; prints the directory of its run.

    Ctrl-C or SIGTERM finishes the step and saves; `consilience train --resume RUN` goes on to the very same model, with
    the fusion that the run began with. Given a FILE too, what changed in it is told, and refused unless accepted.
    """
    from consilience.cli._learn import train_file

    train_file(file, runs, resume, accept)


@main.command(epilog=_EPILOG)
@click.argument("run", type=click.Path())
@click.option("--split", type=click.Choice(["test", "validation", "train"]), default="test", show_default=True)
@click.option(
    "--changed-data",
    type=click.Choice(["refuse", "note"]),
    default="refuse",
    show_default=True,
    help="What to do where files changed since the training: refuse, or measure and note it in the report.",
)
@click.option("--json", "as_json", is_flag=True, help="Prints the report as JSON.")
def evaluate(run: str, split: str, changed_data: Literal["refuse", "note"], as_json: bool) -> None:
    """Measures the model of a RUN on a split; keeps the report in the run."""
    from consilience.cli._learn import evaluate_run

    evaluate_run(run, split, as_json, changed_data)


@main.command(epilog=_EPILOG)
@click.argument("run", type=click.Path())
def report(run: str) -> None:
    """Draws the course of a RUN, finished or not, as one page in it: losses, shares, metrics by step."""
    from consilience.cli._learn import report_course

    report_course(run)


@main.command(epilog=_EPILOG)
@click.argument("run", type=click.Path())
@click.option("--runs", type=click.Path(), help="The directory that the new run is kept in.  [default: beside RUN]")
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0),
    default=0.0,
    show_default=True,
    help="The largest absolute difference that counts as equal.",
)
@click.option("--json", "as_json", is_flag=True, help="Prints the comparison as JSON.")
def reproduce(run: str, runs: str | None, tolerance: float, as_json: bool) -> None:
    """Trains the fusion of a finished RUN again, and compares environment, log and weights.

    Ends with 0 when nothing differs by more than the tolerance, with 1 otherwise.
    """
    from consilience.cli._reproduce import reproduce_run

    reproduce_run(run, runs, tolerance, as_json)


@main.command(epilog=_EPILOG)
@click.argument("run", type=click.Path())
@click.argument("texts", nargs=-1, metavar="[TEXT]...")
@click.option("--text", "plain", is_flag=True, help="Each line of standard input is a text, not JSON.")
@click.option("--output", "-o", "outputs", multiple=True, help="A node or node.port to give; all answers if left out.")
@click.option("--batch-size", type=click.IntRange(min=1), default=32, show_default=True)
def predict(run: str, texts: tuple[str, ...], plain: bool, outputs: tuple[str, ...], batch_size: int) -> None:
    """Answers with the model of a RUN, or of a saved model's directory.

    Asks about each TEXT, or about each line of standard input: a JSON object from field to value, such as {"text": "a
    fine film"}. Prints one JSON object for each, in order. What cannot be read gives {"error": ...} in its place, and
    exit code 1 at the end.
    """
    from consilience.cli._predict import predict_with

    predict_with(run, texts, plain, outputs, batch_size)


@main.command(epilog=_EPILOG)
@_RUNS
@click.option("--seeds", type=click.IntRange(min=1), default=1, show_default=True, help="How many seeds to train with.")
def demo(runs: str, seeds: int) -> None:
    """Fuses four disciplines on film reviews, and compares with the same file taught by the labels alone."""
    from consilience.cli._demo import run_demo

    run_demo(runs, seeds)
