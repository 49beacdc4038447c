"""The fields of dlcourse's dataclasses, read from the source: what Hydra composes needs no more of them.

A task, say, is one class: its fields are the schema of what can be set, its methods compute, with torch, which takes
a second and a half to import. Help, Tab completion and the refusal of a mistyped key are about fields only. So the
statement that defines a class is run here without its methods, and without the imports that only they need. What has
been composed is made an object of the real class before anything is done with it.
"""

import ast
import copy
import dataclasses
import re
import sys
from collections.abc import Sequence
from enum import Enum
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from dlcourse.cli.interrupts import ends_at_once

PACKAGE = Path(__file__).resolve().parent.parent

# Fields of these types take any choice: one of another package is a child of the class, and none of the class's schema.
CHOSEN_FROM = ("Task", "Model", "Optimizer")


@cache
def schema(module: str, name: str) -> Any:
    """A dataclass with its fields, defaults and class variables, but without its methods; an enum with its names.

    Anything else that a field's type or default names is what the module makes of it, imported if it has to be.

    Args:
        module: A module of dlcourse: "dlcourse.tasks.zigzag", or one that has it from there: "dlcourse.tasks".
        name: What it calls the class.
    """
    statement = _statements(module).get(name)
    if statement is None:  # not one of dlcourse's modules, or not a plain statement of one
        return getattr(import_module(module), name)
    if isinstance(statement, ast.ImportFrom):
        assert statement.module is not None and statement.level == 0  # imports name the whole path
        return schema(statement.module, {each.asname or each.name: each.name for each in statement.names}[name])
    if isinstance(statement, ast.Import):
        return import_module(name)
    if isinstance(statement, ast.ClassDef):
        statement = _without_methods(statement)
    loaded = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    used = loaded & _statements(module).keys()
    scope = {"__name__": module, "Any": Any} | {each: schema(module, each) for each in used - {name}}
    exec(compile(ast.Module([statement], []), str(path_of(module)), "exec"), scope)
    return scope[name]


def named(room: str, attribute: str) -> dict[str, tuple[str, str]]:
    """The classes that a room of dlcourse exports for the command line: their names there -> module and name.

    Args:
        room: Such as "dlcourse.tasks".
        attribute: The class variable that holds the name. A class that has none of its own is only a parent of others.
    """
    found = {}
    for statement in _statements(room).values():
        if isinstance(statement, ast.ImportFrom) and str(statement.module).startswith("dlcourse."):
            for each in statement.names:
                module, definition = _defined(str(statement.module), each.name)
                if (value := _values(module, attribute).get(definition)) is not None:
                    found[value] = module, definition
    return found


def real(value: Any, parts: dict[int, Any] | None = None) -> Any:
    """What was made of schemas, made again of the classes themselves, which check it.

    Args:
        value: An object, or a schema itself. What was no schema's is returned as it is.
        parts: Parts that many objects have in common, by their `id`, with what was made of them; None for nothing yet.
            Each of them is made once. They must not be deleted as long as this is used.

    Raises:
        TypeError, ValueError: If a class refuses a value.
    """
    if isinstance(value, type):
        return _real_class(value)
    made_of: Any = type(value)
    kind = _real_class(made_of)
    if kind is made_of:
        return value
    if isinstance(value, Enum):
        return kind[value.name]
    if parts is not None and id(value) in parts:
        if parts[id(value)] is None:
            parts[id(value)] = real(value)
        return parts[id(value)]
    return kind(**{name: _real_field(name, getattr(value, name), parts) for name in _names_of_fields(made_of)})


def _real_field(name: str, value: Any, parts: dict[int, Any] | None) -> Any:
    """What `real` makes of a field's value; what it refuses is named as the command line does: task.num_train."""
    try:
        return real(value, parts)
    except (TypeError, ValueError) as error:
        if str(error).partition(" ")[0] in getattr(value, "__dataclass_fields__", ()):
            raise type(error)(f"{name}.{error}") from error
        raise


@cache
def _real_class(kind: Any) -> Any:
    """The class that a schema is the schema of; any other class itself."""
    if kind.__module__.partition(".")[0] != "dlcourse":
        return kind
    with ends_at_once():
        return getattr(import_module(kind.__module__), kind.__qualname__)


@cache
def _names_of_fields(kind: Any) -> list[str]:
    """The names of a dataclass's fields."""
    return [field.name for field in dataclasses.fields(kind)]


def with_settings(value: Any, settings: Sequence[tuple[Sequence[str], Any]]) -> Any:
    """A copy of what was made of schemas only, with other values in some places.

    Args:
        value: An object.
        settings: Places, as names of fields from the outermost to the innermost, each with its value.
    """
    found = copy.copy(value)
    for (name, *inner), new in settings:
        setattr(found, name, with_settings(getattr(found, name), [(inner, new)]) if inner else new)
    return found


def of_schemas_only(value: Any) -> bool:
    """Whether an object was made of a schema, and so was all that is in its fields and no plain value.

    Nothing is lost if such an object is copied, and changed, as long as it has not been made `real`. The constructor of
    another package's class may have made more of the values that it was given.
    """
    kind: Any = type(value)
    if not dataclasses.is_dataclass(kind) or not _is_schema(kind):
        return False
    return all(of_schemas_only(each) for each in vars(value).values() if dataclasses.is_dataclass(each))


def _is_schema(kind: Any) -> bool:
    """Whether a class is the schema of another one; that one's module need not be imported to see it."""
    module = sys.modules.get(kind.__module__)
    return kind.__module__.partition(".")[0] == "dlcourse" and getattr(module, kind.__qualname__, None) is not kind


def path_of(module: str) -> Path:
    """The file of a module of dlcourse."""
    path = PACKAGE.joinpath(*module.split(".")[1:])
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@cache
def _statements(module: str) -> dict[str, ast.stmt]:
    """The statement that gives each name its meaning, at the top of a module of dlcourse; none for other modules."""
    if module.partition(".")[0] != "dlcourse":
        return {}
    found: dict[str, ast.stmt] = {}
    for statement in ast.parse(_text(module)).body:
        match statement:
            case ast.Import() | ast.ImportFrom():
                found |= {alias.asname or alias.name: statement for alias in statement.names}
            case ast.ClassDef() | ast.FunctionDef():
                found[statement.name] = statement
            case ast.Assign() | ast.AnnAssign():
                found[_assigned(statement)] = statement
    return found


def _defined(module: str, name: str) -> tuple[str, str]:
    """Where a class or function gets its meaning, and its name there; modules of dlcourse may pass it on."""
    if re.search(rf"^(class|def) {name}\b", _text(module), re.MULTILINE):
        return module, name
    statement = _statements(module).get(name)
    if isinstance(statement, ast.ImportFrom) and statement.module is not None:
        return _defined(statement.module, {each.asname or each.name: each.name for each in statement.names}[name])
    return module, name


@cache
def _values(module: str, attribute: str) -> dict[str, str]:
    """The classes of a module of dlcourse that have a class variable of their own -> its value, a string.

    They are looked for in the text: there are fifty modules to look at, and to parse them takes a tenth of a second.
    """
    parts = re.split(r"^class (\w+)", _text(module), flags=re.MULTILINE)
    line = re.compile(rf'^    {attribute}: ClassVar\[str\] = "(\w+)"', re.MULTILINE)
    return {name: found[1] for name, body in zip(parts[1::2], parts[2::2], strict=True) if (found := line.search(body))}


@cache
def _text(module: str) -> str:
    """The source of a module of dlcourse."""
    return path_of(module).read_text(encoding="utf-8")


def _without_methods(definition: ast.ClassDef) -> ast.ClassDef:
    """The definition of a class, with its fields and class variables only; of an enum's members only the names."""
    is_enum = any(isinstance(base, ast.Name) and base.id == "StrEnum" for base in definition.bases)
    body: list[ast.stmt] = []
    for statement in definition.body:
        if is_enum and isinstance(statement, ast.Assign):
            body.append(ast.Assign(statement.targets, ast.Constant(_assigned(statement))))
        elif isinstance(statement, ast.AnnAssign) and not is_enum:
            takes_any = isinstance(statement.annotation, ast.Name) and statement.annotation.id in CHOSEN_FROM
            annotation = ast.Name("Any", ast.Load()) if takes_any else statement.annotation
            body.append(ast.AnnAssign(statement.target, annotation, statement.value, statement.simple))
    short = ast.ClassDef(definition.name, definition.bases, definition.keywords, body or [ast.Pass()],
                         definition.decorator_list)  # fmt: skip
    return ast.fix_missing_locations(ast.copy_location(short, definition))


def _assigned(statement: ast.stmt) -> str:
    """The name that a statement gives a value, if it does; else nothing."""
    if getattr(statement, "value", None) is None:
        return ""
    target = statement.target if isinstance(statement, ast.AnnAssign) else getattr(statement, "targets", [None])[0]
    return target.id if isinstance(target, ast.Name) else ""
