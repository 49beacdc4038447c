// The film of a run: a slider over the steps whose weights it has kept, and a button that plays them. What each step shows
// Python has made: here it is only put on the page.

const MILLISECONDS_A_STEP = 120;

// Shows the step that is looked at, and then asks for the others, answer by answer, until there are no more.
//   film: the first answer; parent: where the controls go; figures: where the figures are
//   ask: asks for the frames from a place on; remember: is told which step is looked at
export function showFilm(film, parent, figures, ask, remember) {
  const {steps} = film;
  const frames = {...film.frames};
  const last = steps.length - 1;
  const said = document.createElement("p");
  const button = Object.assign(document.createElement("button"), {type: "button", className: "play"});
  const slider = Object.assign(document.createElement("input"), {type: "range", className: "steps", min: 0, max: last});
  slider.value = film.index;
  slider.setAttribute("aria-label", "step");
  said.className = "said";
  parent.replaceChildren(...(last > 0 ? [button, slider] : []), said);

  let shown = null; // the frame that is on the page, or is just being put there
  let isDrawing = false;
  let isPlaying = false;

  async function show() {
    const place = Number(slider.value);
    if (!frames[place]) said.textContent = `step ${steps[place]} is being drawn …`;
    if (isDrawing) return; // it looks at the slider again when it is done
    isDrawing = true;
    while (frames[slider.value] && frames[slider.value] !== shown && parent.isConnected) {
      shown = frames[slider.value];
      said.textContent = shown.said;
      await Promise.all(shown.changes.map(change));
      parent.dataset.step = steps[slider.value]; // what a test waits for
    }
    isDrawing = false;
  }

  function change({figure, data, layout, traces}) {
    const box = [...figures.children].find((each) => each.dataset.name === figure);
    return box && Plotly.update(box, data, layout, traces);
  }

  function play(yes) {
    isPlaying = yes;
    button.textContent = yes ? "⏸ pause" : "▶ play";
    if (!yes) return remember(Number(slider.value) === last ? "" : String(steps[slider.value]));
    if (Number(slider.value) === last) slider.value = 0;
    next();
  }

  async function next() {
    while (isPlaying && parent.isConnected) {
      await Promise.all([show(), new Promise((done) => setTimeout(done, MILLISECONDS_A_STEP))]);
      if (!isPlaying) return;
      if (Number(slider.value) === last) return play(false);
      if (frames[Number(slider.value) + 1]) slider.value = Number(slider.value) + 1; // else it is waited for
    }
  }

  button.onclick = () => play(!isPlaying);
  slider.oninput = show;
  slider.onchange = () => play(false);
  button.textContent = "▶ play";

  async function askForTheRest() {
    let from = film.next;
    while (from !== null && parent.isConnected) {
      const more = await ask(from);
      Object.assign(frames, more.frames);
      from = more.next;
      show();
    }
    parent.dataset.frames = Object.keys(frames).length;
  }
  const first = show();
  first.then(askForTheRest).catch((error) => (said.textContent = error.message));
  return first;
}
