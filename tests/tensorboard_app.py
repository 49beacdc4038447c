"""TensorBoard itself, without its server: what its tabs would ask for and get."""

import warnings
from pathlib import Path
from typing import Any

from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from werkzeug.test import Client

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # of a package that TensorBoard brings along
    from tensorboard.plugins.base_plugin import TBContext
    from tensorboard.plugins.custom_scalar.custom_scalars_plugin import CustomScalarsPlugin
    from tensorboard.plugins.graph.graphs_plugin import GraphsPlugin
    from tensorboard.plugins.hparams.hparams_plugin import HParamsPlugin
    from tensorboard.plugins.image.images_plugin import ImagesPlugin
    from tensorboard.plugins.scalar.scalars_plugin import ScalarsPlugin
    from tensorboard.plugins.text.text_plugin import TextPlugin


class TensorBoard:
    def __init__(self, folder: Path) -> None:
        multiplexer = EventMultiplexer()
        multiplexer.AddRunsFromDirectory(str(folder))
        multiplexer.Reload()
        context = TBContext(data_provider=MultiplexerDataProvider(multiplexer, str(folder)))
        self.plugins = {
            "scalars": ScalarsPlugin(context),
            "images": ImagesPlugin(context),
            "hparams": HParamsPlugin(context),
            "text": TextPlugin(context),
            "custom_scalars": CustomScalarsPlugin(context),
            "graphs": GraphsPlugin(context),
        }

    def scalar_tags(self) -> dict[str, set[str]]:
        """Run -> tags of its curves."""
        return {run: set(tags) for run, tags in self._get("scalars", "/tags").items()}

    def scalars(self, run: str, tag: str) -> list[tuple[float, int, Any]]:
        """(wall time, step, value) of the points of a curve."""
        return [tuple(point) for point in self._get("scalars", "/scalars", run=run, tag=tag)]

    def image_tags(self) -> dict[str, set[str]]:
        """Run -> tags of its images."""
        return {run: set(tags) for run, tags in self._get("images", "/tags").items()}

    def image(self, run: str, tag: str) -> bytes:
        """The file of the only image of a tag."""
        (sample,) = self._get("images", "/images", run=run, tag=tag, sample="0")
        return Client(self.plugins["images"].get_plugin_apps()["/individualImage"]).get(f"/?{sample['query']}").data

    def text(self, run: str, tag: str) -> str:
        """The HTML of the only text of a tag."""
        (found,) = self._get("text", "/text", run=run, tag=tag)
        return str(found["text"])

    def custom_scalars(self) -> dict[str, dict[str, Any]]:
        """Title -> chart of the Custom Scalars tab."""
        layout = self._get("custom_scalars", "/layout")
        return {chart["title"]: chart for category in layout.get("category", []) for chart in category["chart"]}

    def graph(self, run: str) -> str:
        """The network of a run as the GRAPHS tab gets it."""
        response = Client(self.plugins["graphs"].get_plugin_apps()["/graph"]).get(query_string={"run": run})
        assert response.status_code == 200, response.data
        return response.text

    def hparams_columns(self) -> tuple[set[str], set[str]]:
        """The hyperparameters and the metrics that the HPARAMS tab has columns for."""
        experiment = self._post("hparams", "/experiment", {})
        infos = experiment["hparamInfos"], experiment["metricInfos"]
        return {info["name"] for info in infos[0]}, {info["name"]["tag"] for info in infos[1]}

    def hparams_rows(self) -> dict[str, tuple[dict[str, Any], dict[str, Any]]]:
        """Row -> hyperparameters, metrics of the HPARAMS tab."""
        statuses = ["STATUS_UNKNOWN", "STATUS_SUCCESS", "STATUS_FAILURE", "STATUS_RUNNING"]
        groups = self._post("hparams", "/session_groups", {"allowedStatuses": statuses, "sliceSize": 1000})
        return {
            group["name"]: (
                group["hparams"],
                {metric["name"]["tag"]: metric["value"] for metric in group["metricValues"]},
            )
            for group in groups["sessionGroups"]
        }

    def _get(self, plugin: str, route: str, **query: str) -> Any:
        response = Client(self.plugins[plugin].get_plugin_apps()[route]).get(query_string=query)
        assert response.status_code == 200, response.data
        return response.json

    def _post(self, plugin: str, route: str, content: dict[str, Any]) -> Any:
        response = Client(self.plugins[plugin].get_plugin_apps()[route]).post(json=content)
        assert response.status_code == 200, response.data
        return response.json
