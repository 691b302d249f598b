// Which key does what.

// Return a listener for keydown. `does` has a function for each action below; `isReady` says whether
// keys count now.
export function keyListener(does, isReady) {
  const keys = {
    Enter: does.confirm, " ": does.confirm, x: does.hide, Delete: does.hide,
    b: does.back, Backspace: does.back, n: does.next, u: does.undo, r: does.begin,
    f: does.frame, a: does.add, o: does.other, d: does.remove,
    "+": does.enlarge, "=": does.enlarge, "-": does.reduce, 0: does.fit,
    ArrowLeft: far => does.nudge(-far, 0), ArrowRight: far => does.nudge(far, 0),
    ArrowUp: far => does.nudge(0, -far), ArrowDown: far => does.nudge(0, far),
    "?": does.help,
  };
  return event => {
    if (!isReady()) return;
    const isUndo = event.key === "z" && (event.ctrlKey || event.metaKey);
    if (document.querySelector("dialog[open]") || (event.ctrlKey || event.metaKey || event.altKey) && !isUndo) return;
    const onButton = event.target.closest?.("button:not(.mark)");
    if (onButton && (event.key === "Enter" || event.key === " ")) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const action = isUndo ? does.undo : /^[1-9]$/.test(key) ? () => does.choose(key - 1) : keys[key];
    if (!action) return;
    event.preventDefault();
    action(event.shiftKey ? 10 : 1);
  };
}
