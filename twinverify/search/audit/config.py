"""Compares a configuration that was written somewhere with the one that a trial's values give."""

from pydantic import ValidationError

from twinverify.config import dump_config, flatten
from twinverify.errors import UserError, some
from twinverify.settings import Config
from twinverify.yaml12 import parse_yaml


class TrialConfig:
    """A trial's whole configuration, to compare with."""

    def __init__(self, config: Config) -> None:
        """Take the configuration that the journal's values give."""
        self._config, self._text = config, dump_config(config)

    def difference(self, text: str) -> tuple[str, str] | None:
        """Give the settings in which a YAML text differs, as expected and as found; None where it does in none.

        One that another version has written, word for word another, may have the same settings.
        """
        if text == self._text:  # reading YAML takes four times as long
            return None
        try:
            found = Config.model_validate(parse_yaml(text, "it"))
        except (UserError, ValidationError) as error:
            return "a configuration", f"none ({' '.join(str(error).split())[:100]})"
        wanted, there = flatten(self._config), flatten(found)
        keys = [key for key in wanted if wanted[key] != there[key]]
        if not keys:
            return None
        return some([f"{key} {wanted[key]!r}" for key in keys]), some([f"{key} {there[key]!r}" for key in keys])
