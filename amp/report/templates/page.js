// What surrounds the drawing: the panel of the current event, the pointer, buttons and keys.

// --- the panel

function html(name, parent, content, attributes = {}) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (content !== undefined) made.textContent = content;
  parent.appendChild(made);
  return made;
}

function references(list, heading, numbers, suffix = "") {
  if (!numbers.length) return;
  html("dt", list, heading);
  const row = html("div", html("dd", list), undefined, { class: "refs" });
  for (const n of numbers.slice(0, 12)) {
    if (known(n)) html("button", row, `#${n}`, { type: "button", "data-go": n, title: text(n) });
    else html("span", row, `#${n} (not kept)`);
  }
  if (numbers.length > 12) html("span", row, `and ${numbers.length - 12} more`);
  if (suffix) html("span", row, suffix);
}

const older = first === 1 ? "what was there at the start" : "what is older than this trace";
const readersText = (n) => {
  const all = readers.get(n) || [];
  return all.length ? all.map((load) => `#${load}`).slice(0, 6).join(", ") + (all.length > 6 ? ` and ${all.length - 6} more` : "") : "nobody";
};

function arrivalText(n) {
  const all = arrivals(n);
  if (!all.length) return "not by the end of the trace";
  const begin = all[0][0], end = all[all.length - 1][0];
  const waited = `${end - n} event${end - n === 1 ? "" : "s"} after it was issued`;
  if (bar(n)[1] > last) return `in part from #${begin} on, never as a whole`;
  return begin === end ? `#${end}, ${waited}` : `#${begin} to #${end}, the last ${waited}`;
}

function describe() {
  const n = state.current, panel = byId("current"), store = storeOf(n);
  panel.replaceChildren();
  const label = roleOf(n);
  html(`h${level}`, panel, `#${n} ${data.cpus[cpu(n)].name}: ${isArrival(n) ? "visible: " : ""}${text(n)}${label ? ` (${label})` : ""}`, { class: "title" });
  if (data.marks[n]) html("p", panel, data.marks[n], { class: n === roles.barrier ? "mark blamed" : "mark" });
  const list = html("dl", panel);
  const fact = (heading, value) => {
    html("dt", list, heading);
    html("dd", list, value);
  };
  fact("Kind", KIND_NAME[kind(n)] + (texts[of("more", n)] ? ` (${texts[of("more", n)]})` : ""));
  if (place(n)) fact("Where", `${place(n)}, ${of("size", n)} byte${of("size", n) === 1 ? "" : "s"} at 0x${of("address", n).toString(16)}`);
  if (texts[of("value", n)]) fact("Value", texts[of("value", n)]);
  if (texts[of("site", n)]) fact("Site", texts[of("site", n)]);
  if (texts[of("line", n)]) fact("Line", texts[of("line", n)]);
  if (texts[of("code", n)]) fact("Code", texts[of("code", n)]);
  if (isArrival(n)) references(list, "Store", [store]);
  if (isStore(n)) fact("Visible", arrivalText(n));
  if (known(store) && kind(store) === KIND.STORE) {
    references(list, "Read by", readers.get(store) || []);
    if (!readers.has(store)) fact("Read by", "nobody in this trace");
  }
  if (kind(n) === KIND.LOAD) {
    if (sources(n).length) references(list, "Read", sources(n));
    else fact("Read", older);
    if (n in data.newest) references(list, "Stale", [data.newest[n]], "is newer, and was visible");
    if (n === roles.bad && roles.missed && roles.missed !== data.newest[n]) references(list, "Was due", [roles.missed]);
  }
  const registers = data.registers[n];
  if (registers) {
    html("dt", list, "Registers");
    const row = html("div", html("dd", list), undefined, { class: "registers" });
    for (const [name, value] of registers) html("span", row, `${name} ${value}`);
  }
  for (const row of around.querySelectorAll("tr[data-go]")) {
    if (Number(row.dataset.go) === n) row.setAttribute("aria-current", "true");
    else row.removeAttribute("aria-current");
  }
}

// --- the pointer

const eventAt = (target) => {
  const found = target.closest?.("[data-n]");
  return found ? Number(found.getAttribute("data-n")) : null;
};

function hover(n, pointer) {
  if (n !== state.hover) {
    state.hover = n;
    schedule();
  }
  tip.hidden = n === null;
  if (n === null) return;
  const said = [`#${n} ${data.cpus[cpu(n)].name}: ${isArrival(n) ? "visible: " : ""}${text(n)}`];
  const store = storeOf(n);
  if (known(store) && kind(store) === KIND.STORE) said.push(`visible: ${arrivalText(store)}`, `read by ${readersText(store)}`);
  if (kind(n) === KIND.LOAD) said.push(sources(n).length ? `read ${sources(n).map((source) => `#${source}`).join(", ")}` : `read ${older}`);
  if (n in data.newest) said.push(`stale: newest is #${data.newest[n]}`);
  if (data.marks[n]) said.push(data.marks[n]);
  tip.textContent = said.join("\n");
  const box = byId("timeline").getBoundingClientRect(), own = tip.getBoundingClientRect();
  const left = Math.min(pointer.clientX - box.left + 14, box.width - own.width - 6);
  tip.style.left = `${Math.max(4, left)}px`;
  tip.style.top = `${pointer.clientY - box.top + 16}px`;
}

const pointers = new Map();
let drag = null, spread = 0, dragged = false;
const eventUnder = (clientX) => state.from + (clientX - plot.getBoundingClientRect().left - gutter) / scale();
const distance = () => {
  const [one, two] = [...pointers.values()];
  return Math.max(20, Math.abs(one.clientX - two.clientX));
};

plot.addEventListener("pointerdown", (event) => {
  if (event.button > 0) return;
  pointers.set(event.pointerId, event);
  dragged = false;
  drag = { x: event.clientX, from: state.from, to: state.to };
  if (pointers.size === 2) spread = distance();
});
plot.addEventListener("pointermove", (event) => {
  if (!pointers.has(event.pointerId)) return hover(eventAt(event.target), event);
  pointers.set(event.pointerId, event);
  if (pointers.size === 2) {
    const now = distance();
    zoom(spread / now, eventUnder([...pointers.values()].reduce((sum, each) => sum + each.clientX, 0) / 2));
    spread = now;
    dragged = true;
    return undefined;
  }
  const moved = event.clientX - drag.x;
  if (!dragged && Math.abs(moved) < 4) return undefined;
  if (!dragged) plot.setPointerCapture(event.pointerId);
  dragged = true;
  plot.classList.add("dragging");
  hover(null);
  return show(drag.from - moved / scale(), drag.to - moved / scale());
});
const release = (event) => {
  pointers.delete(event.pointerId);
  plot.classList.remove("dragging");
};
plot.addEventListener("pointerup", (event) => {
  const n = dragged ? null : eventAt(event.target);
  release(event);
  if (n !== null) go(n);
});
plot.addEventListener("pointercancel", release);
plot.addEventListener("pointerleave", (event) => {
  if (!pointers.has(event.pointerId)) hover(null);
});
plot.addEventListener("wheel", (event) => {
  if (prefix && document.activeElement !== plot) return; // in a list the wheel scrolls by what is not used
  event.preventDefault();
  const unit = event.deltaMode === 1 ? 16 : event.deltaMode === 2 ? 400 : 1;
  if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
    const by = ((event.deltaX || event.deltaY) * unit) / scale();
    show(state.from + by, state.to + by);
  } else zoom(Math.exp(event.deltaY * unit * 0.002), eventUnder(event.clientX));
}, { passive: false });
overview.addEventListener("pointerdown", (event) => overview.setPointerCapture(event.pointerId));
const pan = (event) => {
  if (event.type === "pointermove" && !(event.buttons & 1)) return;
  const box = overview.getBoundingClientRect(), span = state.to - state.from;
  const middle = first - 1 + ((event.clientX - box.left) / box.width) * (last - first + 2);
  show(middle - span / 2, middle + span / 2);
};
overview.addEventListener("pointerdown", pan);
overview.addEventListener("pointermove", pan);

// --- buttons and keys

const actions = {
  "back": () => step(-1), "forward": () => step(1),
  "story-back": () => stepStory(-1), "story-forward": () => stepStory(1),
  "zoom-in": () => zoom(0.5), "zoom-out": () => zoom(2), "fit": showAll, "fit-finding": showFinding, "copy": copy,
};
for (const [id, action] of Object.entries(actions)) byId(id)?.addEventListener("click", action);
for (const button of around.querySelectorAll("button.role")) {
  button.hidden = !(button.dataset.role in roles);
  button.addEventListener("click", () => go(roles[button.dataset.role]));
}
around.addEventListener("click", (event) => {
  const found = event.target.closest("[data-go]");
  if (found) go(Number(found.getAttribute("data-go")));
});

const KEYS = {
  ArrowLeft: () => step(-1), ArrowRight: () => step(1), Home: () => go(first), End: () => go(last),
  "+": () => zoom(0.5), "=": () => zoom(0.5), "-": () => zoom(2), f: showAll, s: showFinding,
  a: () => go(roles.A), b: () => go(roles.B), w: () => go(roles.bad),
};
keysOf.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const along = event.shiftKey && { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  const action = along ? () => stepStory(along) : KEYS[event.key];
  if (!action) return;
  event.preventDefault();
  action();
});

async function copy() {
  const code = byId("replay");
  try {
    await navigator.clipboard.writeText(code.textContent);
    byId("copy").textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(code); // no clipboard here: marked, to be copied by hand
  }
}

new ResizeObserver(() => {
  layOut();
  schedule();
}).observe(byId("timeline"));
layOut();
showFinding();
describe();
draw();
