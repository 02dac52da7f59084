"""The process belongs to the command: it is adapted to the command's work once, when that starts."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from nnplug.runtime.process import Work, prepare_process

Words = ParamSpec("Words")
Result = TypeVar("Result")


def prepares_process(work: Work) -> Callable[[Callable[Words, Result]], Callable[Words, Result]]:
    """Return a decorator of a command's function; `--help` and wrong usage end before it does anything."""

    def decorate(function: Callable[Words, Result]) -> Callable[Words, Result]:
        @wraps(function)
        def prepared(*args: Words.args, **kwargs: Words.kwargs) -> Result:
            prepare_process(work)
            return function(*args, **kwargs)

        return prepared

    return decorate
