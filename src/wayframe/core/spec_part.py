"""What every mapping of a spec has in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator

_YES_OR_NO = ("distilled", "partial", "cfg_star", "banner", "loop")


class Part(BaseModel):
    """A mapping of a spec: no other keys, and values that can be meant."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _a_value_that_can_be_meant(cls, value: object, info: ValidationInfo) -> object:
        """YAML reads `yes`, `on` and `true` as a switch, which would count as the number 1; and text must be text."""
        values = value if isinstance(value, list | tuple) else (value,)
        if info.field_name not in _YES_OR_NO and any(isinstance(item, bool) for item in values):
            raise ValueError("expected a number or text, not true or false")
        if any(isinstance(item, str) and not _can_be_written(item) for item in values):
            raise ValueError("holds characters that are no text (half of a surrogate pair, or a broken file name)")
        return value


def _can_be_written(text: str) -> bool:
    """Whether text has a UTF-8 form; JSON's escapes and file names can hold what has none."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)
