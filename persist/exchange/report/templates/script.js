"use strict";
(() => {
  const all = (selector, root) => Array.from((root || document).querySelectorAll(selector));
  const by = (id) => document.getElementById(id);
  const items = (root) => all(".item", root);

  function value(item, column) {
    const cell = item.rows[0].cells[column];
    const given = cell.dataset.value;
    return given === undefined ? cell.textContent.trim() : given;
  }

  function compare(a, b) {
    const x = Number(a), y = Number(b);
    if (a !== "" && b !== "" && !Number.isNaN(x) && !Number.isNaN(y)) return x - y;
    return a.localeCompare(b, undefined, { numeric: true, sensitivity: "base" });
  }

  function sort(button) {
    const head = button.closest("th"), table = head.closest("table");
    const column = head.cellIndex;
    const down = head.getAttribute("aria-sort") === "ascending";
    all("th[aria-sort]", table).forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const rows = items(table).map((item) => [value(item, column), item]);
    rows.sort(([a], [b]) => {
      // What is missing comes last in either direction.
      if ((a === "") !== (b === "")) return a === "" ? 1 : -1;
      return down ? compare(b, a) : compare(a, b);
    });
    table.append(...rows.map(([, item]) => item));
  }

  function toggle(button, open) {
    const row = button.closest("tr").nextElementSibling;
    row.hidden = !open;
    button.setAttribute("aria-expanded", String(open));
  }

  function expand(button) {
    const open = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(open));
    button.textContent = open ? "Collapse all" : "Expand all";
    const root = by(button.dataset.expand);
    // What the filter hides stays as it is: opening ten thousand items takes long.
    items(root).filter((item) => !item.hidden).forEach((item) => {
      if (item.tagName === "DETAILS") item.open = open;
      else all(".toggle", item).forEach((one) => toggle(one, open));
    });
  }

  function text(item) {
    if (item.search === undefined || typeof item.search !== "string") {
      const first = item.tagName === "DETAILS" ? item.querySelector("summary") : item.rows[0];
      item.search = first.textContent.toLowerCase();
    }
    return item.search;
  }

  function filter(input) {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    const found = items(by(input.dataset.filter));
    let shown = 0;
    found.forEach((item) => {
      const fits = words.every((word) => text(item).includes(word));
      item.hidden = !fits;
      shown += fits;
    });
    const count = document.querySelector(`[data-count="${input.dataset.filter}"]`);
    count.textContent = words.length ? `${shown} of ${found.length}` : `${found.length}`;
  }

  function reveal() {
    const target = by(decodeURIComponent(location.hash.slice(1))) || by(location.hash.slice(1));
    if (target && target.tagName === "DETAILS") target.open = true;
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.sort !== undefined) sort(button);
    else if (button.dataset.expand) expand(button);
    else if (button.classList.contains("toggle")) {
      toggle(button, button.getAttribute("aria-expanded") !== "true");
    }
  });
  document.addEventListener("input", (event) => {
    if (event.target.dataset.filter) filter(event.target);
  });
  addEventListener("hashchange", reveal);
  all("[data-filter]").forEach(filter);
  reveal();
})();
