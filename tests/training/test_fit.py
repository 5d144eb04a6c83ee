"""A whole training: it learns, it repeats to the last digit, it resumes exactly, it says what goes wrong."""

import random

import numpy as np
import pytest
import torch

from twinverify.errors import UserError
from twinverify.model.dcal import Dcal
from twinverify.training.checkpoint import read_model
from twinverify.training.device import choose_hardware
from twinverify.training.evaluate import validate
from twinverify.training.files import read_tensors
from twinverify.training.loop import TrainingDiverged, fit
from twinverify.training.names import BEST, LAST

EVERYTHING_RANDOM = {
    "train.ema": 0.9,
    "train.layer_decay": 0.8,
    "batch.accumulation": 3,
    "model.dropout": 0.1,
    "model.drop_path": 0.2,
    "model.glca.selection": "random",
    "model.pwca.distractor": "mixture",
    "model.pwca.apply_probability": 0.5,
    "augment.erasing": 0.5,
    "augment.flip": 0.5,
}
VARIANTS = {
    "default": {},
    "everything random": EVERYTHING_RANDOM,
    "sgd and adaface": {"train.optimizer": "sgd", "loss.identity.head": "adaface", "train.lr": 0.01},
}


def numbers(reports):
    """What must repeat: everything but the speed."""
    return [
        (report.epoch, {name: value for name, value in report.metrics.items() if name != "train/images_per_second"})
        for report in reports
    ]


def test_two_twin_families_are_learnt_to_a_twin_eer_of_zero(small, draw_faces):
    faces = draw_faces(families=2, images=6)
    quiet = {"augment.rotation": 0, "augment.jitter": 0, "augment.crop_scale": 1}
    config = small({"train.epochs": 80, "train.lr": 2e-3, "batch.images": 3, "batch.twin_share": 1} | quiet)
    errors = [report.metrics["val/twin_eer"] for report in fit(config, faces, faces)]
    assert max(errors[:5]) > 0.1, "the twins are too easy to show that anything was learnt"
    assert errors[-5:] == [0.0] * 5


def test_a_report_has_the_agreed_metrics_and_epochs_count_from_one(small, draw_faces):
    reports = list(fit(small(), draw_faces(), draw_faces(seed=1)))
    assert [report.epoch for report in reports] == [1, 2, 3]
    for report in reports:
        train = {"loss", "loss_sa", "loss_glca", "loss_pwca", "lr", "gradient_norm", "images_per_second"}
        val = {"twin_eer", "twin_auc", "general_eer", "general_auc"}
        wanted = {f"train/{name}" for name in train} | {f"val/{name}" for name in val}
        assert wanted <= report.metrics.keys()
        assert all(np.isfinite(value) for value in report.metrics.values())


@pytest.mark.parametrize("values", VARIANTS.values(), ids=VARIANTS)
def test_a_run_repeats_to_the_last_digit_whatever_the_process_did_before(small, draw_faces, values):
    config, train, validation = small(values), draw_faces(), draw_faces(seed=1)
    clean = list(fit(config, train, validation))
    random.seed(9), np.random.seed(9), torch.manual_seed(9)
    torch.set_default_dtype(torch.float64)
    try:
        with torch.inference_mode():
            again = []
            for report in fit(config, train, validation):
                again.append(report)
                torch.rand(3), np.random.rand(3), random.random()
    finally:
        torch.set_default_dtype(torch.float32)
    assert numbers(again) == numbers(clean)


def test_another_seed_is_another_run(small, draw_faces):
    one, other = (list(fit(small({"seed": s, "train.epochs": 1}), draw_faces(), draw_faces())) for s in (0, 1))
    assert numbers(one) != numbers(other)


@pytest.mark.parametrize("values", VARIANTS.values(), ids=VARIANTS)
def test_resuming_after_any_epoch_equals_the_uninterrupted_run(small, draw_faces, tmp_path, values):
    config, train, validation = small(values), draw_faces(), draw_faces(seed=1)
    whole = list(fit(config, train, validation, folder=_made(tmp_path / "whole")))
    for epochs in (1, 2):
        folder = _made(tmp_path / str(epochs))
        run = fit(config, train, validation, folder=folder)
        first = [next(run) for _ in range(epochs)]
        run.close()
        torch.manual_seed(77)
        rest = list(fit(config, train, validation, folder=folder))
        assert rest[:epochs] == first, "speed included: these epochs were not computed again"
        assert numbers(rest) == numbers(whole)
        for name in (LAST, BEST):
            wanted, found = (read_tensors(place / name)[0] for place in (tmp_path / "whole", folder))
            assert wanted.keys() == found.keys()
            assert all(torch.equal(wanted[key], found[key]) for key in wanted), name


def test_a_finished_training_tells_its_reports_again_and_trains_no_more(small, draw_faces, tmp_path):
    config, faces = small({"train.epochs": 1}), draw_faces()
    reports = list(fit(config, faces, faces, folder=tmp_path))
    assert list(fit(config, faces, faces, folder=tmp_path)) == reports


@pytest.mark.parametrize("values", [{}, {"train.ema": 0.9}], ids=["weights", "averaged weights"])
def test_the_best_model_read_back_gives_its_epochs_metrics(small, draw_faces, tmp_path, values):
    config, train, validation = small({"train.epochs": 5} | values), draw_faces(), draw_faces(seed=1)
    reports = list(fit(config, train, validation, folder=tmp_path, objective="val/general_auc"))
    best = max(reports, key=lambda report: report.metrics["val/general_auc"])
    _, kept = read_tensors(tmp_path / BEST)
    assert kept["epoch"] == best.epoch
    measured = validate(read_model(tmp_path / BEST), validation, choose_hardware(config.train)).metrics
    assert {f"val/{name}": value for name, value in measured.items()}.items() <= best.metrics.items()


@pytest.mark.parametrize(
    ("objective", "message"),
    [
        ("train/loss", "only a validation metric"),
        ("val/twin_er", r"did you mean val/twin_eer\?"),
        ("val/general_tar_at_far_0.001", "measured: val/twin_eer"),
    ],
)
def test_an_objective_that_cannot_be_measured_is_refused_with_the_known_ones(
    small, draw_faces, tmp_path, objective, message
):
    with pytest.raises(UserError, match=message):
        list(fit(small(), draw_faces(), draw_faces(), folder=tmp_path, objective=objective))
    assert not list(tmp_path.iterdir())


def test_without_twins_the_general_metrics_are_left(small, draw_faces):
    faces = draw_faces(twins=False)
    with pytest.raises(UserError, match=r"val/twin_eer.*measured: val/general_eer"):
        list(fit(small(), faces, faces))
    (report,) = fit(small({"train.epochs": 1}), faces, faces, objective="val/general_eer")
    assert not [name for name in report.metrics if "twin" in name]


def test_validation_faces_that_measure_nothing_are_refused(small, draw_faces):
    with pytest.raises(UserError, match="validation faces: nothing can be measured"):
        next(fit(small(), draw_faces(), draw_faces(images=1)))


def test_embeddings_that_are_not_finite_end_the_training_by_name(small, draw_faces, monkeypatch):
    monkeypatch.setattr(Dcal, "embed", lambda self, images: torch.full((len(images), self.embedding), torch.nan))
    with pytest.raises(TrainingDiverged, match=r"epoch 1: validation embeddings: 32 of 32 are not finite"):
        list(fit(small(), draw_faces(), draw_faces()))


def test_evaluation_leaves_the_model_in_training_mode_and_repeats(small, draw_faces):
    torch.manual_seed(0)
    config = small({"model.dropout": 0.5, "model.glca.selection": "random"})
    model = Dcal(config.model).train()
    first, second = (validate(model, draw_faces(), choose_hardware(config.train)).metrics for _ in range(2))
    assert first == second
    assert model.training


def _made(folder):
    folder.mkdir()
    return folder
