"""How a stage declares its tunable values: every one has a unit or choices, a default and a reason."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """Base of every stage's settings: frozen, and refuses keys that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def quantity(default: float, unit: str, low: float, high: float, why: str) -> Any:
    """A tunable number.

    Parameters
    ----------
    default, low, high : in ``unit``; low and high are both allowed
    unit : SI unit, or '1' for a pure number
    why : one line: what it does and where the default comes from
    """
    return Field(default=default, ge=low, le=high, description=why, json_schema_extra={"unit": unit})


def choice(default: Any, why: str) -> Any:
    """One of the words that the field's ``Literal`` type lists, or a tuple of them.

    why : one line: what the choice is about
    """
    return Field(default=default, description=why)


def listed(unit: str, why: str) -> Any:
    """A tuple of finite numbers in that unit, empty unless given.

    why : one line: what it holds
    """
    return Field(default=(), description=f"{unit}: {why}")
