// A pointer near a mark of a plot, or the arrow keys in a plot, bring up its figure with its interval. Tables say the same.
{
  const box = document.createElement("div");
  box.className = "tooltip";
  box.setAttribute("role", "status");
  box.hidden = true;
  document.body.append(box);
  const show = (mark, x, y) => {
    for (const other of document.querySelectorAll(".tip.shown")) other.classList.remove("shown");
    box.hidden = !mark;
    if (!mark) return;
    mark.classList.add("shown");
    box.textContent = mark.dataset.tip;
    const width = box.offsetWidth;
    box.style.left = `${Math.max(4, Math.min(x + 12, document.documentElement.clientWidth - width - 4))}px`;
    box.style.top = `${Math.max(4, y - box.offsetHeight - 10)}px`;
  };
  const middle = (mark) => {
    const place = mark.getBoundingClientRect();
    return [(place.left + place.right) / 2, place.top];
  };
  for (const plot of document.querySelectorAll("svg")) {
    const marks = [...plot.querySelectorAll(".tip")];
    if (!marks.length) continue;
    let at = -1;
    plot.setAttribute("tabindex", "0");
    plot.addEventListener("pointermove", (event) => {
      let best = null, nearest = 18;
      for (const mark of marks) {
        const place = mark.getBoundingClientRect();
        const x = Math.max(place.left - event.clientX, 0, event.clientX - place.right);
        const y = Math.max(place.top - event.clientY, 0, event.clientY - place.bottom);
        if (Math.hypot(x, y) < nearest) [best, nearest] = [mark, Math.hypot(x, y)];
      }
      show(best, event.clientX, event.clientY);
    });
    plot.addEventListener("pointerleave", () => show(null));
    plot.addEventListener("blur", () => show(null));
    plot.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (event.key === "Escape") show(null);
      if (!step) return;
      event.preventDefault();
      at = (at + step + marks.length) % marks.length;
      show(marks[at], ...middle(marks[at]));
    });
  }
}
