// What a data block holds, by event number. amp/report/view.py says what its fields are. These files are the body of a
// function of `block`, which is called for each block of the page (amp/report/html.py).
const data = JSON.parse(block.textContent);
const { prefix, level } = block.dataset;
const around = block.parentElement;
const keysOf = prefix ? around : document; // alone on its page it has all keys; else those pressed within
const { first, last, events, texts, roles, story } = data;
const KIND = { STORE: 1, VISIBLE: 2, LOAD: 3, BARRIER: 4, KICK: 5, RUNG: 6, TAKEN: 7, WAIT: 8, STALL: 9, RETIRE: 10, NOTE: 11 };
const KIND_NAME = ["", "store", "arrival", "load", "barrier", "doorbell", "doorbell arrives", "interrupt", "wait", "stall", "end", "note"];
const GRANULE = 8; // bytes that become visible together
const SCALAR = 8; // bytes; more is a bulk access
const CROWDED = 3; // px between two marks; closer ones are thinned out
const NEAREST = 10; // events in view at the highest zoom
const ROW = 14, PENDING_ROWS = 9; // px of a pending store's bar; rows of them before they get thinner
const BADGE = 14; // px across
const LINKS = 400; // lines drawn at most for one store
const SVG = "http://www.w3.org/2000/svg";
const byId = (id) => document.getElementById(prefix + id);
const plot = byId("plot"), overview = byId("overview"), tip = byId("tip");

// --- what is known of an event, by number

const known = (n) => n >= first && n <= last;
const of = (column, n) => events[column][n - first];
const kind = (n) => of("kind", n);
const text = (n) => texts[of("text", n)];
const place = (n) => texts[of("place", n)];
const cpu = (n) => of("cpu", n);
const granule = (address) => address - (address % GRANULE);
const isStore = (n) => kind(n) === KIND.STORE || kind(n) === KIND.KICK;
const isArrival = (n) => kind(n) === KIND.VISIBLE || kind(n) === KIND.RUNG;
const isBulk = (n) => kind(n) === KIND.STORE && of("size", n) > SCALAR;
const noSite = texts.indexOf("");
const siteOf = (n) => texts[of("site", n)].split(": ")[0] || "no site";
const storeOf = (n) => (isArrival(n) ? of("store", n) : n);
const bar = (n) => data.bars[n]; // [row, end]
const arrivals = (n) => data.arrivals[n] || [];
const sources = (n) => data.sources[n] || [];
const isStale = (n) => n in data.newest || n === roles.bad;

const readers = new Map();
for (const [load, stores] of Object.entries(data.sources)) {
  for (const store of stores) {
    if (!readers.has(store)) readers.set(store, []);
    readers.get(store).push(Number(load));
  }
}
const inStory = new Set(story);
const locationOf = new Map(); // by store, of those that a named place held
data.locations.forEach((location, index) => location.steps.forEach(([, , store]) => locationOf.set(store, index)));
const roleOf = (n) => ["A", "B"].find((role) => roles[role] === n);
const storesOfCpu = data.cpus.map(() => []);
const programOfCpu = data.cpus.map(() => []);
const arrived = [];
for (let n = first; n <= last; n++) {
  if (isStore(n)) storesOfCpu[cpu(n)].push(n);
  if (isArrival(n)) arrived.push(n);
  else if (text(n) && !of("part", n)) programOfCpu[cpu(n)].push(n);
}

/** When the load could last see something of the store; null if it took its own CPU's store before that. */
function arrivalSeen(store, load) {
  const low = granule(of("address", load)), end = of("address", load) + of("size", load);
  const seen = arrivals(store).filter(([at, address]) => at < load && low <= address && address < end);
  return seen.length ? seen[seen.length - 1][0] : null;
}
