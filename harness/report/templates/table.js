// Click a heading to sort, type to narrow. The page is complete without it.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const key = (row, index) => {
    const cell = row.cells[index];
    const value = cell.dataset.value ?? cell.textContent.trim();
    return value !== "" && !isNaN(value) ? Number(value) : value;
  };
  for (const [index, heading] of [...table.tHead.rows[0].cells].entries()) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => {
      const rising = heading.getAttribute("aria-sort") !== "ascending";
      for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", rising ? "ascending" : "descending");
      const order = (a, b) => (typeof a === typeof b ? (a < b ? -1 : a > b ? 1 : 0) : typeof a === "number" ? -1 : 1);
      body.append(...[...body.rows].sort((a, b) => (rising ? 1 : -1) * order(key(a, index), key(b, index))));
    });
  }
  const box = document.createElement("input");
  box.type = "search";
  box.placeholder = `narrow, e.g. ${table.dataset.narrow ?? "ebpf p50"}`;
  box.setAttribute("aria-label", "Show only rows with these words");
  table.closest(".wide").before(box);
  const count = document.createElement("span");
  count.className = "soft";
  count.setAttribute("role", "status");
  const off = new Set();
  const texts = new Map();
  const text = (row) => texts.get(row) ?? texts.set(row, row.textContent.toLowerCase()).get(row);
  const narrow = () => {
    const words = box.value.toLowerCase().split(/\s+/);
    let shown = 0;
    for (const row of body.rows) {
      const planes = (row.dataset.planes ?? "").split(" ");
      row.hidden = planes.some((plane) => off.has(plane)) || !words.every((word) => text(row).includes(word));
      shown += !row.hidden;
    }
    count.textContent = shown < body.rows.length ? ` ${shown} of ${body.rows.length} rows ` : "";
  };
  box.addEventListener("input", narrow);
  box.after(count);
  for (const plane of (table.dataset.planes ?? "").split(" ").filter(Boolean)) {
    const toggle = document.createElement("button");
    toggle.type = "button";
    toggle.className = "toggle";
    toggle.textContent = plane;
    toggle.setAttribute("aria-pressed", "true");
    toggle.addEventListener("click", () => {
      off.has(plane) ? off.delete(plane) : off.add(plane);
      toggle.setAttribute("aria-pressed", String(!off.has(plane)));
      narrow();
    });
    count.before(toggle);
  }
}
