// The image with its points: zoom, panning, dragging, the magnifier. Points are [x, y] in pixels of
// the image, the centre of its top-left pixel at 0, 0; `view` maps them to the screen.

import {Boxes, direction} from "./boxes.js";
import {Loupe} from "./loupe.js";
import {Marks} from "./marks.js";

const CLICK = 5;          // pixels a pointer may move and still click
const LARGEST = 64;       // screen pixels of an image's pixel
const SQUARES = 12;       // screen pixels of an image's pixel from which on pixels are shown as squares
const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const tenths = value => Math.round(value * 10) / 10;

export class Stage {
  // events: choose(k), begin(), move(k, point), drop(k), cancel(), frame(box), framed().
  constructor(element, labels, events) {
    this.element = element;
    this.events = events;
    this.image = element.querySelector("#image");
    this.loupe = new Loupe(element.querySelector("#loupe"));
    this.boxes = new Boxes(element.querySelector("#boxes"));
    this.points = [];
    this.size = [1, 1];
    this.view = {scale: 1, x: 0, y: 0};
    this.pointers = new Map();
    this.held = null;      // what the pointers do: {kind: "point", "box", "pan" or "pinch", ...}
    this.marks = new Marks(element.querySelector("#marks"), labels, k => events.choose(k));
    element.addEventListener("pointerdown", event => this.down(event));
    element.addEventListener("pointermove", event => this.moved(event));
    element.addEventListener("pointerup", event => this.up(event));
    element.addEventListener("pointercancel", event => this.up(event, true));
    element.addEventListener("wheel", event => this.wheel(event), {passive: false});
    new ResizeObserver(() => this.fit()).observe(element);
  }

  // Show an image of a size in pixels, and wait until it can be seen.
  async show(source, size, alt) {
    this.size = size;
    this.fit();
    this.image.classList.add("loading");
    this.image.alt = alt;
    for (const picture of [this.image, this.loupe.image]) picture.src = source;
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

  // Show a `Draft`.
  draw({objects, object, points, chosen, needsBox}) {
    this.points = points;
    this.chosen = chosen;
    this.needsBox = needsBox;
    this.boxes.draw(objects, object);
    this.marks.draw(points, chosen);
    this.layOut();
  }

  layOut() {
    const {scale, x, y} = this.view;
    const [width, height] = this.size;
    Object.assign(this.image.style, {
      width: `${width * scale}px`, height: `${height * scale}px`, transform: `translate(${x}px, ${y}px)`});
    this.image.classList.toggle("squares", scale >= SQUARES);
    this.boxes.layOut(this.view);
    this.marks.layOut(point => this.onScreen(point));
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

  // The place of a box's edges under a place of the stage, counted from the corner of the image.
  edgesAt(at) {
    return this.pointAt(at).map(value => tenths(value + 0.5));
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
    // A box that is not there is drawn, a point that has no place yet is put down, unless the press
    // is right on another point or on the box's edge.
    const grip = event.button ? null : this.gripAt(at, event.pointerType);
    if (grip) return this.holdBox(grip, at);
    const isOpen = this.isOpen && !this.needsBox, near = this.nearest(at, isOpen ? "exact" : event.pointerType);
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
    this.loupe.show(at, this.points[k].at, this.size, this.view.scale);
  }

  // Whether the point at hand has no place yet.
  get isOpen() {
    return this.points.length > 0 && !this.points[this.chosen].at;
  }

  // The edges that a press at a place of the stage would move, or null; all are drawn from there if
  // there is no box yet.
  gripAt(at, pointer) {
    if (this.needsBox) return [2, 3];
    return this.nearest(at, "exact") === null ? this.boxes.gripAt(at, pointer, this.view, this.isOpen) : null;
  }

  nearest(at, pointer) {
    return this.marks.nearest(at, pointer, point => this.onScreen(point));
  }

  holdBox(grip, at) {
    this.held = {kind: "box"};
    this.boxes.hold(grip, this.edgesAt(at));
    this.element.classList.add("dragging");
    this.events.begin();
  }

  moveBox(at) {
    const places = this.edgesAt(at);
    this.events.frame(this.boxes.moved(places));
    this.loupe.show(at, places.map(value => value - 0.5), this.size, this.view.scale);
  }

  hover(at, pointer) {
    const grip = this.needsBox ? null : this.gripAt(at, pointer);
    this.element.dataset.grip = grip ? direction(grip) : "";
    this.element.classList.toggle("over", !grip && this.nearest(at, pointer) !== null);
  }

  beginPinch() {
    if (this.held?.kind === "point" || this.held?.kind === "box") this.events.cancel();
    this.release();
    this.held = {kind: "pinch"};
  }

  moved(event) {
    const before = this.pointers.get(event.pointerId), at = this.place(event), held = this.held;
    if (!held) this.hover(at, event.pointerType);
    if (!before || !held) return;
    if (held.kind === "point") {
      this.events.move(held.k, this.pointAt([at[0] + held.grip[0], at[1] + held.grip[1]]));
      this.loupe.show(at, this.points[held.k].at, this.size, this.view.scale);
    } else if (held.kind === "box") {
      this.moveBox(at);
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
    if (!this.pointers.delete(event.pointerId)) return;
    if (this.pointers.size === 1) this.held = {kind: "pan", clicks: false};  // one finger of a pinch is left
    if (this.pointers.size) return;
    const held = this.held, at = this.place(event);
    this.release();
    if (held?.kind === "box") return isCancelled || this.boxes.leastSide * this.view.scale < CLICK ? this.events.cancel() : this.events.framed();
    if (held?.kind === "point") return isCancelled ? this.events.cancel() : this.events.drop(held.k);
    if (held?.kind !== "pan" || !held.clicks || isCancelled || !this.points.length || this.needsBox) return;
    this.events.begin();
    this.events.move(this.chosen, this.pointAt(at));
    this.events.drop(this.chosen);
  }

  release() {
    this.held = null;
    this.loupe.hide();
    this.element.classList.remove("dragging", "panning");
  }
}
