// The page: which image and point are at hand, what keys and buttons do, and the server's answers.

import {Draft} from "./draft.js";
import {keyListener} from "./keys.js";
import {Panel, progress} from "./panel.js";
import {Stage} from "./stage.js";

const find = id => document.getElementById(id);

const page = {
  folder: null,      // the server's answer to "state"
  number: null,      // of the image at hand
  item: null,        // the server's answer to "item/<number>"
  draft: null,       // the `Draft` of its objects and points
  visited: [],       // numbers of the images before this one
  drafts: new Map(), // number -> the draft, if something was moved and not confirmed
  isBusy: false,
  hasEnded: false,   // whether the end was told
  wasWarned: false,  // of changes that are not confirmed
  hasLeft: false,    // whether the program was ended from here
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
    complain(error);
  } finally {
    page.isBusy = false;
    document.body.ariaBusy = false;
    if (page.draft) tell();
  }
}

function complain(error) {
  find("problem").textContent = error.message;
  find("problem").hidden = false;
}

async function visit(number) {
  stage.release();  // a drag does not go on in another image
  if (page.draft?.past.length) page.drafts.set(page.number, page.draft);
  page.number = number;
  page.item = null;
  page.wasWarned = false;
  find("name").textContent = page.folder.names[number];
  try {
    const item = await ask(`item/${number}`);
    page.draft = page.drafts.get(number) ?? newDraft(item);
    page.draft.take(page.draft.object);
    draw();
    await stage.show(`image/${number}`, item.size, item.name);
    page.item = item;
  } catch (error) {
    page.draft = newDraft({});
    draw();
    stage.clear();
    throw error;
  }
  propose();
  const coming = nextOpen(number);
  if (coming !== null) new Image().src = `image/${coming}`;
}

const newDraft = item => new Draft(page.folder.labels, page.folder.boxes, item);

// Ask for proposals in the box at hand, without keeping the user from going on.
async function propose() {
  const {number, draft} = page, {box} = draft.here;
  if (!page.folder.boxes || !page.folder.proposes || !draft.awaits) return;
  try {
    const isTaken = draft.propose(box, await ask(`propose/${number}`, {box}));
    if (isTaken && !stage.held && draft.here.box === box) draft.take(draft.object);
    draw();
  } catch (error) {
    complain(error);
  }
}

function nextOpen(number) {
  const count = page.folder.names.length, confirmed = new Set(page.folder.confirmed);
  for (let step = 1; step < count; step++)
    if (!confirmed.has((number + step) % count)) return (number + step) % count;
  return null;
}

const keep = () => page.draft.keep();
const events = {
  choose(k) { page.draft.chosen = k; draw(); },
  begin: keep,
  move(k, at) { page.draft.move(k, {at, hidden: false}); draw(); },
  drop(k) { advance(k); draw(); },
  cancel() { undo(); },
  frame(box) { page.draft.set({box}); draw(); },
  framed() { advance(page.draft.chosen); draw(); propose(); },
};

// Go on to the next point that has no place yet.
function advance(k) {
  const open = page.draft.unplaced();
  page.draft.chosen = open < 0 ? k : open;
}

function undo() {
  page.draft.undo();
  draw();
}

function begin() {
  keep();
  page.draft.begin();
  draw();
  propose();
}

function hide(k) {
  const {hidden} = page.draft.points[k] ?? {};
  if (hidden === undefined) return;
  keep();
  page.draft.move(k, {at: null, hidden: !hidden});
  if (hidden) page.draft.chosen = k; else advance(k);
  draw();
}

function nudge(dx, dy) {
  const {points, chosen} = page.draft, at = points[chosen]?.at;
  if (!at) return;
  keep();
  const step = Math.max(0.1, 1 / stage.view.scale);
  events.move(chosen, stage.inside([at[0] + dx * step, at[1] + dy * step]));
}

// Return what does something to the objects of an image, where objects are framed.
const withObjects = action => number => {
  if (!page.folder.boxes || !page.item) return;
  action(number);
  draw();
  propose();
};

const objects = {
  take: withObjects(number => page.draft.take(number)),
  other: withObjects(() => page.draft.take((page.draft.object + 1) % page.draft.objects.length)),
  add: withObjects(() => page.draft.add()),
  frame: withObjects(() => { keep(); page.draft.set({box: null}); }),
  remove: withObjects(() => page.draft.remove()),
};

const confirm = () => busy(async () => {
  const {number, draft} = page, open = draft.open();
  if (!page.item || open >= 0) { draft.take(Math.max(open, 0)); draw(); propose(); return; }
  const answer = await ask(`confirm/${number}`, draft.content);
  Object.assign(page.folder, answer);
  draft.past = [];
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
  stage.draw(page.draft);
  panel.draw(page.draft);
  tell();
}

const tell = () => panel.tell(page);

const does = {
  confirm, back, next, undo, begin, nudge, ...objects,
  hide: () => hide(page.draft.chosen),
  choose: k => page.draft.points[k] && events.choose(k),
  enlarge: () => stage.zoom(1.4), reduce: () => stage.zoom(1 / 1.4), fit: () => stage.fit(),
  help: () => find("keys").showModal(),
};

// The draft at hand may be another one in a moment, and a pointer may hold one of its points.
const isReady = () => page.draft && !page.isBusy && !stage.held;

async function start() {
  page.folder = await ask("state");
  page.folder.labels = page.folder.labels.map(label => label.replaceAll("_", " "));
  document.title = `Annotate ${page.folder.folder.split("/").pop()}`;
  stage = new Stage(find("stage"), page.folder.labels, events);
  panel = new Panel(page.folder, events.choose, hide, objects.take);
  const {confirm, back, next, enlarge, reduce, fit, help, add, frame, remove} = does;
  const buttons = {confirm, back, next, in: enlarge, out: reduce, fit, help, add, frame, remove, finish: leave, leave};
  for (const [id, action] of Object.entries(buttons)) find(id).addEventListener("click", () => action());
  // A pointer leaves the focus, and so the keys, with the image.
  document.addEventListener("click", event => event.detail && !document.querySelector("dialog[open]") && find("stage").focus());
  document.addEventListener("keydown", keyListener(does, isReady));
  addEventListener("beforeunload", event => unsaved() && !page.hasLeft && event.preventDefault());
  await visit(page.folder.next ?? 0);
  if (isWhole()) end();
}

// The number of images with something that was moved and not confirmed.
const unsaved = () => page.drafts.size + (page.draft?.past.length && !page.drafts.has(page.number) ? 1 : 0);

async function leave() {
  const count = unsaved(), images = count === 1 ? "an image" : `${count} images`;
  if (count && !page.wasWarned) {
    page.wasWarned = true;
    for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
    return complain(new Error(`Changes in ${images} are not confirmed, and would be lost; end the program once more to leave them.`));
  }
  page.hasLeft = true;
  await ask("finish", {}).catch(() => null);  // it may have ended already
  document.body.replaceChildren("The program has ended; what was confirmed is saved. This page can be closed.");
  document.body.style.padding = "2rem";
}

busy(start);
