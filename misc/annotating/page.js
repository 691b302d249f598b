// The page: which image and point are at hand, keys and buttons, and the server's answers.

import {Panel, progress} from "./panel.js";
import {Stage} from "./stage.js";

const find = id => document.getElementById(id);

const page = {
  folder: null,      // the server's answer to "state"
  number: null,      // of the image at hand
  item: null,        // the server's answer to "item/<number>"
  points: [],        // [{at: [x, y] or null, proposed, hidden, certainty}]
  chosen: 0,
  past: [],          // earlier states of `points` of this image
  visited: [],       // numbers of the images before this one
  drafts: new Map(), // number -> points that were moved and not confirmed
  isBusy: false,
  hasEnded: false,   // whether the end was told
};
let stage, panel;

async function ask(path, body) {
  const options = body && {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(body)};
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("The program has ended; what was confirmed is saved. Start it again to go on.");
  }
  const content = answer.headers.get("Content-Type") === "application/json" ? await answer.json() : {};
  if (!answer.ok) throw new Error(content.error ?? `The program answered with error ${answer.status}.`);
  return content;
}

// Run what asks the server, one at a time; tell what fails.
async function busy(work) {
  if (page.isBusy) return;
  page.isBusy = true;
  document.body.ariaBusy = true;
  try {
    await work();
    find("problem").hidden = true;
  } catch (error) {
    find("problem").textContent = error.message;
    find("problem").hidden = false;
  } finally {
    page.isBusy = false;
    document.body.ariaBusy = false;
    if (page.folder) tell();
  }
}

async function visit(number) {
  if (page.number !== null && page.past.length) page.drafts.set(page.number, page.points);
  page.number = number;
  page.item = null;
  page.past = [];
  find("name").textContent = page.folder.names[number];
  try {
    const item = await ask(`item/${number}`);
    page.points = page.drafts.get(number) ?? startingPoints(item);
    page.chosen = unplaced() >= 0 ? unplaced() : leastCertain();
    draw();
    await stage.show(`image/${number}`, item.size, item.name);
    page.item = item;
  } catch (error) {
    page.points = startingPoints({});
    draw();
    stage.clear();
    throw error;
  }
  const coming = nextOpen(number);
  if (coming !== null) new Image().src = `image/${coming}`;
}

// The number of the first point that has no place yet, -1 if all have one or are not visible.
const unplaced = () => page.points.findIndex(point => !point.at && !point.hidden);

function startingPoints(item) {
  return page.folder.labels.map((_, k) => {
    const at = item.points?.[k] ?? null;
    return {at, hidden: Boolean(item.confirmed) && !at, proposed: !item.confirmed && at !== null,
            certainty: item.certainty?.[k] ?? null};
  });
}

function nextOpen(number) {
  const count = page.folder.names.length, confirmed = new Set(page.folder.confirmed);
  for (let step = 1; step < count; step++)
    if (!confirmed.has((number + step) % count)) return (number + step) % count;
  return null;
}

function leastCertain() {
  const certainties = page.points.map(point => point.certainty ?? 1);
  return certainties.indexOf(Math.min(...certainties));
}

// Change the points; the state before is kept to be undone.
function change(k, news) {
  page.points = page.points.map((point, n) => n === k ? {...point, proposed: false, certainty: null, ...news} : point);
}

const keep = () => page.past.push(page.points);

const events = {
  choose(k) { page.chosen = k; draw(); },
  begin: keep,
  move(k, at) { change(k, {at, hidden: false}); draw(); },
  drop(k) { advance(k); draw(); },
  cancel() { undo(); },
};

// Go on to the next point that has no place yet.
function advance(k) {
  const open = unplaced();
  page.chosen = open < 0 ? k : open;
}

function undo() {
  if (page.past.length) page.points = page.past.pop();
  draw();
}

function begin() {
  keep();
  page.points = startingPoints(page.item);
  draw();
}

function hide(k) {
  keep();
  const {hidden} = page.points[k];
  change(k, {at: null, hidden: !hidden});
  if (hidden) page.chosen = k; else advance(k);
  draw();
}

function nudge(dx, dy) {
  const {at} = page.points[page.chosen];
  if (!at) return;
  keep();
  const step = Math.max(0.1, 1 / stage.view.scale);
  events.move(page.chosen, stage.inside([at[0] + dx * step, at[1] + dy * step]));
}

const confirm = () => busy(async () => {
  const open = unplaced();
  if (!page.item || open >= 0) { page.chosen = Math.max(open, 0); draw(); return; }
  const {number} = page;
  const answer = await ask(`confirm/${number}`, {points: page.points.map(({at}) => at)});
  Object.assign(page.folder, answer);
  page.past = [];
  page.drafts.delete(number);
  page.visited.push(number);
  await visit(answer.next ?? (number + 1) % page.folder.names.length);
  if (isWhole() && !page.hasEnded) end();
});

const isWhole = () => page.folder.confirmed.length >= page.folder.wanted;

const back = () => busy(async () => {
  const count = page.folder.names.length;
  await visit(page.visited.pop() ?? (page.number + count - 1) % count);
});

const next = () => busy(async () => {
  page.visited.push(page.number);
  await visit((page.number + 1) % page.folder.names.length);
});

function end() {
  page.hasEnded = true;
  find("summary").textContent = progress(page.folder);
  find("list").textContent = page.folder.list;
  find("done").showModal();
}

function draw() {
  stage.draw(page.points, page.chosen);
  panel.drawPoints(page.points, page.chosen);
  tell();
}

const tell = () => panel.tell(page, unplaced());

const KEYS = {
  Enter: confirm, " ": confirm, x: () => hide(page.chosen), Delete: () => hide(page.chosen),
  b: back, Backspace: back, n: next, u: undo, r: begin,
  "+": () => stage.zoom(1.4), "=": () => stage.zoom(1.4), "-": () => stage.zoom(1 / 1.4), 0: () => stage.fit(),
  ArrowLeft: far => nudge(-far, 0), ArrowRight: far => nudge(far, 0),
  ArrowUp: far => nudge(0, -far), ArrowDown: far => nudge(0, far),
  "?": () => find("keys").showModal(),
};

function pressed(event) {
  const isUndo = event.key === "z" && (event.ctrlKey || event.metaKey);
  if (document.querySelector("dialog[open]") || (event.ctrlKey || event.metaKey || event.altKey) && !isUndo) return;
  const onButton = event.target.closest?.("button:not(.mark)");
  if (onButton && (event.key === "Enter" || event.key === " ")) return;
  const k = Number(event.key) - 1, key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  const action = isUndo ? undo : page.points[k] && event.key > 0 ? () => events.choose(k) : KEYS[key];
  if (!action || !page.folder) return;
  event.preventDefault();
  action(event.shiftKey ? 10 : 1);
}

async function start() {
  page.folder = await ask("state");
  page.folder.labels = page.folder.labels.map(label => label.replaceAll("_", " "));
  document.title = `Annotate ${page.folder.folder.split("/").pop()}`;
  stage = new Stage(find("stage"), page.folder.labels, events);
  panel = new Panel(page.folder.labels, events.choose, hide);
  const buttons = {
    confirm, back, next, in: () => stage.zoom(1.4), out: () => stage.zoom(1 / 1.4), fit: () => stage.fit(),
    help: () => find("keys").showModal(), finish: leave, leave,
  };
  for (const [id, action] of Object.entries(buttons)) find(id).addEventListener("click", () => action());
  // A pointer leaves the focus, and so the keys, with the image.
  document.addEventListener("click", event => event.detail && !document.querySelector("dialog[open]") && find("stage").focus());
  document.addEventListener("keydown", pressed);
  await visit(page.folder.next ?? 0);
  if (isWhole()) end();
}

async function leave() {
  await ask("finish", {}).catch(() => null);  // it may have ended already
  document.body.replaceChildren("The program has ended; the points are saved. This page can be closed.");
  document.body.style.padding = "2rem";
}

busy(start);
