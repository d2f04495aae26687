// What is pointed at, pinned, searched for and switched off; each element of the picture knows its place in the facts.

const nodes = [...view.querySelectorAll(".node")];
const arrows = [...view.querySelectorAll(".edge")];
const tags = [...view.querySelectorAll(".label")];
const search = document.getElementById("search");
const indexes = new Map(); // from an element to what it shows: ["node", 3]
const joining = facts.nodes.map(() => ({ into: [], out: [] })); // the arrows at each node
const labelOf = new Map();
let pinned = null;
let under = null; // what the pointer is at
let lit = [];

nodes.forEach((element, index) => {
  const node = facts.nodes[index], count = (node.faults ?? []).length;
  const parts = [node.name, KINDS[node.band], node.component, count ? plural(count, "fault") : ""];
  element.querySelector("title")?.remove(); // the panel tells more, and at once
  element.setAttribute("tabindex", "0");
  element.setAttribute("role", "button");
  element.setAttribute("aria-label", parts.filter(Boolean).join(", "));
  indexes.set(element, ["node", index]);
});

arrows.forEach((element, index) => {
  const arrow = facts.arrows[index];
  element.querySelector("title")?.remove();
  const wide = element.querySelector(".line").cloneNode(false);
  wide.setAttribute("class", "hit");
  element.append(wide);
  indexes.set(element, ["arrow", index]);
  joining[arrow.from].out.push(index);
  joining[arrow.to].into.push(index);
});

tags.forEach((element, at) => {
  labelOf.set(facts.labelled[at], element);
  indexes.set(element, ["arrow", facts.labelled[at]]);
});

function elementOf([kind, index]) {
  return kind === "node" ? nodes[index] : arrows[index];
}

function mark(element, name) {
  if (!element) return;
  element.classList.add(name);
  lit.push([element, name]);
}

function markArrow(index, name) {
  mark(arrows[index], name);
  mark(labelOf.get(index), name);
}

// Lights the whole way that leads to a node, or on from it; references are no way that a value takes.
function follow(start, side, end) {
  const waiting = [start], seen = new Set(waiting);
  while (waiting.length) {
    for (const index of joining[waiting.pop()][side]) {
      const arrow = facts.arrows[index];
      if (arrow.kind === "reference") continue;
      markArrow(index, "way");
      if (seen.has(arrow[end])) continue;
      seen.add(arrow[end]);
      mark(nodes[arrow[end]], "way");
      waiting.push(arrow[end]);
    }
  }
}

function light([kind, index]) {
  if (kind === "arrow") {
    markArrow(index, "on");
    mark(nodes[facts.arrows[index].from], "near");
    mark(nodes[facts.arrows[index].to], "near");
  } else {
    follow(index, "into", "from");
    follow(index, "out", "to");
    for (const arrow of [...joining[index].into, ...joining[index].out]) {
      markArrow(arrow, "near");
      mark(nodes[facts.arrows[arrow].from], "near");
      mark(nodes[facts.arrows[arrow].to], "near");
    }
    mark(nodes[index], "on");
  }
  picture.classList.add("lit");
}

function dim() {
  for (const [element, name] of lit) element.classList.remove(name);
  lit = [];
  picture.classList.remove("lit");
}

let told = "";

function tell(thing) {
  const [kind, index] = thing;
  dim();
  light(thing);
  const now = `${kind} ${index} ${pinned !== null}`;
  if (now === told) return;
  told = now;
  if (kind === "node") tellNode(index, pinned !== null);
  else tellArrow(index);
  panel.scrollTop = 0;
  const faults = facts[kind === "node" ? "nodes" : "arrows"][index].faults ?? [];
  document.querySelectorAll("#faults li").forEach((item, at) => item.classList.toggle("current", faults.includes(at)));
}

function rest() {
  if (pinned ?? under) {
    tell(pinned ?? under);
    return;
  }
  dim();
  if (told !== "") tellAll();
  told = "";
  document.querySelectorAll("#faults li.current").forEach((item) => item.classList.remove("current"));
}

function pin(thing) {
  if (pinned) elementOf(pinned).classList.remove("pinned");
  pinned = thing;
  if (thing) {
    elementOf(thing).classList.add("pinned");
    tell(thing);
  } else {
    rest();
  }
}

function goTo(index) {
  pin(["node", index]);
  flyToElement(nodes[index], 0.9);
}

const thingAt = (target) => indexes.get(target.closest?.(".node, .edge, .label"));

stage.addEventListener("pointerover", (event) => {
  if (event.pointerType === "touch" || stage.classList.contains("moving")) return;
  under = thingAt(event.target) ?? null;
  if (!pinned) rest();
});
stage.addEventListener("pointerleave", () => {
  under = null;
  rest();
});
stage.addEventListener("click", (event) => {
  if (travelled > 4 || event.target.closest("#legend, #zoom")) return;
  const thing = thingAt(event.target);
  const isSame = thing && pinned && thing.join() === pinned.join();
  pin(thing && !isSame ? thing : null);
});
stage.addEventListener("focusin", (event) => {
  const thing = indexes.get(event.target);
  if (!thing || !event.target.matches(":focus-visible")) return;
  if (!isInView(event.target)) flyToElement(event.target, FAR);
  if (!pinned) tell(thing);
});
stage.addEventListener("focusout", () => rest());

document.getElementById("zoom").addEventListener("click", (event) => {
  const asked = event.target.closest("button")?.dataset.zoom;
  if (asked === "fit") fit();
  else if (asked) zoom(asked === "in" ? STEP : 1 / STEP);
});

document.getElementById("legend").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));
  const off = new Set([...document.querySelectorAll('#legend [aria-pressed="false"]')].map((one) => facts.disciplines[one.dataset.discipline]));
  facts.nodes.forEach((node, index) => nodes[index].classList.toggle("off", node.band !== "objective" && off.has(node.discipline)));
  facts.arrows.forEach((arrow, index) => {
    const isOff = [arrow.from, arrow.to].some((end) => nodes[end].classList.contains("off"));
    arrows[index].classList.toggle("off", isOff);
    labelOf.get(index)?.classList.toggle("off", isOff);
  });
});

document.getElementById("faults")?.addEventListener("click", (event) => {
  const button = event.target.closest("li")?.querySelector("button");
  if (!button) return;
  const index = Number(button.dataset.fault), fault = facts.faults[index];
  if (fault.node !== undefined && fault.node !== null) goTo(fault.node);
  else pin(null);
  document.querySelectorAll("#faults li").forEach((item, at) => item.classList.toggle("current", at === index));
});

let hits = [];
let hit = -1;

function seek() {
  const words = search.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
  const texts = facts.nodes.map((node) => [node.name, node.component, node.discipline, KINDS[node.band]].join(" ").toLowerCase());
  hits = words.length ? texts.flatMap((text, index) => (words.every((word) => text.includes(word)) ? [index] : [])) : [];
  hit = -1;
  picture.classList.toggle("seeking", words.length > 0);
  nodes.forEach((element, index) => element.classList.toggle("hit-by-search", hits.includes(index)));
  document.getElementById("hits").value = words.length ? `${hits.length} of ${nodes.length}` : "";
}

search.addEventListener("input", seek);
search.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && hits.length) {
    hit = (hit + (event.shiftKey ? hits.length - 1 : 1)) % hits.length;
    document.getElementById("hits").value = `${hit + 1} of ${hits.length}`;
    goTo(hits[hit]);
  } else if (event.key === "Escape") {
    search.value = "";
    seek();
    search.blur();
  }
});

const PACE = 60;
const MOVES = { ArrowLeft: [PACE, 0], ArrowRight: [-PACE, 0], ArrowUp: [0, PACE], ArrowDown: [0, -PACE] };

document.addEventListener("keydown", (event) => {
  if (event.target === search || event.ctrlKey || event.metaKey || event.altKey) return;
  const isInside = event.target.closest?.("#panel, #faults");
  const focused = indexes.get(event.target);
  if (MOVES[event.key] && !isInside) moveBy(...MOVES[event.key].map((way) => way * (event.shiftKey ? 4 : 1)));
  else if (event.key === "+" || event.key === "=") zoom(STEP);
  else if (event.key === "-" || event.key === "_") zoom(1 / STEP);
  else if (event.key === "0") fit();
  else if (event.key === "/") search.focus();
  else if (event.key === "Escape") pin(null);
  else if ((event.key === "Enter" || event.key === " ") && focused) pin(focused);
  else return;
  event.preventDefault();
});

const SCHEMES = ["light dark", "light", "dark"];
document.getElementById("scheme").addEventListener("click", (event) => {
  const root = document.documentElement;
  const next = SCHEMES[(SCHEMES.indexOf(root.style.colorScheme || SCHEMES[0]) + 1) % SCHEMES.length];
  root.style.colorScheme = next;
  event.currentTarget.setAttribute("aria-label", `colour scheme: ${next === SCHEMES[0] ? "as the system has it" : next}`);
});

picture.removeAttribute("viewBox");
Object.assign(eye, fitted());
show();
tellAll();
