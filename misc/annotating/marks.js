// The marks of points on the stage. `place` maps a point [x, y] of the image to the stage.

const REACH = {exact: 7, mouse: 18, pen: 22, touch: 30};   // of a press, to the middle of a point
const MANY = 12;          // points, beyond which only the chosen one shows its name
const COLOURS = ["#4fc3ff", "#ffb02e", "#5ee08a", "#ff7ab8", "#c8a2ff", "#ffe24a", "#ff8a65", "#6ff2e0"];
const DOUBTFUL = 0.5;     // certainty below which a proposal asks for a second look

export const colour = k => COLOURS[k % COLOURS.length];
export const isDoubtful = point => point.at !== null && point.certainty !== null && point.certainty < DOUBTFUL;

export class Marks {
  // choose(k): called where a mark gets the focus.
  constructor(element, labels, choose) {
    this.element = element;
    this.points = [];
    this.marks = labels.map((label, k) => makeMark(label, k, choose));
    element.classList.toggle("many", labels.length > MANY);
    element.append(...this.marks);
  }

  // points: [{at: [x, y] or null, proposed, certainty}], chosen: a number.
  draw(points, chosen) {
    this.points = points;
    this.marks.forEach((mark, k) => {
      mark.hidden = !points[k].at;
      mark.classList.toggle("proposed", points[k].proposed);
      mark.classList.toggle("doubtful", isDoubtful(points[k]));
      mark.classList.toggle("chosen", k === chosen);
    });
  }

  layOut(place) {
    this.points.forEach(({at}, k) => {
      if (!at) return;
      const [left, top] = place(at), mark = this.marks[k];
      mark.style.transform = `translate(${left}px, ${top}px)`;
      mark.classList.toggle("left", left > this.element.parentElement.clientWidth - 110);
    });
  }

  // The number of the point next to a place of the stage, within the reach of a pointer, or null.
  nearest(at, pointer, place) {
    let best = null, least = REACH[pointer] ?? REACH.mouse;
    this.points.forEach((point, k) => {
      if (!point.at) return;
      const [left, top] = place(point.at), distance = Math.hypot(left - at[0], top - at[1]);
      if (distance < least) [best, least] = [k, distance];
    });
    return best;
  }
}

function makeMark(label, k, choose) {
  const mark = document.createElement("button");
  mark.type = "button";
  mark.className = "mark";
  mark.dataset.k = k;
  mark.setAttribute("aria-label", label);
  mark.style.setProperty("--of-point", colour(k));
  mark.append(document.createElement("span"));
  mark.firstChild.textContent = label;
  mark.addEventListener("focus", () => choose(k));
  return mark;
}
