"""The versions of the packages: found without importing them, and told where they changed."""

import subprocess
import sys

import pytest

from twinverify.search.versions import PACKAGES, installed_versions, version_note


def test_all_packages_have_a_version_and_none_is_imported_for_it() -> None:
    script = (
        "import sys; from twinverify.search.versions import installed_versions; found = installed_versions();"
        " print(sorted(found), {'torch', 'ray', 'mlflow', 'optuna', 'numpy'} & sys.modules.keys())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    # Run from a checkout, our own package may not be installed.
    assert set(installed_versions()) | {"twinverify"} == {"python", *PACKAGES}
    assert done.stdout.strip() == f"{sorted(installed_versions())} set()"


def test_a_package_that_is_not_installed_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twinverify.search.versions.PACKAGES", ("numpy", "no-such-package"))
    assert installed_versions().keys() == {"python", "numpy"}


@pytest.mark.parametrize(
    ("now", "note"),
    [
        ({"torch": "2.14.1", "timm": "1.0"}, None),
        ({"torch": "2.14.1"}, None),
        ({"torch": "2.14.1", "timm": "1.0", "ray": "2"}, None),
        (
            {"torch": "2.15.0", "timm": "1.0"},
            "torch was 2.14.1 when this sweep started, now 2.15.0: the rest of the sweep may differ in its last digits",
        ),
        (
            {"torch": "2.15.0", "timm": "1.1"},
            "torch was 2.14.1 when this sweep started, now 2.15.0; timm was 1.0, now 1.1: the rest of the sweep may"
            " differ in its last digits",
        ),
    ],
    ids=["the same", "one is gone", "one is new", "one differs", "two differ"],
)
def test_what_differs_is_named_in_one_line(now: dict[str, str], note: str | None) -> None:
    assert version_note({"torch": "2.14.1", "timm": "1.0"}, now) == note


def test_of_a_sweep_that_kept_no_versions_nothing_is_told() -> None:
    assert version_note({}, {"torch": "2.14.1"}) is None
