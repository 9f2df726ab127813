// The drawing: it draws what the data block holds and decides nothing about it. Time is the event's number. Only what
// is in view is drawn, and of marks that fall on one spot only the weightiest.

// --- state: the current event, the one under the pointer, and the events in view

const state = { current: roles.bad || story[story.length - 1] || last, hover: null, from: first, to: last };
let width = 0, gutter = 0, lanes = [], height = 0, scheduled = false;

const scale = () => (width - gutter) / (state.to - state.from); // px per event
const x = (n) => gutter + (n - state.from) * scale();
const inView = (n) => n >= state.from && n <= state.to;

function show(from, to) {
  const whole = last - first + 2;
  const span = Math.min(Math.max(to - from, NEAREST), Math.max(whole, NEAREST));
  const middle = (from + to) / 2;
  const low = first - 1, high = Math.max(last + 1, low + span);
  state.from = Math.min(Math.max(middle - span / 2, low), high - span);
  state.to = state.from + span;
  schedule();
}

const showAll = () => show(first - 1, last + 1);

function showFinding() {
  const [low, high] = data.span, margin = Math.max(4, (high - low) * 0.1);
  show(low - margin, high + margin);
}

function zoom(factor, at = (state.from + state.to) / 2) {
  const span = Math.min(Math.max((state.to - state.from) * factor, NEAREST), last - first + 2);
  const share = (at - state.from) / (state.to - state.from);
  show(at - span * share, at + span * (1 - share));
}

function go(n) {
  if (!known(n)) return;
  state.current = n;
  state.hover = null;
  const span = state.to - state.from, margin = span * 0.08;
  if (n < state.from + margin || n > state.to - margin) show(n - span / 2, n + span / 2);
  describe();
  schedule();
}

function step(by) {
  let n = state.current + by;
  while (known(n) && of("part", n)) n += by; // a stale part of the bulk load that follows: shown with it
  go(n);
}

function stepStory(by) {
  const next = by > 0 ? story.find((n) => n > state.current) : story.filter((n) => n < state.current).pop();
  if (next !== undefined) go(next);
}

// --- drawing

function el(name, attributes, parent, content) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (content !== undefined) made.textContent = content;
  if (parent) parent.appendChild(made);
  return made;
}

function schedule() {
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(() => {
    scheduled = false;
    draw();
  });
}

/** From the top: the host's program, its pending stores, memory, the remote's pending stores, its program. */
function layOut() {
  const box = plot.getBoundingClientRect();
  width = Math.max(box.width, 200);
  gutter = width < 560 ? 84 : 150;
  lanes = [];
  let y = 22;
  const add = (lane) => {
    lanes.push({ ...lane, y });
    y += lane.height;
  };
  const pending = (number) => {
    const rows = Math.max(1, ...storesOfCpu[number].map((n) => bar(n)[0] + 1));
    return { what: "pending", cpu: number, height: Math.min(rows, PENDING_ROWS) * ROW + 6 };
  };
  const program = (number) => ({ what: "program", cpu: number, height: 58 });
  const hosts = data.cpus.map((_, i) => i).filter((i) => data.cpus[i].host);
  const others = data.cpus.map((_, i) => i).filter((i) => !data.cpus[i].host);
  for (const number of hosts) [program(number), pending(number)].forEach(add);
  data.locations.forEach((location, index) => add({ what: "location", index, height: 20 }));
  add({ what: "rest", height: 16 });
  for (const number of others) [pending(number), program(number)].forEach(add);
  height = y + 4;
  plot.style.height = `${height}px`;
  plot.setAttribute("viewBox", `0 0 ${width} ${height}`);
}

const lane = (what, number) => lanes.find((each) => each.what === what && (each.cpu ?? each.index) === number);
const isHost = (number) => data.cpus[number].host;
const yProgram = (number) => lane("program", number).y + (isHost(number) ? 33 : 25);
/** As high as the rows in view allow. */
function fitRows(number) {
  const there = lane("pending", number);
  const inUse = storesOfCpu[number].filter((n) => n <= state.to && bar(n)[1] >= state.from);
  const rows = inUse.reduce((most, n) => Math.max(most, bar(n)[0] + 1), 1);
  there.rowHeight = Math.min(ROW, (there.height - 6) / rows);
}
const rowHeightOf = (n) => lane("pending", cpu(n)).rowHeight;
function yBar(n) {
  const { y, rowHeight, height: full } = lane("pending", cpu(n)), row = bar(n)[0];
  return isHost(cpu(n)) ? y + full - 3 - (row + 1) * rowHeight : y + 3 + row * rowHeight;
}
function yMemory(n) {
  const found = locationOf.has(n) ? lane("location", locationOf.get(n)) : lanes.find((each) => each.what === "rest");
  return found.y + found.height / 2;
}

function draw() {
  plot.replaceChildren();
  data.cpus.forEach((_, number) => fitRows(number));
  const clip = el("clipPath", { id: `${prefix}inside` }, el("defs", {}, plot));
  el("rect", { x: gutter, y: 0, width: width - gutter, height }, clip);
  drawLanes();
  const inside = el("g", { "clip-path": `url(#${prefix}inside)` }, plot);
  drawMemory(inside);
  data.cpus.forEach((_, number) => drawPending(inside, number));
  data.cpus.forEach((_, number) => drawProgram(inside, number));
  drawFocus(inside);
  drawRoles(inside);
  drawCursor(inside);
  drawOverview();
  byId("where").textContent = `#${state.current}`;
  plot.dataset.current = state.current;
  plot.dataset.scale = scale().toFixed(4);
  plot.dataset.from = state.from.toFixed(2);
  plot.dataset.to = state.to.toFixed(2);
}

function drawLanes() {
  for (const { what, cpu: number, index, y, height: tall } of lanes) {
    const memory = what === "location" || what === "rest";
    el("rect", { x: 0, y, width, height: tall, class: memory ? "memory" : "band" }, plot);
    if (what === "program") el("text", { x: 6, y: yProgram(number) + 4, class: "label" }, plot, data.cpus[number].name);
    if (what === "pending") el("text", { x: 6, y: y + tall / 2 + 4, class: "dim" }, plot, "pending");
    if (what === "location") fitted(el("text", { x: 6, y: y + 14 }, plot), data.locations[index].name, gutter - 10);
    if (what === "rest") el("text", { x: 6, y: y + 12, class: "dim" }, plot, "memory");
  }
  const steps = [1, 2, 5].flatMap((digit) => [0, 1, 2, 3, 4, 5, 6].map((power) => digit * 10 ** power));
  const every = Math.min(...steps.filter((each) => each * scale() >= 74), 1e7);
  for (let n = Math.ceil(state.from / every) * every; n <= state.to; n += every) {
    if (x(n) < gutter + 2) continue;
    el("line", { x1: x(n), x2: x(n), y1: 18, y2: height, class: "rule" }, plot);
    el("text", { x: x(n), y: 13, class: "dim", "text-anchor": "middle" }, plot, `#${n}`);
  }
}

/** The end of the text that fits: the end of a place's name is what tells it from others. */
function fitted(node, content, room) {
  const characters = Math.max(3, Math.floor(room / 5.9));
  node.textContent = content.length <= characters ? content : `…${content.slice(1 - characters)}`;
}

function drawMemory(inside) {
  data.locations.forEach((location, index) => {
    const { y, height: tall } = lane("location", index);
    let drawnTo = -Infinity;
    location.steps.forEach(([at, held, store], i) => {
      const until = i + 1 < location.steps.length ? location.steps[i + 1][0] : last + 1;
      if (until < state.from || at > state.to || x(until) < drawnTo + 1) return;
      const from = Math.max(x(at), gutter), wide = Math.max(1, Math.min(x(until), width) - from);
      drawnTo = from + wide;
      el("rect", { x: from, y: y + 2, width: wide, height: tall - 4, class: "held", ...(known(store) ? { "data-n": store } : {}) }, inside);
      if (wide > held.length * 6 + 6) el("text", { x: from + 4, y: y + 13.5, class: "held-text" }, inside, held);
    });
  });
  const { y, height: tall } = lanes.find((each) => each.what === "rest");
  let drawnTo = -Infinity;
  for (const n of arrived) {
    if (!inView(n) || x(n) < drawnTo + 2) continue;
    drawnTo = x(n);
    el("rect", { x: x(n) - 1, y: y + 3, width: 2, height: tall - 6, class: "quiet", "data-n": n }, inside);
  }
}

function drawPending(inside, number) {
  const { rowHeight } = lane("pending", number);
  const drawnTo = new Map();
  for (const n of storesOfCpu[number]) {
    const [row, end] = bar(n);
    if (end < state.from || n > state.to) continue;
    const from = Math.max(x(n), gutter - 2), wide = Math.max(1.5, Math.min(x(end), width + 2) - from);
    if (wide < 3 && from < (drawnTo.get(row) ?? -Infinity) + 1) continue;
    drawnTo.set(row, from + wide);
    const label = roleOf(n), y = yBar(n);
    const style = label ? " blamed" : kind(n) === KIND.KICK ? " kick" : isBulk(n) ? " bulk" : "";
    el("rect", { x: from, y: y + 0.5, width: wide, height: rowHeight - 1, rx: 2, class: `bar-store${style}`, "data-n": n }, inside);
    if (rowHeight >= 10 && wide > 26) {
      const said = text(n).replace(/^(store|write) /, "");
      fitted(el("text", { x: from + 3, y: y + rowHeight - 3.5, class: "bar-text" }, inside), label ? `${label} ${said}` : said, wide - 6);
    }
    if (scale() >= 4 || inStory.has(n)) drawArrivals(inside, n);
  }
}

function drawArrivals(inside, n) {
  const host = isHost(cpu(n)), from = yBar(n) + (host ? rowHeightOf(n) : 0), to = yMemory(n) + (host ? -3 : 3), barb = host ? -4 : 4;
  for (const [at] of arrivals(n)) {
    if (!inView(at)) continue;
    el("path", { d: `M${x(at)},${from}V${to}m-3,${barb}l3,${-barb}l3,${barb}`, fill: "none", class: roleOf(n) ? "arrive blamed" : "arrive" }, inside);
  }
}

const WEIGHT = { [KIND.KICK]: 5, [KIND.TAKEN]: 5, [KIND.STALL]: 5, [KIND.BARRIER]: 3, [KIND.STORE]: 2, [KIND.LOAD]: 2 };
const weight = (n) => (n in data.marks || roleOf(n) ? 9 : isStale(n) ? 6 : (WEIGHT[kind(n)] ?? 1));

function drawProgram(inside, number) {
  const y = yProgram(number), chosen = new Map();
  for (const n of programOfCpu[number]) {
    if (!inView(n)) continue;
    const spot = scale() >= CROWDED ? n : Math.floor(x(n) / CROWDED);
    const there = chosen.get(spot);
    if (there === undefined || weight(n) > weight(there)) chosen.set(spot, n);
  }
  for (const n of chosen.values()) drawMark(inside, n, x(n), y);
}

function drawMark(inside, n, cx, cy) {
  const attributes = { "data-n": n };
  const path = (d, style) => el("path", { ...attributes, d, class: style }, inside);
  switch (kind(n)) {
    case KIND.LOAD: {
      const size = of("size", n) > SCALAR ? 5.5 : 4;
      el("circle", { ...attributes, cx, cy, r: size, class: isStale(n) ? "load stale" : "load" }, inside);
      break;
    }
    case KIND.STORE:
      el("rect", { ...attributes, x: cx - 3, y: cy - 3, width: 6, height: 6, class: isBulk(n) ? "issue bulk" : "issue" }, inside);
      break;
    case KIND.BARRIER:
      el("rect", { ...attributes, x: cx - 1.5, y: cy - 11, width: 3, height: 22, class: n === roles.barrier ? "barrier blamed" : "barrier" }, inside);
      if (n !== roles.barrier && (scale() >= 18 || (scale() >= 4 && inStory.has(n))) && of("site", n) !== noSite) el("text", { x: cx, y: cy + (isHost(cpu(n)) ? 21 : -14), class: "site" }, inside, siteOf(n));
      break;
    case KIND.KICK:
      path(`M${cx},${cy - 6}l5,6l-5,6l-5,-6z`, "kick");
      break;
    case KIND.TAKEN:
      path(`M${cx - 5},${cy - 5}h10l-5,10z`, "taken");
      break;
    default:
      el("rect", { ...attributes, x: cx - 1.5, y: cy - 4, width: 3, height: 8, class: "quiet" }, inside);
  }
}

// --- who read what: for the event under the pointer, else for the current one

function link(inside, store, load, style) {
  if (!known(store)) return;
  const at = arrivalSeen(store, load), down = yProgram(cpu(load));
  const [fromX, fromY] = at === null ? [x(load), yBar(store) + 3] : [x(at), yMemory(store)];
  const bend = (fromY + down) / 2;
  el("path", { d: `M${fromX},${fromY}C${fromX},${bend} ${x(load)},${bend} ${x(load)},${down}`, class: `link ${style}`, "data-store": store, "data-load": load }, inside);
}

/** A load of what was there before the trace: straight from the place, if it is shown. */
function linkStart(inside, load) {
  const index = data.locations.findIndex((location) => location.address === of("address", load));
  if (index < 0) return;
  const { y, height: tall } = lane("location", index);
  el("path", { d: `M${x(load)},${y + tall / 2}V${yProgram(cpu(load))}`, class: "link bad", "data-load": load }, inside);
}

function outline(inside, n) {
  if (!known(n) || !bar(n)) return;
  const from = Math.max(x(n), gutter - 4), wide = Math.max(3, Math.min(x(bar(n)[1]), width + 4) - from);
  el("rect", { x: from - 1, y: yBar(n) - 0.5, width: wide + 2, height: rowHeightOf(n) + 1, rx: 3, fill: "none", "pointer-events": "none", class: "hot" }, inside);
}

function drawFocus(inside) {
  if (roles.bad) {
    const read = sources(roles.bad);
    if (read.length) read.forEach((store) => link(inside, store, roles.bad, "bad"));
    else linkStart(inside, roles.bad);
  }
  const focus = state.hover ?? state.current, store = storeOf(focus);
  const group = el("g", { id: `${prefix}focus` }, inside);
  if (known(store) && isStore(store)) {
    outline(group, store);
    for (const load of (readers.get(store) || []).slice(0, LINKS)) {
      if (!inView(load)) continue;
      link(group, store, load, "");
      el("circle", { cx: x(load), cy: yProgram(cpu(load)), r: 5, class: "reader", "pointer-events": "none", "data-reader": load }, group);
    }
  } else if (kind(focus) === KIND.LOAD) {
    for (const source of sources(focus)) {
      outline(group, source);
      link(group, source, focus, "");
    }
  }
}

function drawRoles(inside) {
  if (roles.bad && inView(roles.bad)) el("circle", { cx: x(roles.bad), cy: yProgram(cpu(roles.bad)), r: 9, class: "role-ring bad" }, inside);
  const crowded = roles.A ? Math.max(0, BADGE - Math.abs(x(roles.A) - x(roles.B))) / 2 : 0;
  for (const role of ["A", "B"]) {
    const n = roles[role];
    if (!n || !inView(n)) continue;
    const aside = (role === "A") === (roles.A < roles.B) ? -crowded : crowded;
    const cx = x(n) + aside, cy = yProgram(cpu(n)) + (isHost(cpu(n)) ? 16 : -16);
    el("circle", { cx, cy, r: BADGE / 2, class: n === roles.bad ? "badge-disc bad" : "badge-disc" }, inside);
    el("text", { x: cx, y: cy + 3.5, class: "badge-text" }, inside, role);
  }
  drawMarks(inside);
}

/** What is wrong, in place; where two would overlap, only what is wrong with the witness. */
function drawMarks(inside) {
  const taken = [];
  const numbers = Object.keys(data.marks).map(Number).filter(inView);
  for (const n of numbers.sort((one, two) => (two === roles.bad) - (one === roles.bad))) {
    const late = x(n) > gutter + (width - gutter) * 0.55, host = isHost(cpu(n)), said = (n === roles.barrier ? `${siteOf(n)}: ` : "") + data.marks[n];
    const wide = Math.min(said.length * 6.4, late ? x(n) - gutter : width - x(n)), from = late ? x(n) - 4 - wide : x(n) + 4;
    if (taken.some(([number, low, high]) => number === cpu(n) && from < high && low < from + wide)) continue;
    taken.push([cpu(n), from, from + wide]);
    const attributes = { x: x(n) + (late ? -4 : 4), y: yProgram(cpu(n)) + (host ? -17 : 25), "text-anchor": late ? "end" : "start" };
    const room = Math.max(2, Math.floor(wide / 6.2));
    el("text", { ...attributes, class: n === roles.barrier ? "said blamed" : "said" }, inside, said.length <= room ? said : `${said.slice(0, room - 1)}…`);
  }
}

function drawCursor(inside) {
  if (!inView(state.current)) return;
  const cx = x(state.current);
  el("line", { x1: cx, x2: cx, y1: 16, y2: height, class: "cursor" }, inside);
  el("path", { d: `M${cx - 5},15h10l-5,7z`, class: "cursor-head" }, inside);
}

const stale = Object.keys(data.newest).map(Number);
function drawOverview() {
  overview.replaceChildren();
  const wide = overview.getBoundingClientRect().width || width, at = (n) => ((n - first + 1) / (last - first + 2)) * wide;
  overview.setAttribute("viewBox", `0 0 ${wide} 20`);
  el("rect", { x: 0, y: 4, width: wide, height: 12, rx: 3, class: "memory" }, overview);
  const spots = new Set(stale.map((n) => Math.round(at(n))));
  for (const spot of spots) el("rect", { x: spot, y: 7, width: 1, height: 6, class: "density" }, overview);
  for (const n of story) el("line", { x1: at(n), x2: at(n), y1: 5, y2: 15, class: n === roles.bad ? "tick-bad" : "tick-story" }, overview);
  const from = at(state.from), to = at(state.to);
  el("rect", { x: from, y: 1, width: Math.max(3, to - from), height: 18, rx: 3, class: "window" }, overview);
}
