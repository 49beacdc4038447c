"""The types and shapes in signatures, checked at every call in a fraction of the time that jaxtyping's hook takes."""

import dataclasses
import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any, get_args

import jaxtyping
from beartype import BeartypeConf, beartype
from jaxtyping import jaxtyped

_check = beartype(conf=BeartypeConf(violation_type=jaxtyping.TypeCheckError))


def check_calls_in(modules: Sequence[str]) -> None:
    """Has every function and dataclass of these modules checked that is imported from now on."""
    # The hook writes `@jaxtyping.jaxtyped(typechecker=...)` over each of them. jaxtyping's own `jaxtyped` binds the
    # arguments of every call and checks them twice, also where there are no shapes: a quarter of the suite's time.
    jaxtyping.jaxtyped = lambda *, typechecker: checked
    jaxtyping.install_import_hook(list(modules), "beartype.beartype")


def checked(target: Any) -> Any:
    """A function that checks what it takes and gives, an axis having one size in a call; or a dataclass made by one."""
    if inspect.isclass(target):
        if dataclasses.is_dataclass(target):
            target.__init__ = checked(target.__init__)
        return target
    if inspect.isgeneratorfunction(target):  # beartype would check the arguments when the first value is asked for
        return jaxtyped(typechecker=_check)(target)
    function = _check(target)
    return _with_sizes(function) if any(map(_has_shapes, inspect.get_annotations(target).values())) else function


def _has_shapes(annotation: Any) -> bool:
    """Whether a shape is part of an annotation; taken for granted of a text that is more than a name."""
    if isinstance(annotation, str):
        return not annotation.isidentifier()
    if inspect.isclass(annotation) and issubclass(annotation, jaxtyping.AbstractArray):
        return True
    return any(map(_has_shapes, get_args(annotation)))


def _with_sizes(function: Callable[..., Any]) -> Callable[..., Any]:
    """Gives every call sizes of axes of its own."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        with jaxtyped("context"):
            return function(*args, **kwargs)

    return call
