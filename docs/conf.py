"""The site that `make docs` builds: the pages of this repository where they are, and the API from the docstrings."""

import re
import shutil
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.utils.math import latex2mathml
from sphinx.application import Sphinx
from sphinx.ext.napoleon import Config, GoogleDocstring

import dlcourse

project = "dlcourse"
version = release = dlcourse.__version__
root_doc = "README"
# The folder of the sources is the repository, so that one and the same link serves on GitHub and on the site.
include_patterns = ["*.md", "docs/**.md", "docs/**.rst", "experiments/**.md", "benchmarks/**.md"]
exclude_patterns = [".*", "build", "dist", "outputs"]
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode"]

myst_heading_anchors = 4
myst_fence_as_directive = ["math"]
default_role = "py:obj"
highlight_language = "text"
add_module_names = False
maximum_signature_line_length = 100
autodoc_default_options = {"members": True}
autodoc_member_order = "groupwise"
autodoc_preserve_defaults = True

html_theme = "furo"
html_static_path = ["site.css"]
html_css_files = ["site.css"]
html_favicon = "icon.svg"
html_title = f"dlcourse {version}"
html_show_sourcelink = html_copy_source = False
html_math_renderer = "mathml"

# The types of attributes stand in the code; as text, the stars of their shapes would be markup.
GOOGLE = Config(napoleon_use_ivar=True, napoleon_attr_annotations=False)

CONTENTS = {  # what stands beside every page, in this order
    "README": {
        "The question": ["docs/start", "docs/lecture", "docs/layerwise", "experiments/README", "docs/counting"],
        "How to": [
            "docs/own_code", "docs/sweeps", "docs/results", "docs/tensorboard", "docs/foreign_code", "docs/optuna",
            "docs/cluster", "docs/cuda",
        ],
        "The library": [
            "docs/api/pieces", "docs/api/networks", "docs/api/tasks", "docs/api/training", "docs/api/recording",
            "docs/api/layerwise", "docs/api/circuits", "docs/api/lecture", "docs/api/measurements",
        ],
        "The project": ["benchmarks/README", "CHANGELOG", "CONTRIBUTING"],
    },
    "experiments/README": {"One by one": ["*/README"]},
    "benchmarks/README": {"One by one": ["pieces", "pieces_cliffs", "pieces_scaling", "peers"]},
}  # fmt: skip


def add_contents(app: Sphinx, page: str, text: list[str]) -> None:
    """Adds to a page what only the site needs: links from code to its description, and the pages below it."""
    to_description = r"{py:obj}`\1 <dlcourse.\1>`"
    text[0] = re.sub(r"\[`([\w.]+)`\]\([./]*dlcourse/[\w/]+\.py\)", to_description, text[0])
    for caption, pages in CONTENTS.get(page, {}).items():
        text[0] += "\n".join(["\n```{toctree}", ":hidden:", ":glob:", f":caption: {caption}", "", *pages, "```\n"])


def read_as_written(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Has a docstring read as it is written: sentences with formulas in them, and code between backticks."""

    def as_markup(found: re.Match[str]) -> str:
        code, sign = found.groups()
        if sign:
            return f"\\{sign}"
        return code if re.fullmatch(r"`[\w.]+(\(\))?`", code) else f"`{code}`"

    text = re.sub(r"(`[^`]+`)|([*|]|_(?!\w))", as_markup, "\n".join(lines))
    # Of an attribute or property, napoleon takes what stands before the first colon for its type.
    kind = "method" if what in ("attribute", "property") else what
    lines[:] = GoogleDocstring(text, GOOGLE, app, kind, name, thing, options).lines()


def hide_private_arguments(
    app: Sphinx, what: str, name: str, thing: Any, options: Any, signature: str | None, returned: str | None
) -> tuple[str | None, str | None] | None:
    """Leaves out how a result is made if that is not for users: it takes an argument that begins with `_`."""
    return ("", None) if signature and re.search(r"[(,]\s*_\w", signature) else None


def write_mathml(translator: Any, node: nodes.Element) -> None:
    """Writes a formula as browsers draw it by themselves, in the part of LaTeX that docutils reads."""
    formula = re.sub(r"\\\\\[\w+\]", r"\\\\", node.astext()).replace(r"\textbf", r"\text")
    formula = re.sub(r"\\boldsymbol\{(.*?)\}", r"\1", formula)
    formula = re.sub(r"\{array\}(\{[r|]+\})?", "{matrix}", formula)
    translator.body.append(latex2mathml.tex2mathml(formula, as_block=isinstance(node, nodes.math_block)))
    raise nodes.SkipNode


def make_first_page(app: Sphinx, error: Exception | None) -> None:
    """README is the page that a server shows first."""
    if error is None:
        shutil.copy(Path(app.outdir, "README.html"), Path(app.outdir, "index.html"))


def setup(app: Sphinx) -> None:
    """Sphinx's entry point."""
    app.add_html_math_renderer("mathml", (write_mathml, None), (write_mathml, None))
    app.connect("source-read", add_contents)
    app.connect("autodoc-process-docstring", read_as_written)
    app.connect("autodoc-process-signature", hide_private_arguments)
    app.connect("build-finished", make_first_page)
