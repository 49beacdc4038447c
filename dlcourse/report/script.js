// Draws the figures, each of whose places holds what plotly is to draw.
const LOOK = {displaylogo: false, modeBarButtons: [["toImage", "resetScale2d"]]};
for (const place of document.querySelectorAll(".figure")) {
  const {data, layout, change} = JSON.parse(place.firstElementChild.textContent);
  Plotly.newPlot(place, data, layout, LOOK);
  if (change) Plotly.update(place, change.data, change.layout, change.traces);
}
