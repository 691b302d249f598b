// What the page says beside the image: the list of points, the hint, the progress.

import {colour, isDoubtful} from "./marks.js";

const find = id => document.getElementById(id);

export function progress({confirmed, wanted, offered, kept}) {
  const proposals = offered ? `; ${kept} of ${offered} proposals kept as they were` : "";
  return `${confirmed.length} of ${wanted} confirmed${proposals}`;
}

export class Panel {
  // folder: the server's "state". choose(k), hide(k), take(n): called where a point's name, its "not
  // visible", or an object's number is pressed.
  constructor({labels, boxes}, choose, hide, take) {
    this.labels = labels;
    this.take = take;
    for (const part of document.querySelectorAll(".framing")) part.hidden = !boxes;
    this.rows = labels.map((label, k) => makeRow(label, k, choose, hide));
    find("points").append(...this.rows);
  }

  // Show a `Draft`.
  draw({objects, object, points, chosen}) {
    find("objects").replaceChildren(...objects.map((_, n) => makeChoice(n, n === object, this.take)));
    points.forEach((point, k) => {
      const row = this.rows[k], [choose, hide] = row.children, note = choose.lastChild;
      row.classList.toggle("chosen", k === chosen);
      row.classList.toggle("hidden", point.hidden);
      hide.setAttribute("aria-pressed", point.hidden);
      const isSaid = point.at && point.certainty !== null;
      note.classList.toggle("doubtful", isDoubtful(point));
      note.textContent = isSaid ? `${Math.round(100 * point.certainty)} %` : point.at || point.hidden ? "" : "to place";
      note.title = isSaid ? "certainty of the proposal" : "";
    });
    this.rows[chosen]?.scrollIntoView({block: "nearest", inline: "nearest"});
  }

  // number, item: of the image, item null if it cannot be annotated.
  tell({folder, number, item, draft, isBusy}) {
    const {points, chosen, past} = draft, unplaced = draft.unplaced(), open = draft.open();
    find("position").textContent = `image ${number + 1} of ${folder.names.length}`;
    find("told").textContent = progress(folder);
    find("bar").value = folder.confirmed.length / folder.wanted;
    find("confirm").disabled = isBusy || !item || open >= 0;
    find("hint").textContent = isBusy && !item ? ""
      : !item ? "This image cannot be annotated; go on with the next."
      : draft.isEmptied ? "No object is left: confirm, or frame one."
      : draft.needsBox ? "Frame the object: drag from one corner to the opposite one."
      : unplaced >= 0 && (points[chosen].at || points[chosen].hidden) ? `Still to be placed: ${this.labels[unplaced]}.`
      : unplaced >= 0 ? `Click the ${this.labels[chosen]}, or say that it is not visible.`
      : points.some(point => point.proposed) ? "Proposed, with certainty: drag what is wrong, then confirm."
      : open >= 0 ? `Object ${open + 1} is not complete.`
      : item.confirmed && !past.length ? "Confirmed and saved. It can still be changed."
      : folder.boxes ? "All is placed. Confirm, correct it, or add another object."
      : "All points are placed. Confirm, or correct them.";
  }
}

function makeChoice(n, isHere, take) {
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = n + 1;
  button.setAttribute("aria-label", `Object ${n + 1}`);
  button.setAttribute("aria-pressed", isHere);
  button.addEventListener("click", () => take(n));
  return button;
}

function makeRow(label, k, choose, hide) {
  const row = document.createElement("li"), name = document.createElement("button");
  row.style.setProperty("--of-point", colour(k));
  name.className = "choose";
  name.append(...["i", "b", "small"].map(tag => document.createElement(tag)));
  name.children[1].textContent = label;
  name.addEventListener("click", () => choose(k));
  const toggle = document.createElement("button");
  toggle.className = "hide";
  toggle.textContent = "not visible";
  toggle.addEventListener("click", () => hide(k));
  for (const button of [name, toggle]) button.type = "button";
  row.append(name, toggle);
  return row;
}
