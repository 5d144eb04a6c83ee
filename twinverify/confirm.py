"""`python -m twinverify.confirm`: the best of a sweep and its default with fresh seeds, then the sealed test, once."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from shlex import quote

from twinverify.environment import prepare

prepare()

from twinverify.interrupt import Stop, quit_quietly, stoppable  # noqa: E402

if __name__ == "__main__":
    quit_quietly()

from rich.console import Console  # noqa: E402
from rich.progress import BarColumn, Progress, TextColumn  # noqa: E402

from twinverify.arguments import parse, run  # noqa: E402
from twinverify.errors import UserError  # noqa: E402
from twinverify.faces.faceset import FaceSet  # noqa: E402
from twinverify.faces.sealed import open_test, sealed_digest, sealed_people  # noqa: E402
from twinverify.reports.confirmed import confirmation_table, confirmation_verdict, sealed_table  # noqa: E402
from twinverify.reports.console import open_console  # noqa: E402
from twinverify.reports.live import LiveTable  # noqa: E402
from twinverify.reports.words import duration  # noqa: E402
from twinverify.search.confirm.models import free_untested  # noqa: E402
from twinverify.search.confirm.options import ConfirmOptions  # noqa: E402
from twinverify.search.confirm.plan import Confirmation, plan_confirmation, write_chosen  # noqa: E402
from twinverify.search.confirm.register import Seal, finished  # noqa: E402
from twinverify.search.confirm.result import Confirmed, NothingToCompareError, judge, write_result  # noqa: E402
from twinverify.search.confirm.sealed_test import (  # noqa: E402
    NotScorableError,
    asked,
    check_models,
    score,
    stored_test,
)
from twinverify.search.confirm.stored_test import StoredTest, read_results, result_path, write_test  # noqa: E402
from twinverify.search.confirm.tracked import deliver  # noqa: E402
from twinverify.search.disk import predict  # noqa: E402
from twinverify.search.preflight import check_training  # noqa: E402
from twinverify.search.stored import is_sweep  # noqa: E402
from twinverify.search.sweep import Outcome, run_sweep  # noqa: E402
from twinverify.search.tracked import check_tracking, open_courier  # noqa: E402
from twinverify.settings import Config  # noqa: E402

EXAMPLES = (
    "python -m twinverify.confirm glca_heads top=5 seeds=5",
    "python -m twinverify.confirm glca_heads top=3 seeds=10 gpus_per_trial=0.5 test=false",
    "python -m twinverify.confirm glca_heads again=true",
)


def main(argv: Sequence[str]) -> int:
    """Confirm a sweep and give the exit status: 0 done, 1 no result or not delivered, 130 interrupted."""
    options, _ = parse(
        "confirm", ConfirmOptions, argv, summary=__doc__ or "", examples=EXAMPLES, configurable=False, words="names"
    )
    confirmation = plan_confirmation(options)
    plan = confirmation.plan
    seal = _seal(confirmation)
    if options.test:
        seal.refuse_if_opened(confirmation.of.stored.sweep_id, again=options.again)
    check_training(plan.config)
    away = check_tracking(plan)
    console = open_console()
    for note in (*plan.split.train.notes, *plan.notes, *([away] if away else [])):
        console.print(f"Note: {note}", markup=False, highlight=False, soft_wrap=True)
    console.print(_intention(confirmation), markup=False, highlight=False, soft_wrap=True)
    console.print(str(predict(plan)), markup=False, highlight=False, soft_wrap=True)
    write_chosen(confirmation)
    with stoppable(lambda: f"Interrupted; continue with:   {_again(confirmation, options)}") as stop:
        outcome = run_sweep(plan, LiveTable(console), open_courier)
        if outcome.interrupted or outcome.state.running or len(outcome.state.trials) < plan.options.trials:
            return _unfinished(console, confirmation, options, outcome, stop)
        try:
            confirmed = judge(confirmation, outcome.state)
        except NothingToCompareError as error:
            console.print(f"\n{error}", markup=False, highlight=False, soft_wrap=True)
            return 1
        _tell_confirmed(console, confirmed)
        is_scored = True
        if options.test:
            try:
                is_scored = _test(console, confirmed, seal, again=options.again)
            except UserError:
                deliver(confirmation)  # what was confirmed needs no test
                raise
        if any(test.opening.finished for test in read_results(result_path(confirmation)).tests):
            free_untested(confirmed)
        undelivered = outcome.undelivered or deliver(confirmation)
    if undelivered:
        again = _again(confirmation, options.model_copy(update={"test": False, "again": False}))
        told = f"Not delivered to MLflow: {undelivered}; deliver later with: {again}"
        console.print(told, markup=False, highlight=False, soft_wrap=True)
    return 1 if undelivered or not is_scored else 0


def _seal(confirmation: Confirmation) -> Seal:
    plan = confirmation.plan
    side = plan.options.data, plan.config, plan.split.test, plan.cache
    own = [test.opening for test in read_results(result_path(confirmation)).tests]
    return Seal(confirmation.of.folder.parent, sealed_digest(*side), own, sealed_people(*side))


def _intention(confirmation: Confirmation) -> str:
    plan, many = confirmation.plan, len(confirmation.chosen)
    numbers = ", ".join(str(each.trial) for each in confirmation.chosen[1:])
    how = "Going on with the confirmation" if plan.goes_on else "Confirmation"
    return (
        f"{how} of {confirmation.of.name} in {plan.folder}: trials {numbers} and the default,"
        f" {len(confirmation.seeds)} seeds each: {many * len(confirmation.seeds)} trainings of"
        f" {plan.config.train.epochs} epochs"
    )


def _unfinished(
    console: Console, confirmation: Confirmation, options: ConfirmOptions, outcome: Outcome, stop: Stop
) -> int:
    done = sum(trial.state != "running" for trial in outcome.state.trials)
    told = f"{done} of {confirmation.plan.options.trials} trainings done, {duration(outcome.seconds)}."
    why = "Interrupted" if outcome.interrupted else "The budget is used up"
    console.print(f"\n{told}", markup=False, highlight=False, soft_wrap=True)
    again = f"{why}; continue with:   {_again(confirmation, options)}"
    console.print(again, markup=False, highlight=False, soft_wrap=True)
    if outcome.interrupted:
        stop.told()
        return 130
    return 1


def _tell_confirmed(console: Console, confirmed: Confirmed) -> None:
    path = write_result(confirmed)
    console.print()
    console.print(confirmation_table(confirmed, width=console.width))
    console.print(confirmation_verdict(confirmed), markup=False, highlight=False, soft_wrap=True)
    console.print(f"Its figures:                  {path}", markup=False, highlight=False, soft_wrap=True)


def _test(console: Console, confirmed: Confirmed, seal: Seal, *, again: bool) -> bool:
    """Open the sealed test: written down before the first score, and finished where a kill came between.

    Returns:
        Whether all models could be scored.
    """
    confirmation = confirmed.confirmation
    plan = confirmation.plan
    check_models(confirmed)
    opening = seal.open(asked(confirmed), again=again)
    test = plan.split.test
    facts: dict[str, int | str] = {
        "digest": seal.digest,
        "people": len(test.people),
        "images": len(test.image_paths),
        "families": len(set(test.families.values())),
        "twin_pairs": len(test.twin_pairs),
    }
    write_test(confirmation, stored_test(confirmed, opening, facts, None))
    columns = (TextColumn("Sealed test"), BarColumn(), TextColumn("{task.completed} of {task.total} models"))
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("")
        scored, fault = None, None
        try:
            scored = score(
                confirmed,
                _door(confirmation),
                lambda done, total: progress.update(task, completed=done, total=total),
            )
        except NotScorableError as error:
            fault = str(error)
    done = finished(opening)
    result = stored_test(confirmed, done, facts, scored, fault)
    # The result first, as finished: after a kill between the two it is scored again, under the same number.
    write_test(confirmation, result)
    seal.finish(done)
    _tell_tested(console, confirmation, result)
    return fault is None


def _door(confirmation: Confirmation) -> Callable[[Config], AbstractContextManager[FaceSet]]:
    plan = confirmation.plan
    return lambda config: open_test(plan.options.data, config, plan.cache, plan.options.pairs)


def _tell_tested(console: Console, confirmation: Confirmation, result: StoredTest) -> None:
    console.print()
    if result.winner is None:
        fault = f"The sealed test was opened, but not all models can be scored: {result.not_scorable}"
        console.print(fault, markup=False, highlight=False, soft_wrap=True)
    else:
        console.print(sealed_table(result, width=console.width))
        if result.default is None:
            console.print("The default configuration is the winner itself.", highlight=False)
    told = f"Opening {result.opening.number}, {result.opening.opened}: {result_path(confirmation)}"
    console.print(told, markup=False, highlight=False, soft_wrap=True)


def _again(confirmation: Confirmation, options: ConfirmOptions) -> str:
    """Give the command that goes on."""
    if not is_sweep(confirmation.plan.folder):
        return "the same command"
    words = [] if options.test else ["test=false"]
    words += ["again=true"] if options.again else []
    words += [f"output={quote(str(options.output))}"] if options.output else []
    return " ".join(["python -m twinverify.confirm", confirmation.of.name, *words])


if __name__ == "__main__":
    run(main)
