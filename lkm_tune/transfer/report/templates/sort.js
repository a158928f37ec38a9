// A click, or Enter, on the head of a column sorts the table by it; a second one turns the order.
document.querySelectorAll("table.sortable").forEach((table) => {
  table.querySelectorAll("thead th").forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const up = head.getAttribute("aria-sort") !== "ascending";
      table.querySelectorAll("thead th").forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const value = (row) => {
        const text = row.cells[column].textContent.trim().replace("−", "-");
        const number = parseFloat(text.replace(/,/g, ""));
        return Number.isNaN(number) ? text : number;
      };
      const order = (a, b) => {
        const [x, y] = [value(a), value(b)];
        const difference = typeof x === typeof y
          ? (typeof x === "number" ? x - y : x.localeCompare(y))
          : (typeof x === "number" ? -1 : 1);
        return up ? difference : -difference;
      };
      const body = table.tBodies[0];
      [...body.rows].sort(order).forEach((row) => body.append(row));
    });
  });
});
// Print shows what is folded, too.
window.addEventListener("beforeprint", () => {
  document.querySelectorAll("details").forEach((part) => { part.open = true; });
});
