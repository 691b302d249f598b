// What the page knows of an image and has not saved yet: its objects, each with a box and points.

const OPEN = {at: null, hidden: false, proposed: false, certainty: null};

export class Draft {
  // objects: [{box: [left, top, right, bottom] or null, points: [{at: [x, y] or null, hidden, proposed, certainty}]}],
  // boxes in pixels from the corner of the image; without boxes the image is one object.
  // object, chosen: the numbers of the object and of the point at hand.
  // item: the server's answer to "item/<number>", or {}.
  constructor(labels, withBoxes, item) {
    this.withBoxes = withBoxes;
    this.empty = {box: null, points: labels.map(() => OPEN)};
    this.item = item;
    this.past = [];      // earlier objects, to be undone
    this.begin();
    this.take(this.object);
  }

  // Take the objects that the server told.
  begin() {
    const {item} = this, count = this.empty.points.length;
    const objects = this.withBoxes
      ? (item.objects ?? []).map(({box, points}) => ({box, points: startingPoints(count, points, null, points !== null)}))
      : [{box: null, points: startingPoints(count, item.points, item.certainty, item.confirmed)}];
    this.objects = objects.length ? objects : [this.empty];
    this.object = Math.max(this.open(), 0);
  }

  get here() { return this.objects[this.object]; }

  get points() { return this.here.points; }

  // Replace the object at hand; the one before is kept in `past` by those who call `keep`.
  set(news, object = this.object) {
    this.objects = this.objects.map((old, n) => n === object ? {...old, ...news} : old);
  }

  keep() { this.past.push([this.objects, this.object]); }

  undo() {
    if (this.past.length) [this.objects, this.object] = this.past.pop();
  }

  // Take an object at hand.
  take(object) {
    this.object = object;
    this.chosen = this.unplaced() >= 0 ? this.unplaced() : this.leastCertain();
  }

  move(k, news) {
    this.set({points: this.points.map((point, n) => n === k ? {...point, proposed: false, certainty: null, ...news} : point)});
  }

  add() {
    const unframed = this.objects.findIndex(({box}) => !box);
    if (unframed < 0) {
      this.keep();
      this.objects = [...this.objects, this.empty];
    }
    this.take(unframed < 0 ? this.objects.length - 1 : unframed);
  }

  remove() {
    this.keep();
    const others = this.objects.filter((_, n) => n !== this.object);
    this.objects = others.length ? others : [this.empty];
    this.take(Math.min(this.object, this.objects.length - 1));
  }

  // Take proposals for the points in a box that nobody has placed; whether the box was still there.
  propose(box, {points, certainty}) {
    const object = this.objects.findIndex(other => other.box === box);
    if (object < 0 || !points) return false;
    this.set({points: this.objects[object].points.map((point, k) => (point.at || point.hidden) && !point.proposed ? point
      : {...OPEN, at: points[k], proposed: points[k] !== null, certainty: certainty[k]})}, object);
    return true;
  }

  // Whether the object at hand awaits its points.
  get awaits() {
    return Boolean(this.here.box) && this.points.some(({at, hidden, proposed}) => !at && !hidden || proposed);
  }

  get needsBox() { return this.withBoxes && !this.here.box; }

  // The number of the first point that has no place yet, -1 if all have one or are not visible.
  unplaced() { return unplacedOf(this.here); }

  leastCertain() {
    const certainties = this.points.map(point => point.certainty ?? 1);
    return Math.max(certainties.indexOf(Math.min(...certainties)), 0);
  }

  // Whether all objects that the server told were removed, and none was framed.
  get isEmptied() {
    const [{box, points}, ...others] = this.objects;
    return this.withBoxes && this.item.objects?.length > 0 && !box && !others.length && points.every(({at}) => !at);
  }

  // The number of the first object that is not complete, -1 if all are.
  open() {
    if (this.isEmptied) return -1;
    return this.objects.findIndex(object => this.withBoxes && !object.box || unplacedOf(object) >= 0);
  }

  // What is confirmed.
  get content() {
    const kept = this.isEmptied ? [] : this.objects;
    const objects = kept.map(({box, points}) => ({box, points: points.map(({at}) => at)}));
    return this.withBoxes ? {objects} : {points: objects[0].points};
  }
}

function startingPoints(count, places, certainty, isConfirmed) {
  return Array.from({length: count}, (_, k) => {
    const at = places?.[k] ?? null;
    return {at, hidden: Boolean(isConfirmed) && !at, proposed: !isConfirmed && at !== null, certainty: certainty?.[k] ?? null};
  });
}

const unplacedOf = ({points}) => points.findIndex(point => !point.at && !point.hidden);
