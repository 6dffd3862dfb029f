#!/usr/bin/env python3
"""Write ``docs/api.md`` from the docstrings: every public name, what it takes, gives and raises.

    python tools/api_reference.py            write the page
    python tools/api_reference.py --check    only say whether the committed page is up to date

The sources are parsed, not imported, so the page is the same on every machine and Python. Public
are the names in ``gmat_sweep.__all__`` and in ``__all__`` of the modules in `SUBMODULES`.
"""

from __future__ import annotations

import ast
import dataclasses
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TypeGuard

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "api.md"
PACKAGE = "gmat_sweep"
SUBMODULES = ("analysis", "plotting", "sensitivity", "archive", "doctor", "backends", "errors")

# Where a reader looks for a name, by the module it is defined in.
CHAPTERS = {
    "Sweeps": ("api", "sweep", "sweep_results"),
    "Records": ("spec", "manifest", "manifest_entry", "mission_script"),
    "Designs": ("grids", "distributions", "plans"),
    "Frames": ("aggregate",),
    "Statistics": ("analysis", "sensitivity"),
    "Plotting": ("plotting",),
    "Archive": ("archive",),
    "Doctor": ("doctor",),
    "Back ends": ("backends",),
    "Errors": ("errors",),
}

HEAD = """\
# API reference

<!-- Written by tools/api_reference.py from the docstrings. Change those, and run it again. -->

Names are imported from `gmat_sweep` itself where nothing else is said, as in
`from gmat_sweep import sweep`. Fields are GMAT's dotted names, values are in GMAT's units and
frames.
"""

SECTIONS = {
    "Parameters", "Attributes", "Returns", "Yields", "Raises", "Warns", "Notes", "Examples",
}  # fmt: skip
WIDTH = 96

# Bases that tell a reader nothing.
UNTOLD_BASES = {"ABC", "Exception", "SweepResults"}

type Definition = ast.FunctionDef | ast.ClassDef | ast.Assign | ast.AnnAssign | ast.TypeAlias


# --- finding what a name means -------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Found:
    """A public name: where it is imported from, where it is defined, and what it is."""

    name: str
    public: str
    module: str
    node: Definition
    docstring: str

    @property
    def kind(self) -> str:
        """What it is, in a word."""
        if isinstance(self.node, ast.FunctionDef):
            return "function"
        return "class" if isinstance(self.node, ast.ClassDef) else "value"


def tree_of(module: str) -> ast.Module:
    """Return the parsed source of a module, given as ``gmat_sweep.grids``."""
    base = ROOT / "src" / Path(*module.split("."))
    path = base / "__init__.py" if base.is_dir() else base.with_suffix(".py")
    return ast.parse(path.read_text(encoding="utf-8"))


def statements_of(tree: ast.Module) -> Iterator[ast.stmt]:
    """Yield the statements of a module, those under ``if TYPE_CHECKING`` included."""
    for node in tree.body:
        yield from node.body if isinstance(node, ast.If) else [node]


def exported_by(module: str) -> list[str]:
    """Return ``__all__`` of a module, without dunder names."""
    for node in tree_of(module).body:
        if isinstance(node, ast.Assign) and names_of(node) == ["__all__"]:
            names = ast.literal_eval(node.value)
            return [str(name) for name in names if not name.startswith("__")]
    raise LookupError(f"{module} has no __all__. Give it one.")


def names_of(node: ast.stmt) -> list[str]:
    """Return the names that a statement binds by an assignment."""
    if isinstance(node, ast.Assign):
        return [target.id for target in node.targets if isinstance(target, ast.Name)]
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return [node.target.id] if node.value is not None else []
    return [node.name.id] if isinstance(node, ast.TypeAlias) else []


def find(name: str, module: str, public: str) -> Found:
    """Return what `name` means in `module`, following imports within the package."""
    found: Found | None = None
    body = list(statements_of(tree_of(module)))
    for node, following in zip(body, [*body[1:], None], strict=True):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name:
            # Of overloads the last one is the function, and has the docstring.
            found = Found(name, public, module, node, ast.get_docstring(node) or "")
        elif isinstance(node, ast.Assign | ast.AnnAssign | ast.TypeAlias):
            if name in names_of(node):
                found = Found(name, public, module, node, docstring_in(following))
        elif imports(node, name):
            found = find(name, str(node.module), public)
    if found is None:
        raise LookupError(f"{module} exports {name}, which is defined nowhere.")
    if not found.docstring:
        raise LookupError(f"{found.module}.{name} has no docstring. Write one.")
    return found


def imports(node: ast.stmt, name: str) -> TypeGuard[ast.ImportFrom]:
    """Return whether a statement imports `name` from a module of this package."""
    return (
        isinstance(node, ast.ImportFrom)
        and (node.module or "").startswith(PACKAGE)
        and any((alias.asname or alias.name) == name for alias in node.names)
    )


def docstring_in(node: ast.stmt | None) -> str:
    """Return the text of a statement that is only a string."""
    if (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    ):
        lines = node.value.value.strip().splitlines()
        return "\n".join(line.strip() for line in lines)
    return ""


def public_names() -> list[Found]:
    """Return every public name once, under the module it is best imported from."""
    found = {name: find(name, PACKAGE, PACKAGE) for name in exported_by(PACKAGE)}
    for submodule in SUBMODULES:
        module = f"{PACKAGE}.{submodule}"
        for name in exported_by(module):
            found.setdefault(name, find(name, module, module))
    return list(found.values())


# --- signatures ----------------------------------------------------------------------------------


def signature_of(found: Found) -> str:
    """Return how a name is called, or what it is bound to."""
    node = found.node
    if isinstance(node, ast.FunctionDef):
        return call(found.name, parameters_of(node.args), node.returns)
    if isinstance(node, ast.ClassDef):
        parameters = constructor_of(node, found.module)
        if parameters is None:
            return f"class {found.name}"
        return call(f"class {found.name}", parameters)
    return text_of(node)


def call(name: str, parameters: list[str], returns: ast.expr | None = None) -> str:
    """Return a signature on one line, or on one line per parameter where it is long."""
    # What an overloaded function returns depends on its arguments; its Returns section says how.
    gives = "" if returns is None or text_of(returns) == "Any" else text_of(returns)
    arrow = f" -> {gives.strip('"')}" if gives else ""
    line = f"{name}({', '.join(parameters)}){arrow}"
    if len(line) <= WIDTH:
        return line
    listed = "".join(f"    {parameter},\n" for parameter in parameters)
    return f"{name}(\n{listed}){arrow}"


def text_of(node: ast.AST) -> str:
    """Return source text, with the quotes that this project writes."""
    return re.sub(r"'([^'\"]*)'", r'"\1"', ast.unparse(node))


def parameters_of(arguments: ast.arguments, *, is_method: bool = False) -> list[str]:
    """Return each parameter with its annotation and default."""
    plain = [*arguments.posonlyargs, *arguments.args]
    unset: list[ast.expr | None] = [None] * (len(plain) - len(arguments.defaults))
    shown = [
        one(argument, default)
        for argument, default in zip(plain, [*unset, *arguments.defaults], strict=True)
    ]
    if is_method:
        shown = shown[1:]
    if arguments.vararg is not None:
        shown.append(f"*{one(arguments.vararg, None)}")
    elif arguments.kwonlyargs:
        shown.append("*")
    shown += [
        one(argument, default)
        for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    ]
    if arguments.kwarg is not None:
        shown.append(f"**{one(arguments.kwarg, None)}")
    return shown


def one(argument: ast.arg, default: ast.expr | None) -> str:
    """Return one parameter."""
    text = argument.arg
    if argument.annotation is not None:
        text += f": {text_of(argument.annotation)}"
    if default is None:
        return text
    equals = " = " if argument.annotation is not None else "="
    return f"{text}{equals}{text_of(default)}"


def constructor_of(node: ast.ClassDef, module: str) -> list[str] | None:
    """Return the parameters of a class: of its ``__init__``, its dataclass fields, or its base."""
    for member in node.body:
        if isinstance(member, ast.FunctionDef) and member.name == "__init__":
            return parameters_of(member.args, is_method=True)
    if any("dataclass" in text_of(decorator) for decorator in node.decorator_list):
        return dataclass_parameters(node)
    for base in bases_of(node, module):
        if isinstance(base.node, ast.ClassDef):
            return constructor_of(base.node, base.module)
    return None


def dataclass_parameters(node: ast.ClassDef) -> list[str]:
    """Return the fields of a dataclass that its constructor takes."""
    positional: list[str] = []
    by_keyword: list[str] = []
    for member in node.body:
        if not isinstance(member, ast.AnnAssign) or not isinstance(member.target, ast.Name):
            continue
        annotation = text_of(member.annotation)
        if annotation.startswith("ClassVar"):
            continue
        options = field_options(member.value)
        if options.get("init") == "False":
            continue
        default = options.get("default")
        text = f"{member.target.id}: {annotation}" + (f" = {default}" if default else "")
        (by_keyword if options.get("kw_only") == "True" else positional).append(text)
    return [*positional, *(["*", *by_keyword] if by_keyword else [])]


def field_options(value: ast.expr | None) -> dict[str, str]:
    """Return the keywords of a dataclass field as text, with a ``default`` where it has one."""
    if value is None:
        return {}
    if not (isinstance(value, ast.Call) and text_of(value.func) == "field"):
        return {"default": text_of(value)}
    options = {word.arg: text_of(word.value) for word in value.keywords if word.arg}
    if "default_factory" in options:
        empty = {"dict": "{}", "list": "[]"}
        options["default"] = empty.get(options["default_factory"], "...")
    return options


def bases_of(node: ast.ClassDef, module: str) -> Iterator[Found]:
    """Yield the bases of a class that this package defines."""
    for base in node.bases:
        if isinstance(base, ast.Name):
            try:
                yield find(base.id, module, module)
            except LookupError:
                continue


# --- members -------------------------------------------------------------------------------------


def members_of(found: Found, documented: set[str]) -> Iterator[tuple[str, str]]:
    """Yield signature and docstring of the public members of a class.

    Those of a base come after its own, unless the base has an entry of its own.
    """
    assert isinstance(found.node, ast.ClassDef)
    for member in found.node.body:
        if isinstance(member, ast.FunctionDef) and not member.name.startswith("_"):
            yield member_signature(member, found.name), ast.get_docstring(member) or ""
        elif isinstance(member, ast.Assign) and isinstance(member.value, ast.Call):
            # A descriptor: its class says what it does.
            for name in names_of(member):
                kind = find(text_of(member.value.func), found.module, found.module)
                yield f"{found.name}.{name}(...)", kind.docstring
    for base in bases_of(found.node, found.module):
        if base.name not in documented and isinstance(base.node, ast.ClassDef):
            yield from members_of(dataclasses.replace(base, name=found.name), documented)


def member_signature(member: ast.FunctionDef, owner: str) -> str:
    """Return how a method is called, or a property read."""
    decorators = {text_of(decorator) for decorator in member.decorator_list}
    if "property" in decorators:
        returns = "" if member.returns is None else f": {text_of(member.returns)}"
        return f"{owner}.{member.name}{returns}"
    is_method = "staticmethod" not in decorators
    parameters = parameters_of(member.args, is_method=is_method)
    return call(f"{owner}.{member.name}", parameters, member.returns)


# --- docstrings to Markdown ----------------------------------------------------------------------


class Links:
    """Turns the names in a docstring into links to their entries."""

    def __init__(self, headings: list[str]) -> None:
        self._anchors: dict[str, str] = {}
        seen: Counter[str] = Counter()
        for heading in headings:
            anchor = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
            self._anchors[heading] = f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor
            seen[anchor] += 1

    def to(self, heading: str, text: str | None = None) -> str:
        """Return a link to a heading."""
        return f"[{text or heading}](#{self._anchors[heading]})"

    def markdown(self, text: str, *, inside: str) -> str:
        """Return a line of a docstring as Markdown; nothing links to the entry it is in."""
        text = text.replace("``", "\0")

        def code(match: re.Match[str]) -> str:
            name = match[1]
            target = name.rpartition(".")[2]
            is_link = target in self._anchors and target != inside and "." not in target
            whole = name in (target, f"{PACKAGE}.{target}")
            return self.to(target, f"`{target}`") if is_link and whole else f"`{name}`"

        parts = text.split("\0")
        # Between double backticks is code as it is; elsewhere single ones name something.
        return "".join(
            f"`{part}`" if number % 2 else re.sub(r"`([^`]+)`", code, part)
            for number, part in enumerate(parts)
        )


def markdown_of(docstring: str, links: Links, found: Found) -> str:
    """Return a numpydoc docstring as Markdown, its section titles in bold."""
    blocks: list[str] = []
    for title, lines in sections_of(docstring):
        if title:
            blocks.append(f"**{title}**")
        if title == "Examples":
            blocks.append(program(lines, found.name, found.public))
        elif title in SECTIONS - {"Notes", "Examples"}:
            blocks.append(items(title, lines, links, found.name))
        else:
            text = "\n".join(links.markdown(line, inside=found.name) for line in lines)
            blocks.append(text.strip("\n"))
    return "\n\n".join(block for block in blocks if block)


def sections_of(docstring: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the title and the lines of each section; the first has no title."""
    lines = docstring.splitlines()
    title = ""
    body: list[str] = []
    position = 0
    while position < len(lines):
        underlined = position + 1 < len(lines) and re.fullmatch(r"-{3,}", lines[position + 1])
        if underlined and lines[position] in SECTIONS:
            yield title, body
            title, body = lines[position], []
            position += 2
            continue
        body.append(lines[position])
        position += 1
    yield title, body


def items(title: str, lines: list[str], links: Links, inside: str) -> str:
    """Return a section of names with indented descriptions as a list."""
    listed: list[str] = []
    for line in lines:
        if line.startswith(" "):
            colon = ":" if "\n" not in listed[-1] else ""
            listed[-1] += f"{colon}\n  {links.markdown(line.strip(), inside=inside)}"
        elif title in {"Returns", "Yields"} and line:
            listed.append(f"- `{line}`")
        elif line:
            names, colon, kind = line.partition(" : ")
            shown = ", ".join(f"`{name}`" for name in names.split(", "))
            listed.append(f"- {shown}{f' ({kind})' if colon else ''}")
    return "\n".join(listed)


def program(lines: list[str], name: str, public: str) -> str:
    """Return a doctest of a name as the program that a reader would write."""
    code = [
        re.sub(r"  # doctest: .*", "", line[4:])
        for line in lines
        if line.startswith((">>> ", "... "))
    ]
    return "\n".join(["```python", f"from {public} import {name}\n", *code, "```"])


# --- the page ------------------------------------------------------------------------------------


def reference() -> str:
    """Return the whole page."""
    names = public_names()
    documented = {found.name for found in names}
    chapters: dict[str, list[Found]] = {chapter: [] for chapter in CHAPTERS}
    for found in sorted(names, key=lambda found: (found.name.lower(), found.name)):
        chapters[chapter_of(found)].append(found)
    headings = ["API reference"]
    for chapter, members in chapters.items():
        headings += [chapter, *(found.name for found in members)]
    links = Links(headings)

    lines = [HEAD]
    for chapter, members in chapters.items():
        listed = " · ".join(links.to(found.name, f"`{found.name}`") for found in members)
        lines.append(f"- {links.to(chapter)}: {listed}")
    for chapter, members in chapters.items():
        lines += ["", f"## {chapter}"]
        for found in members:
            lines += ["", entry(found, documented, links)]
    return "\n".join(lines) + "\n"


def chapter_of(found: Found) -> str:
    """Return the chapter that a name belongs to."""
    first = found.module.removeprefix(f"{PACKAGE}.").partition(".")[0]
    for chapter, modules in CHAPTERS.items():
        if first in modules:
            return chapter
    raise LookupError(f"{found.module} is in no chapter. Add it to CHAPTERS.")


def facts_of(found: Found, documented: set[str], links: Links) -> str:
    """Return where a name is imported from and what a class is a kind of, in a sentence each."""
    facts = [f"Import it from `{found.public}`."] if found.public != PACKAGE else []
    if isinstance(found.node, ast.ClassDef):
        bases = [
            links.to(base, f"`{base}`") if base in documented else f"`{base}`"
            for base in map(text_of, found.node.bases)
            if base not in UNTOLD_BASES
        ]
        facts += [f"A kind of {' and of '.join(bases)}."] if bases else []
    return " ".join(facts)


def entry(found: Found, documented: set[str], links: Links) -> str:
    """Return the entry of one name."""
    parts = [f"### `{found.name}`", f"```pyi\n{signature_of(found)}\n```"]
    if facts := facts_of(found, documented, links):
        parts.append(facts)
    parts.append(markdown_of(found.docstring, links, found))
    if isinstance(found.node, ast.ClassDef):
        for signature, docstring in members_of(found, documented):
            if not docstring:
                raise LookupError(f"{signature} has no docstring. Write one.")
            name = re.split(r"[(:]", signature, maxsplit=1)[0]
            parts.append(f"#### `{name}`")
            parts.append(f"```pyi\n{signature}\n```")
            parts.append(markdown_of(docstring, links, found))
    return "\n\n".join(parts)


def main() -> None:
    """Write the page, or check it."""
    made = reference()
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(made, encoding="utf-8")
    elif not PAGE.is_file() or PAGE.read_text(encoding="utf-8") != made:
        sys.exit(f"{PAGE.relative_to(ROOT)} is out of date. Run: python tools/api_reference.py")


if __name__ == "__main__":
    main()
