// Shows what Python has decided, and sends back what is chosen. All that is asked of the tab is `state`: names and values,
// which stand in TensorBoard's address (#depth_width&p.depth_width.NAME=VALUE), so that a view can be sent.

const PREFIX = "p.depth_width.";
const LOOK = {responsive: true, displaylogo: false, modeBarButtons: [["toImage", "resetScale2d"]]};

let state = {};
let asked = 0;
let timer = null;
let loaded; // a promise of plotly, which takes the browser a second or two to read
const place = {};
const before = {}; // what each place shows, as text

export async function render() {
  document.title = "Depth x width";
  document.head.append(element("link", {rel: "stylesheet", href: "./style.css"}));
  for (const className of ["choices", "answer", "figures", "detail cell", "detail run"]) {
    const box = element("div", {className});
    place[className.split(" ").pop()] = box;
    document.body.append(box);
  }
  state = inAddress();
  // Under an address with its version it may be kept for good.
  const version = new URL(import.meta.url).searchParams.get("plotly") ?? "";
  const script = element("script", {src: `./plotly.js?v=${version}`});
  loaded = new Promise((done, failed) => {
    script.onload = done;
    script.onerror = () => failed(new Error("plotly's script did not load"));
  });
  loaded.catch(() => {}); // said when it is needed
  document.head.append(script);
  listen();
  await update();
  if (state.cell || state.run) detail().scrollIntoView();
}

// --- the page

async function update() {
  const number = ++asked;
  clearTimeout(timer);
  try {
    const shown = await content("page");
    if (number !== asked) return; // something else has been chosen meanwhile
    showAnswer(shown);
    await loaded;
    if (number !== asked) return;
    await showFigures(place.figures, shown.figures ?? [], () => number === asked);
    if (number !== asked) return;
    if (shown.ask_again_in) timer = setTimeout(update, 1000 * shown.ask_again_in);
    const found = await content("detail");
    if (number !== asked) return;
    if (isNew("cell", [found.cell, found.run?.title])) showCell(found.cell, found.run);
    if (isNew("run", found.run)) await showRun(found.run);
    document.body.dataset.shown = number; // what a test waits for
  } catch (error) {
    if (number === asked) complain(error.message);
  }
}

// Nothing that is open or chosen just now is taken away by the same again.
function isNew(name, content) {
  const text = JSON.stringify(content);
  if (before[name] === text) return false;
  before[name] = text;
  return true;
}

function showAnswer(page) {
  document.querySelector(".error")?.remove();
  if (isNew("choices", page.choices)) place.choices.replaceChildren(...choices(page.choices));
  if (!isNew("answer", [page.title, page.sentence, page.facts, page.warnings, page.notes])) return;
  place.answer.replaceChildren(
    element("h1", {textContent: page.sentence}),
    element("p", {className: "facts", textContent: [page.title, ...(page.facts ?? [])].join(" · ")}),
    ...(page.warnings ?? []).map((text) => element("p", {className: "warnings", textContent: text})),
    notes(page.notes ?? []),
  );
}

function choices(all) {
  return all.map((choice) => {
    const label = element("label", {textContent: choice.label});
    const control = choice.is_switch
      ? element("input", {type: "checkbox", checked: choice.value === "1"})
      : element("select");
    control.name = choice.name;
    if (!choice.is_switch) {
      control.append(...choice.options.map(({value, label}) => element("option", {value, textContent: label})));
      control.value = choice.value;
    }
    control.onchange = () => choose({[choice.name]: choice.is_switch ? (control.checked ? "1" : "0") : control.value});
    choice.is_switch ? label.prepend(control) : label.append(control);
    return label;
  });
}

function notes(all) {
  const list = element("ul");
  list.append(...all.map((text) => element("li", {textContent: text})));
  const box = element("details", {hidden: !all.length});
  box.append(element("summary", {textContent: all.length === 1 ? "1 note" : `${all.length} notes`}), list);
  return box;
}

// Figures of the same name are drawn into the same place, so that a running sweep moves and does not blink. Each is seen
// before the next is drawn. When they are no longer wanted, those that are not drawn yet are left out.
async function showFigures(parent, figures, areWanted) {
  const old = Object.fromEntries([...parent.children].map((box) => [box.dataset.name, box]));
  const boxes = figures.map(({name}) => old[name] ?? element("div", {className: `figure ${name}`, dataset: {name}}));
  for (const box of parent.children) if (!boxes.includes(box) && box.data) Plotly.purge(box);
  parent.replaceChildren(...boxes);
  for (const [index, {figure}] of figures.entries()) {
    if (index) await new Promise((done) => setTimeout(done));
    if (!areWanted()) return;
    const box = boxes[index];
    const isNew = !box.data;
    Plotly.react(box, figure.data, figure.layout, LOOK);
    if (!isNew && box.clientWidth !== box._fullLayout.width) Plotly.Plots.resize(box); // others have come beside it
    if (isNew) box.on("plotly_click", ({points: [point]}) => clicked(point.customdata));
  }
}

function clicked(data) {
  if (!data?.length) return;
  const [cell, run] = data;
  choose({...(cell ? {cell} : {}), run: run ?? ""}).then(() => {
    detail().scrollIntoView({behavior: "smooth"});
    place.run.querySelector(".steps")?.focus({preventScroll: true}); // for the arrows of the keyboard
  });
}

function detail() {
  return place.cell.children.length ? place.cell : place.run;
}

// --- what a click shows

function showCell(cell, run) {
  place.cell.replaceChildren();
  if (!cell) return;
  const box = element("div", {className: "runs"});
  box.append(table(cell, run?.title));
  const said = cell.notes.map((textContent) => element("p", {textContent}));
  place.cell.append(element("h2", {textContent: cell.title}), ...said, box);
}

async function showRun(run) {
  place.run.replaceChildren();
  if (!run) return;
  const controls = element("div", {className: "film", dataset: {run: run.title}});
  const note = element("p", {className: "facts"});
  const figures = element("div", {className: "figures"});
  const side = element("div", {className: "side"});
  side.append(pairs("what it came to", run.facts), pairs("configuration", run.settings));
  place.run.append(element("h2", {textContent: run.title}), note, controls, figures);
  if (run.command) {
    place.run.append(element("p", {textContent: "This does it again:"}), element("pre", {textContent: run.command}));
  }
  place.run.append(side);
  const areWanted = () => controls.isConnected; // until another run is chosen
  await showFigures(figures, run.figures, areWanted);
  const film = await content("film", {run: run.title});
  if (!areWanted()) return;
  note.textContent = film.note;
  if (!film.steps.length) return;
  await showFigures(figures, [...film.figures, ...run.figures], areWanted);
  const {showFilm} = await import("./film.js"); // not on top, as no line runs before all imports are there
  if (!areWanted()) return;
  await showFilm(film, controls, figures, (from) => content("film", {run: run.title, from}), (step) => remember({step}));
}

function table({head, rows}, chosen) {
  const body = element("tbody", {className: "runs"});
  for (const {run, entries} of rows) {
    const row = element("tr", {className: run === chosen ? "chosen" : "", title: run});
    row.append(...entries.map((textContent) => element("td", {textContent})));
    row.onclick = () => choose({run});
    body.append(row);
  }
  return tableOf(head, body);
}

function pairs(title, all) {
  const body = element("tbody");
  for (const pair of all) {
    const row = element("tr");
    row.append(...pair.map((textContent) => element("td", {textContent})));
    body.append(row);
  }
  const box = element("div");
  const made = tableOf([], body);
  made.className = "pairs";
  box.append(element("h2", {textContent: title}), made);
  return box;
}

function tableOf(head, body) {
  const made = element("table");
  const top = element("tr");
  top.append(...head.map((textContent) => element("th", {textContent})));
  const thead = element("thead");
  thead.append(top);
  made.append(thead, body);
  return made;
}

// --- state and address

function choose(changes) {
  // Another sweep has other networks; another network has other runs, and another run other steps.
  if ("sweep" in changes) state = {};
  remember({...changes, ...("run" in changes ? {step: ""} : {})});
  return update();
}

function remember(changes) {
  state = Object.fromEntries(Object.entries({...state, ...changes}).filter(([, value]) => value !== ""));
  const words = Object.entries(state).map(([name, value]) => `${encodeURIComponent(PREFIX + name)}=${encodeURIComponent(value)}`);
  window.parent.history.replaceState(null, "", ["#depth_width", ...words].join("&"));
}

function inAddress() {
  const found = {};
  for (const part of window.parent.location.hash.slice(1).split("&")) {
    const [name, value] = [...new URLSearchParams(part.replaceAll("+", "%2B"))][0] ?? [""];
    if (name.startsWith(PREFIX)) found[name.slice(PREFIX.length)] = value;
  }
  return found;
}

// TensorBoard tells its frames when it reloads; and an address may be pasted into the window.
function listen() {
  const channel = new MessageChannel();
  channel.port1.onmessage = ({data}) => {
    const message = JSON.parse(data);
    if (message.type === "experimental.DataReloaded") update();
    if (!message.isReply) {
      channel.port1.postMessage(JSON.stringify({...message, payload: null, error: null, isReply: true}));
    }
  };
  window.parent.postMessage("experimental.bootstrap", "*", [channel.port2]);
  window.parent.addEventListener("hashchange", () => {
    const found = inAddress();
    if (!Object.keys(found).length || JSON.stringify(found) === JSON.stringify(state)) return;
    state = found;
    delete before.run; // its film may be asked for at another step
    update();
  });
}

async function content(what, more = {}) {
  const answer = await fetch(`./${what}?${new URLSearchParams({...state, ...more})}`);
  const found = await answer.json();
  if (found.error) throw new Error(found.error);
  return found;
}

function complain(text) {
  delete before.choices; // they may show what was not had
  document.querySelector(".error")?.remove(); // what there is to choose stays, to choose something else
  document.body.prepend(element("p", {className: "error", textContent: text}));
}

function element(tag, {dataset, ...properties} = {}) {
  const made = Object.assign(document.createElement(tag), properties);
  Object.assign(made.dataset, dataset);
  return made;
}
