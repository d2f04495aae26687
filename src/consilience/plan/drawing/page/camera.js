// The camera: which part of the picture is shown, and how large. Moves by drag, touch, wheel, keys and buttons.

const stage = document.getElementById("stage");
const picture = document.getElementById("picture");
const view = document.getElementById("view");
const whole = { width: Number(picture.dataset.width), height: Number(picture.dataset.height) };
const LEAST = 0.005, MOST = 6, STEP = 1.25, MARGIN = 24, FAR = 0.42, FARTHER = 0.17, IN_SIGHT = 60;
const eye = { x: 0, y: 0, scale: 1 };
let flight = 0;
let hasMoved = false; // whether somebody chose a view: a window that changes its size then leaves it alone

const clamp = (value, least, most) => Math.min(most, Math.max(least, value));

// Some of the picture stays in sight, wherever it is moved.
function hold() {
  const { width, height } = stage.getBoundingClientRect();
  eye.x = clamp(eye.x, IN_SIGHT - whole.width * eye.scale, width - IN_SIGHT);
  eye.y = clamp(eye.y, IN_SIGHT - whole.height * eye.scale, height - IN_SIGHT);
}

function show() {
  hold();
  view.setAttribute("transform", `translate(${eye.x} ${eye.y}) scale(${eye.scale})`);
  picture.classList.toggle("far", eye.scale < FAR);
  picture.classList.toggle("farther", eye.scale < FARTHER);
  const percent = eye.scale * 100;
  document.getElementById("scale").value = `${percent < 10 ? percent.toFixed(1) : Math.round(percent)}%`;
}

function moveBy(x, y) {
  cancelAnimationFrame(flight);
  hasMoved = true;
  eye.x += x;
  eye.y += y;
  show();
}

// Zooms so that the point (x, y) of the stage stays where it is.
function zoomAt(x, y, factor) {
  cancelAnimationFrame(flight);
  hasMoved = true;
  const scale = clamp(eye.scale * factor, LEAST, MOST);
  eye.x = x - (x - eye.x) * (scale / eye.scale);
  eye.y = y - (y - eye.y) * (scale / eye.scale);
  eye.scale = scale;
  show();
}

function zoom(factor) {
  const { width, height } = stage.getBoundingClientRect();
  zoomAt(width / 2, height / 2, factor);
}

// The view of everything; of a picture that would be a mere thread, its upper part.
function fitted() {
  const { width, height } = stage.getBoundingClientRect();
  const across = (width - 2 * MARGIN) / whole.width;
  const down = (height - 2 * MARGIN - 44) / whole.height; // above the legend
  const thread = Math.min(across, down) < 0.04;
  const scale = clamp(thread ? Math.max(across, down) : Math.min(across, down), LEAST, thread ? 0.8 : 1.3);
  const x = thread && across < down ? MARGIN : (width - whole.width * scale) / 2;
  const y = thread && down < across ? MARGIN : (height - 44 - whole.height * scale) / 2;
  return { x, y: Math.max(y, MARGIN / 2), scale };
}

function fit() {
  flyTo(fitted());
  hasMoved = false;
}

function flyTo(goal) {
  cancelAnimationFrame(flight);
  hasMoved = true;
  const start = { ...eye }, begun = performance.now();
  const isStill = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const step = (now) => {
    const share = isStill ? 1 : clamp((now - begun) / 260, 0, 1);
    const eased = 1 - (1 - share) ** 3;
    for (const key of ["x", "y", "scale"]) eye[key] = start[key] + (goal[key] - start[key]) * eased;
    show();
    if (share < 1) flight = requestAnimationFrame(step);
  };
  step(begun);
}

// Brings an element into the middle, large enough to be read.
function flyToElement(element, least) {
  const stageBox = stage.getBoundingClientRect(), box = element.getBoundingClientRect();
  const scale = Math.max(eye.scale, least);
  const x = (box.left + box.width / 2 - stageBox.left - eye.x) / eye.scale;
  const y = (box.top + box.height / 2 - stageBox.top - eye.y) / eye.scale;
  flyTo({ x: stageBox.width / 2 - x * scale, y: stageBox.height / 2 - y * scale, scale });
}

function isInView(element) {
  const around = stage.getBoundingClientRect(), box = element.getBoundingClientRect();
  return box.left >= around.left && box.right <= around.right && box.top >= around.top && box.bottom <= around.bottom;
}

const pointers = new Map();
let travelled = 0;

function positionOf(event) {
  const box = stage.getBoundingClientRect();
  return { x: event.clientX - box.left, y: event.clientY - box.top };
}

function spread() {
  const [one, other] = [...pointers.values()];
  const middle = { x: (one.x + other.x) / 2, y: (one.y + other.y) / 2 };
  return { ...middle, distance: Math.hypot(one.x - other.x, one.y - other.y) };
}

stage.addEventListener("pointerdown", (event) => {
  if (event.button !== 0 || event.target.closest("#legend, #zoom")) return;
  if (pointers.size === 0) travelled = 0;
  pointers.set(event.pointerId, positionOf(event));
});

stage.addEventListener("pointermove", (event) => {
  const before = pointers.get(event.pointerId);
  if (!before) return;
  const now = positionOf(event);
  if (pointers.size === 2) {
    const old = spread();
    pointers.set(event.pointerId, now);
    const fresh = spread();
    moveBy(fresh.x - old.x, fresh.y - old.y);
    if (old.distance > 0) zoomAt(fresh.x, fresh.y, fresh.distance / old.distance);
    travelled += 10;
    return;
  }
  travelled += Math.hypot(now.x - before.x, now.y - before.y);
  if (travelled > 4) {
    if (!stage.classList.contains("moving")) {
      stage.classList.add("moving");
      stage.setPointerCapture(event.pointerId);
    }
    moveBy(now.x - before.x, now.y - before.y);
  }
  pointers.set(event.pointerId, now);
});

for (const end of ["pointerup", "pointercancel"]) {
  window.addEventListener(end, (event) => {
    pointers.delete(event.pointerId);
    if (pointers.size === 0) stage.classList.remove("moving");
  });
}

stage.addEventListener("wheel", (event) => {
  event.preventDefault();
  const unit = event.deltaMode === 1 ? 16 : event.deltaMode === 2 ? 400 : 1;
  const speed = event.ctrlKey ? 0.01 : 0.0016; // a pinch on a touchpad comes as a wheel with the control key
  const { x, y } = positionOf(event);
  zoomAt(x, y, Math.exp(-clamp(event.deltaY * unit, -400, 400) * speed));
}, { passive: false });

new ResizeObserver(() => {
  if (hasMoved) return;
  Object.assign(eye, fitted());
  show();
}).observe(stage);
