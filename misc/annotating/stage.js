// The image with its points: zoom, panning, dragging, the magnifier. Points are [x, y] in pixels of
// the image, the centre of its top-left pixel at 0, 0; `view` maps them to the screen.

const CLICK = 5;          // pixels a pointer may move and still click
const LARGEST = 64;       // screen pixels of an image's pixel
const REACH = {exact: 7, mouse: 18, pen: 22, touch: 30};   // of a press, to the middle of a point
const SQUARES = 12;       // screen pixels of an image's pixel from which on pixels are shown as squares
const MANY = 12;          // points, beyond which only the chosen one shows its name
const COLOURS = ["#4fc3ff", "#ffb02e", "#5ee08a", "#ff7ab8", "#c8a2ff", "#ffe24a", "#ff8a65", "#6ff2e0"];

const DOUBTFUL = 0.5;     // certainty below which a proposal asks for a second look

export const colour = k => COLOURS[k % COLOURS.length];
export const isDoubtful = point => point.at !== null && point.certainty !== null && point.certainty < DOUBTFUL;
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const tenths = value => Math.round(value * 10) / 10;

export class Stage {
  // events: choose(k), begin(), move(k, point), drop(), cancel(); place() -> the point a press puts
  // down, or null.
  constructor(element, labels, events) {
    this.element = element;
    this.events = events;
    this.image = element.querySelector("#image");
    this.loupe = element.querySelector("#loupe");
    this.size = [1, 1];
    this.view = {scale: 1, x: 0, y: 0};
    this.pointers = new Map();
    this.held = null;      // what the pointers do: {kind: "point", "pan" or "pinch", ...}
    element.classList.toggle("many", labels.length > MANY);
    this.marks = labels.map((label, k) => this.makeMark(label, k));
    element.querySelector("#marks").append(...this.marks);
    element.addEventListener("pointerdown", event => this.down(event));
    element.addEventListener("pointermove", event => this.moved(event));
    element.addEventListener("pointerup", event => this.up(event));
    element.addEventListener("pointercancel", event => this.up(event, true));
    element.addEventListener("wheel", event => this.wheel(event), {passive: false});
    new ResizeObserver(() => this.fit()).observe(element);
  }

  makeMark(label, k) {
    const mark = document.createElement("button");
    mark.type = "button";
    mark.className = "mark";
    mark.dataset.k = k;
    mark.setAttribute("aria-label", label);
    mark.style.setProperty("--of-point", colour(k));
    mark.append(document.createElement("span"));
    mark.firstChild.textContent = label;
    mark.addEventListener("focus", () => this.events.choose(k));
    return mark;
  }

  // Show an image of a size in pixels, and wait until it can be seen.
  async show(source, size, alt) {
    this.size = size;
    this.fit();
    this.image.classList.add("loading");
    this.image.alt = alt;
    for (const picture of [this.image, this.loupe.firstChild]) picture.src = source;
    try {
      await this.image.decode();
    } catch {
      throw new Error(`${alt}: this image cannot be shown.`);
    }
    this.image.classList.remove("loading");
  }

  clear() {
    this.image.removeAttribute("src");
    this.image.classList.remove("loading");
  }

  // points: [{at: [x, y] or null, proposed, certainty}], chosen: a number.
  draw(points, chosen) {
    this.points = points;
    this.chosen = chosen;
    this.marks.forEach((mark, k) => {
      mark.hidden = !points[k].at;
      mark.classList.toggle("proposed", points[k].proposed);
      mark.classList.toggle("doubtful", isDoubtful(points[k]));
      mark.classList.toggle("chosen", k === chosen);
    });
    this.layOut();
  }

  layOut() {
    const {scale, x, y} = this.view;
    const [width, height] = this.size;
    Object.assign(this.image.style, {
      width: `${width * scale}px`, height: `${height * scale}px`, transform: `translate(${x}px, ${y}px)`});
    this.image.classList.toggle("squares", scale >= SQUARES);
    this.marks.forEach((mark, k) => {
      const at = this.points?.[k].at;
      if (!at) return;
      const [left, top] = this.onScreen(at);
      mark.style.transform = `translate(${left}px, ${top}px)`;
      mark.classList.toggle("left", left > this.element.clientWidth - 110);
    });
    const percent = scale * 100;
    this.element.querySelector("#fit").textContent = `${percent < 10 ? percent.toFixed(1) : Math.round(percent)} %`;
  }

  onScreen([px, py]) {
    const {scale, x, y} = this.view;
    return [x + (px + 0.5) * scale, y + (py + 0.5) * scale];
  }

  // The point under a place of the stage, to a tenth of a pixel, inside the image.
  pointAt([left, top]) {
    const {scale, x, y} = this.view;
    return this.inside([(left - x) / scale - 0.5, (top - y) / scale - 0.5]);
  }

  inside(point) {
    return point.map((value, axis) => tenths(clamp(value, -0.5, this.size[axis] - 0.5)));
  }

  fit() {
    const {clientWidth, clientHeight} = this.element, [width, height] = this.size;
    const margin = Math.min(48, clientWidth / 12);
    const scale = Math.min((clientWidth - 2 * margin) / width, (clientHeight - 2 * margin) / height, LARGEST);
    this.least = scale;
    this.view = {scale, x: (clientWidth - width * scale) / 2, y: (clientHeight - height * scale) / 2};
    this.layOut();
  }

  // Zoom by a factor; a place of the stage stays where it is (by default the chosen point).
  zoom(factor, centre) {
    const {clientWidth, clientHeight} = this.element;
    const at = this.points?.[this.chosen]?.at;
    const [cx, cy] = centre ?? (at ? this.onScreen(at) : [clientWidth / 2, clientHeight / 2]);
    const scale = clamp(this.view.scale * factor, Math.min(this.least, 1), Math.max(LARGEST, this.least));
    const ratio = scale / this.view.scale;
    this.view = {scale, x: cx - (cx - this.view.x) * ratio, y: cy - (cy - this.view.y) * ratio};
    this.pan(0, 0);
  }

  // Move the image; a part of it stays in sight.
  pan(dx, dy) {
    const {clientWidth, clientHeight} = this.element, {scale, x, y} = this.view;
    const [width, height] = this.size.map(side => side * scale), kept = 40;
    this.view.x = clamp(x + dx, kept - width, clientWidth - kept);
    this.view.y = clamp(y + dy, kept - height, clientHeight - kept);
    this.layOut();
  }

  place(event) {
    const box = this.element.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  wheel(event) {
    event.preventDefault();
    const step = event.deltaMode ? 20 : 1;
    this.zoom(Math.exp(-clamp(event.deltaY * step, -120, 120) / (event.ctrlKey ? 100 : 400)), this.place(event));
  }

  down(event) {
    if (event.target.closest("#zoom")) return;
    event.preventDefault();
    this.element.setPointerCapture(event.pointerId);
    const at = this.place(event);
    this.pointers.set(event.pointerId, at);
    if (this.pointers.size > 1) return this.beginPinch();
    // A point that has no place yet is put down, unless the press is right on another point.
    const isOpen = !this.points[this.chosen].at, near = this.nearest(at, isOpen ? "exact" : event.pointerType);
    if (event.button || near === null && !isOpen) {
      this.held = {kind: "pan", from: at, clicks: event.button === 0};
      return;
    }
    const k = near ?? this.chosen, [left, top] = near === null ? at : this.onScreen(this.points[k].at);
    this.held = {kind: "point", k, grip: [left - at[0], top - at[1]]};
    this.element.classList.add("dragging");
    this.events.choose(k);
    this.events.begin();
    if (near === null) this.events.move(k, this.pointAt(at));
    this.magnify(at);
  }

  // The number of the point next to a place of the stage, within the reach of a pointer, or null.
  nearest(at, pointer) {
    let best = null, least = REACH[pointer] ?? REACH.mouse;
    this.points.forEach((point, k) => {
      if (!point.at) return;
      const [left, top] = this.onScreen(point.at), distance = Math.hypot(left - at[0], top - at[1]);
      if (distance < least) [best, least] = [k, distance];
    });
    return best;
  }

  beginPinch() {
    if (this.held?.kind === "point") this.events.cancel();
    this.release();
    this.held = {kind: "pinch"};
  }

  moved(event) {
    const before = this.pointers.get(event.pointerId), at = this.place(event), held = this.held;
    if (!held) this.element.classList.toggle("over", this.nearest(at, event.pointerType) !== null);
    if (!before || !held) return;
    if (held.kind === "point") {
      this.events.move(held.k, this.pointAt([at[0] + held.grip[0], at[1] + held.grip[1]]));
      this.magnify(at);
    } else if (held.kind === "pan") {
      if (held.clicks && Math.hypot(at[0] - held.from[0], at[1] - held.from[1]) < CLICK) return;
      held.clicks = false;
      this.element.classList.add("panning");
      this.pan(at[0] - before[0], at[1] - before[1]);
    } else {
      const [id] = [...this.pointers.keys()].filter(other => other !== event.pointerId);
      const other = this.pointers.get(id), distance = at => Math.hypot(at[0] - other[0], at[1] - other[1]);
      this.pan((at[0] - before[0]) / 2, (at[1] - before[1]) / 2);
      this.zoom(distance(at) / Math.max(distance(before), 1), [(at[0] + other[0]) / 2, (at[1] + other[1]) / 2]);
    }
    this.pointers.set(event.pointerId, at);
  }

  up(event, isCancelled = false) {
    if (!this.pointers.delete(event.pointerId) || this.pointers.size) return;
    const held = this.held, at = this.place(event);
    this.release();
    if (held?.kind === "point") return isCancelled ? this.events.cancel() : this.events.drop(held.k);
    if (held?.kind !== "pan" || !held.clicks || isCancelled) return;
    this.events.begin();
    this.events.move(this.chosen, this.pointAt(at));
    this.events.drop(this.chosen);
  }

  release() {
    this.held = null;
    this.loupe.hidden = true;
    this.element.classList.remove("dragging", "panning");
  }

  // Show what is around the held point enlarged, away from the pointer at a place of the stage.
  magnify([left, top]) {
    const point = this.points[this.held.k].at;
    const scale = Math.max(this.view.scale * 2, Math.min(this.view.scale * 4, 8));
    this.loupe.hidden = false;
    this.loupe.classList.toggle("right", left < 220 && top < 220);
    const {clientWidth, clientHeight, firstChild} = this.loupe;
    Object.assign(firstChild.style, {
      width: `${this.size[0] * scale}px`, height: `${this.size[1] * scale}px`,
      transform: `translate(${clientWidth / 2 - (point[0] + 0.5) * scale}px, ${clientHeight / 2 - (point[1] + 0.5) * scale}px)`});
  }
}
