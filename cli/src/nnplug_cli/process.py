"""Preparation of the process for the work of a command, once at its start."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from nnplug.runtime.process import Work, prepare_process

Words = ParamSpec("Words")
Result = TypeVar("Result")


def prepares_process(work: Work) -> Callable[[Callable[Words, Result]], Callable[Words, Result]]:
    """Return a decorator of a command's function; `--help` and wrong usage end before it has an effect."""

    def decorate(function: Callable[Words, Result]) -> Callable[Words, Result]:
        @wraps(function)
        def prepared(*args: Words.args, **kwargs: Words.kwargs) -> Result:
            prepare_process(work)
            return function(*args, **kwargs)

        return prepared

    return decorate
