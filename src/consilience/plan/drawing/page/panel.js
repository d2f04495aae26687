// The panel: all that is known of a node or an arrow, written as text alone, never as markup.

const facts = JSON.parse(document.getElementById("facts").textContent);
const panel = document.getElementById("panel");
const KINDS = { resources: "resource", sources: "source", fields: "field", inputs: "input", modules: "module",
  losses: "loss", metrics: "metric", objective: "objective" };
const CARRIED = { column: "a column", tensor: "a tensor", target: "a target", term: "a loss", reference: "a reference" };

// Makes an element; of its children texts become text, and nothing is left out.
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(9).filter((child) => child !== undefined && child !== null && child !== ""));
  return element;
}

const counted = (value) => value.toLocaleString("en");
const plural = (count, one, more = `${one}s`) => `${counted(count)} ${count === 1 ? one : more}`;
const nodeOf = (index) => facts.nodes[index];
const written = (text) => text.split("`").map((part, at) => (at % 2 ? make("code", {}, part) : part)); // docstrings mark code
const quiet = (text) => make("span", { class: "quiet" }, text);
const row = (name, ...cells) => make("tr", {}, make("th", {}, name), make("td", {}, cells));

function section(title, ...content) {
  const kept = content.flat(9).filter(Boolean);
  return kept.length ? make("section", {}, make("h2", {}, title), kept) : undefined;
}

function link(index, text) {
  return make("button", { type: "button", class: "link", click: () => goTo(index) }, text ?? nodeOf(index).name);
}

function links(ends) {
  return ends.flatMap(([index, port], at) => [at ? ", " : "", link(index, port ? `${nodeOf(index).name}.${port}` : undefined)]);
}

function chip(text, kind = "") {
  return make("span", { class: `chip ${kind}` }, text);
}

function disciplineChip(name) {
  const colour = document.querySelector(`[data-discipline="${facts.disciplines.indexOf(name)}"] rect`);
  const swatch = make("i");
  if (colour) swatch.style.background = colour.getAttribute("stroke");
  return make("span", { class: "chip" }, swatch, name);
}

function faultBox(index) {
  const fault = facts.faults[index];
  const rows = ["found", "expected", "fix"].flatMap((word) => [make("dt", {}, word), make("dd", { class: word }, fault[word])]);
  const related = (fault.related ?? []).map((other) =>
    make("span", { class: "place" }, `${other.message}: ${other.where} · ${other.place}`));
  const head = [make("span", { class: "code" }, fault.code), " ", make("span", { class: "where" }, fault.where)];
  return make("div", { class: `fault ${fault.severity}` }, head, make("span", { class: "place" }, fault.place),
    make("dl", {}, rows), related);
}

function settings(title, listed, component) {
  const docs = facts.components[component]?.keys ?? {};
  const rows = (listed ?? []).flatMap(([key, value, isDefault]) => [
    row(make("code", {}, key), isDefault && value === "null" ? quiet("left out")
      : isDefault ? quiet([make("code", {}, value), " by default"]) : make("code", {}, value)),
    docs[key] ? make("tr", {}, make("td", { class: "note", colspan: 2 }, written(docs[key]))) : undefined,
  ]);
  return rows.length ? section(title, make("table", {}, rows)) : undefined;
}

function ports(node) {
  const inputs = (node.inputs ?? []).map((port) => make("div", { class: "port" }, make("b", {}, port.port),
    port.optional ? quiet(" optional") : "", port.from.length ? [" from ", links(port.from)] : quiet(" not fed"),
    make("span", { class: "type-of" }, port.type)));
  const outputs = (node.outputs ?? []).map((port) => make("div", { class: "port" }, make("b", {}, port.port || node.name),
    port.to.length ? [" to ", links(port.to)] : quiet(" read by nobody"), make("span", { class: "type-of" }, port.type)));
  return [section("In", inputs), section("Out", outputs)];
}

function dims(listed) {
  const rows = (listed ?? []).map((dim) => {
    const size = dim.size !== undefined ? counted(dim.size)
      : dim.sizes ? dim.sizes.map((one) => (one === null ? "?" : counted(one))).join(", ")
        : dim.varies ? quiet("varies with the batch") : quiet(dim.reasons ? "known when it is built" : "not known");
    const reasons = make("ul", { class: "reasons" }, (dim.reasons ?? []).map((text) => make("li", { class: "reason" }, text)));
    return row(make("code", {}, dim.name), size, dim.reasons ? reasons : "");
  });
  return rows.length ? section("Dims", make("table", {}, rows)) : undefined;
}

function labels(spaces) {
  const told = (spaces ?? []).map((space) => make("div", { class: "port" }, make("code", {}, space.dim),
    ` ${space.name}, ${plural(space.count, "label")}`,
    make("div", { class: "labels" }, space.labels.map((label) => chip(label)),
      space.count > space.labels.length ? quiet(`and ${counted(space.count - space.labels.length)} more`) : "")));
  return section("Labels", told);
}

function weights(weight) {
  if (!weight) return undefined;
  return section("Weight", make("table", {}, row("own weight", counted(weight.own)), row("λ of its discipline", counted(weight.lambda)),
    row("in the objective", make("b", {}, String(Number(weight.total.toPrecision(6)))))));
}

function parameters(counts) {
  if (!counts) return undefined;
  const total = counts.trained + counts.frozen, bar = make("i");
  bar.style.width = `${total ? (100 * counts.trained) / total : 0}%`;
  return section("Parameters", total ? make("div", { class: "bar", role: "presentation" }, bar) : "",
    make("table", {}, row("trained", counted(counts.trained)), row("frozen", counted(counts.frozen)),
      counts.added ? row("added by its tuner", counted(counts.added)) : ""));
}

// What else an arrow joins a node with: references, columns, and what could not be followed.
function others(index) {
  const told = facts.arrows.filter((arrow) => !arrow.ways && (arrow.from === index || arrow.to === index)).map((arrow) => {
    const other = arrow.from === index ? arrow.to : arrow.from;
    return make("div", { class: "port" }, arrow.from === index ? "→ " : "← ", link(other), " ", quiet(arrow.lines?.join(", ")));
  });
  return section("Also", told);
}

const MOST_TERMS = 24;

function objective(node) {
  const losses = facts.nodes.map((other, index) => [other, index]).filter(([other]) => other.weight);
  const rows = Object.entries(facts.lambdas).map(([name, value]) => {
    const own = losses.filter(([loss]) => loss.discipline === name);
    const terms = own.slice(0, MOST_TERMS).map(([loss, index], at) =>
      [at ? " + " : "", `${Number(loss.weight.own.toPrecision(6))} `, link(index)]);
    const rest = own.length > MOST_TERMS ? quiet(` and ${plural(own.length - MOST_TERMS, "more loss", "more losses")}`) : "";
    return row(disciplineChip(name), `λ ${value}`, own.length > 1 ? " · (" : " · ", terms, rest, own.length > 1 ? ")" : "");
  });
  return [section("Terms", make("table", {}, rows)), settings("Settings", node.settings, node.component)];
}

function paragraphs(text) {
  return (text ?? "").split(/\n\s*\n/).map((part) => make("p", { class: "doc" }, written(part.replace(/\s*\n\s*/g, " "))));
}

function tellNode(index, isPinned) {
  const node = nodeOf(index), component = facts.components[node.component];
  const kind = node.missing ? "not declared" : node.ghost ? `unknown ${KINDS[node.band]}` : KINDS[node.band];
  panel.replaceChildren(...[
    make("div", { class: "kind" }, node.ghost ? chip(kind, "error") : chip(kind), node.missing ? "" : disciplineChip(node.discipline),
      node.tuner ? chip(`tuned: ${node.tuner.use}`) : "", isPinned ? make("button", { type: "button", class: "chip pin", title: "Let go (Esc)", click: () => pin(null) }, "pinned ×") : ""),
    make("h1", {}, node.name),
    make("div", { class: "use" }, node.share ? `shares ${node.share}` : node.component ?? "",
      node.place ? make("span", {}, ` · ${node.place}`) : ""),
    (node.faults ?? []).map(faultBox),
    paragraphs(component?.doc),
    weights(node.weight), parameters(node.parameters),
    settings("Settings", node.band === "objective" ? [] : node.settings, node.component),
    node.tuner?.settings.length ? settings(`Tuner ${node.tuner.use}`, node.tuner.settings, node.tuner.use) : undefined,
    ports(node), dims(node.dims), labels(node.labels),
    node.band === "objective" ? objective(node) : others(index),
  ].flat(9).filter(Boolean));
}

function tellArrow(index) {
  const arrow = facts.arrows[index], from = nodeOf(arrow.from), to = nodeOf(arrow.to);
  const known = [...(from.dims ?? []).map((dim) => [from, dim]), ...(to.dims ?? []).map((dim) => [to, dim])];
  const ways = (arrow.ways ?? []).map(([source, target, type]) => make("div", { class: "port" },
    make("b", {}, source || from.name), " → ", make("b", {}, target), make("span", { class: "type-of" }, type)));
  const named = new Set((arrow.ways ?? []).flatMap(([, , type]) => type.match(/[A-Za-z_]\w*/g) ?? []));
  const sizes = known.filter(([node, dim], at) => named.has(dim.name) && known.findIndex(([, one]) => one.name === dim.name) === at);
  panel.replaceChildren(...[
    make("div", { class: "kind" }, chip(ways.length > 1 ? `${ways.length} tensors` : CARRIED[arrow.kind]), arrow.solved ? "" : chip("not followed", "error")),
    make("h1", {}, link(arrow.from), " → ", link(arrow.to)),
    (arrow.faults ?? []).map(faultBox),
    section(arrow.ways ? (ways.length === 1 ? "Tensor" : "Tensors") : "Carries", ways.length ? ways : (arrow.lines ?? []).map((line) => make("p", {}, line))),
    dims(sizes.map(([, dim]) => dim)),
  ].flat(9).filter(Boolean));
}

function tellAll() {
  const [last] = facts.nodes.slice(-1);
  const resources = facts.resources.map((one) => make("div", { class: "port" }, make("b", {}, one.name), ` ${one.use}`,
    make("span", { class: "type-of" }, one.settings.map(([key, value]) => `${key}: ${value}`).join(", "))));
  const keys = [["drag", "moves"], ["wheel, pinch, + −", "zoom"], ["arrow keys", "move"], ["0", "shows all"],
    ["/", "searches"], ["Tab", "goes from node to node"], ["click, Enter", "pins what is shown here"], ["Esc", "lets go"]];
  panel.replaceChildren(...[
    make("div", { class: "kind" }, chip("fusion")),
    make("h1", {}, facts.name),
    make("p", { class: "quiet" }, "Point at a node or an arrow to see all that is known of it."),
    objective(last),
    section("Resources", resources),
    settings("Training", facts.train),
    section("Keys", make("div", { class: "keys" }, keys.map(([key, does]) => [make("span", {}, make("kbd", {}, key)), make("span", {}, does)]))),
  ].flat(9).filter(Boolean));
}
