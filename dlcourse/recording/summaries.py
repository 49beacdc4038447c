"""What TensorBoard shows besides curves and pictures: texts, and which curves its Custom Scalars tab lays out how."""

from collections.abc import Mapping, Sequence
from typing import Any


def text(tag: str, words: str) -> Any:
    """A text in Markdown, for the Text tab.

    Args:
        tag: Its name.
        words: The text.
    """
    return _of_plugin("text", tag, words.encode())


def verbatim(words: str) -> str:
    """Lines of text as Markdown that keeps them as they are."""
    return "\n".join(f"    {line}" for line in words.splitlines())


def layout(charts: Mapping[str, Sequence[str]], category: str) -> Any:
    """Charts for the Custom Scalars tab.

    Args:
        charts: The title of each chart -> the tag of a curve, followed by those of the lower and the upper edge of the
            band around it, if there is one. Tags must have no parentheses: the tab would show nothing of them.
        category: What stands above them.
    """
    from tensorboard.plugins.custom_scalar import layout_pb2 as pb

    made = []
    for title, (tag, *edges) in charts.items():
        if edges:
            lower, upper = edges
            band = pb.MarginChartContent.Series(value=tag, lower=lower, upper=upper)
            made.append(pb.Chart(title=title, margin=pb.MarginChartContent(series=[band])))
        else:
            made.append(pb.Chart(title=title, multiline=pb.MultilineChartContent(tag=[f"^{_escaped(tag)}$"])))
    content = pb.Layout(category=[pb.Category(title=category, chart=made)])
    return _of_plugin("custom_scalars", "custom_scalars__config__", content.SerializeToString())


def _escaped(tag: str) -> str:
    """A tag as a regular expression that fits nothing else, in Python and in JavaScript."""
    return "".join(letter if letter.isalnum() or letter in " _/=" else f"\\{letter}" for letter in tag)


def _of_plugin(plugin: str, tag: str, content: bytes) -> Any:
    """A summary that holds one string for a plugin."""
    from tensorboard.compat.proto.summary_pb2 import DATA_CLASS_TENSOR, Summary, SummaryMetadata
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
    from tensorboard.compat.proto.types_pb2 import DT_STRING

    data = SummaryMetadata.PluginData(plugin_name=plugin)
    tensor = TensorProto(dtype=DT_STRING, string_val=[content], tensor_shape=TensorShapeProto())
    return Summary.Value(
        tag=tag, metadata=SummaryMetadata(plugin_data=data, data_class=DATA_CLASS_TENSOR), tensor=tensor
    )
