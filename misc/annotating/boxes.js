// The boxes of an image's objects on the stage. A box is [left, top, right, bottom] in pixels from
// the corner of the image; the one at hand can be held at its edges.

const REACH = {mouse: 7, pen: 10, touch: 18};   // of a press, to an edge
const HANDLES = [[0, 1], [null, 1], [2, 1], [2, null], [2, 3], [null, 3], [0, 3], [0, null]];   // numbers of edges

export class Boxes {
  constructor(element) {
    this.element = element;
    this.objects = [];
    this.object = 0;
    this.held = null;      // {grip, edges}, which may be drawn over one another
  }

  // The box at hand, or null.
  get here() { return this.objects[this.object]?.box ?? null; }

  draw(objects, object) {
    this.objects = objects;
    this.object = object;
    while (this.element.children.length > objects.length) this.element.lastChild.remove();
    while (this.element.children.length < objects.length) this.element.append(makeFrame());
    [...this.element.children].forEach((frame, n) => {
      frame.hidden = !objects[n].box;
      frame.classList.toggle("here", n === object);
      frame.firstChild.textContent = objects.length > 1 ? n + 1 : "";
    });
  }

  layOut({scale, x, y}) {
    this.objects.forEach(({box}, n) => {
      if (!box) return;
      const [left, top, right, bottom] = box.map(edge => edge * scale);
      Object.assign(this.element.children[n].style, {
        transform: `translate(${x + left}px, ${y + top}px)`, width: `${right - left}px`, height: `${bottom - top}px`});
    });
  }

  // The edges of the box at hand under a place of the stage: [0, 2 or null, 1, 3 or null]; null for none.
  // isNarrow: only at the corners and in the middle of the edges.
  gripAt([left, top], pointer, {scale, x, y}, isNarrow) {
    if (!this.here) return null;
    const [x0, y0, x1, y1] = this.here.map((edge, n) => edge * scale + (n % 2 ? y : x));
    const reach = REACH[pointer] ?? REACH.mouse;
    if (left < x0 - reach || left > x1 + reach || top < y0 - reach || top > y1 + reach) return null;
    const nearer = (place, low, high, first) =>
      Math.min(Math.abs(place - low), Math.abs(place - high)) > reach ? null
        : Math.abs(place - low) < Math.abs(place - high) ? first : first + 2;
    const grip = [nearer(left, x0, x1, 0), nearer(top, y0, y1, 1)];
    if (grip[0] === null && grip[1] === null) return null;
    const isOff = grip[0] === null && Math.abs(left - (x0 + x1) / 2) > reach
      || grip[1] === null && Math.abs(top - (y0 + y1) / 2) > reach;
    return isNarrow && isOff ? null : grip;
  }

  // Hold edges of the box at hand, or of a new one that begins at a place [x, y] of the image.
  hold(grip, [x, y]) {
    this.held = {grip, edges: this.here ?? [x, y, x, y]};
  }

  // The box whose held edges are at a place [x, y] of the image.
  moved(place) {
    const {grip, edges} = this.held;
    const [x0, y0, x1, y1] = this.held.edges = edges.map((edge, n) => grip.includes(n) ? place[n % 2] : edge);
    return [Math.min(x0, x1), Math.min(y0, y1), Math.max(x0, x1), Math.max(y0, y1)];
  }

  // Of the held box.
  get leastSide() {
    const [x0, y0, x1, y1] = this.held.edges;
    return Math.min(Math.abs(x1 - x0), Math.abs(y1 - y0));
  }
}

// The name of a grip, for its cursor.
export const direction = ([column, row]) => column === null ? "ns" : row === null ? "ew" : (column === 0) === (row === 1) ? "nwse" : "nesw";

function makeFrame() {
  const frame = document.createElement("div");
  frame.className = "frame";
  frame.append(document.createElement("span"), ...HANDLES.map(([column, row]) => {
    const handle = document.createElement("i");
    Object.assign(handle.style, {left: `${(column ?? 1) * 50}%`, top: `${row === null ? 50 : (row - 1) * 50}%`});
    return handle;
  }));
  return frame;
}
