// What the page says beside the image: the list of points, the hint, the progress.

import {colour, isDoubtful} from "./stage.js";

const find = id => document.getElementById(id);

export function progress({confirmed, wanted, offered, kept}) {
  const proposals = offered ? `; ${kept} of ${offered} proposals kept as they were` : "";
  return `${confirmed.length} of ${wanted} confirmed${proposals}`;
}

export class Panel {
  // choose(k), hide(k): called where a point's name, or its "not visible", is pressed.
  constructor(labels, choose, hide) {
    this.labels = labels;
    this.rows = labels.map((label, k) => makeRow(label, k, choose, hide));
    find("points").append(...this.rows);
  }

  drawPoints(points, chosen) {
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

  // folder: the server's "state"; number, item: of the image, item null if it cannot be annotated;
  // unplaced: the number of a point without a place, -1 for none.
  tell({folder, number, item, points, past, chosen, isBusy}, unplaced) {
    find("position").textContent = `image ${number + 1} of ${folder.names.length}`;
    find("told").textContent = progress(folder);
    find("bar").value = folder.confirmed.length / folder.wanted;
    find("confirm").disabled = isBusy || !item || unplaced >= 0;
    find("hint").textContent = isBusy && !item ? ""
      : !item ? "This image cannot be annotated; go on with the next."
      : unplaced >= 0 && (points[chosen].at || points[chosen].hidden) ? `Still to be placed: ${this.labels[unplaced]}.`
      : unplaced >= 0 ? `Click the ${this.labels[chosen]}, or say that it is not visible.`
      : points.some(point => point.proposed) ? "Proposed, with certainty: drag what is wrong, then confirm."
      : item.confirmed && !past.length ? "Confirmed and saved. It can still be changed."
      : "All points are placed. Confirm, or correct them.";
  }
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
