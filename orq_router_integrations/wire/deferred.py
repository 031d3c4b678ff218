"""Models of pydantic that are built when they are first used: most programs need few of them."""

from inspect import Signature
from typing import Any

from pydantic import BaseModel, ConfigDict


class _Signature:
    """The signature of a model that is not built yet: without it, ``help`` shows its parent's."""

    def __get__(self, _: object, owner: type[BaseModel]) -> Signature:
        owner.model_rebuild()  # puts the real one into the place of this one
        return owner.__signature__


class Deferred(BaseModel):
    """Base of models whose validation is built with the first one of them."""

    model_config = ConfigDict(defer_build=True)

    @classmethod
    def __pydantic_init_subclass__(cls, **given: Any) -> None:
        super().__pydantic_init_subclass__(**given)
        cls.__signature__ = _Signature()  # type: ignore[assignment]
