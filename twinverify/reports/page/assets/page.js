"use strict";
(() => {
  const read = (id) => JSON.parse(document.getElementById(id).textContent);
  const looks = read("looks");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const places = [...document.querySelectorAll("[data-figure]")];

  for (const place of places) {
    const { data, layout } = read(place.dataset.figure);
    Plotly.newPlot(place, data, { ...layout, autosize: true, template: dark.matches ? looks.dark : looks.light }, {
      responsive: true,
      displaylogo: false,
      modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"],
      toImageButtonOptions: { format: "svg", filename: place.dataset.figure },
    });
  }

  const dress = (changes) => places.forEach((place) => Plotly.relayout(place, changes));
  dark.addEventListener("change", () => dress({ template: dark.matches ? looks.dark : looks.light }));
  // Paper is white and narrow whatever the screen is.
  addEventListener("beforeprint", () => dress({ template: looks.light, width: 680 }));
  addEventListener("afterprint", () =>
    dress({ template: dark.matches ? looks.dark : looks.light, width: null, autosize: true }));

  const key = (row, column) => row.cells[column].dataset.sort;
  const compare = (a, b) => {
    // What is not there stands last, whichever way is sorted.
    if (a === "" || b === "") return a === b ? 0 : a === "" ? Infinity : -Infinity;
    const numbers = Number(a) - Number(b);
    return Number.isNaN(numbers) ? a.localeCompare(b) : numbers;
  };
  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => head.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const rows = [...table.tBodies[0].rows];
      rows.sort((one, other) => {
        const order = compare(key(one, column), key(other, column));
        return down && Number.isFinite(order) ? -order : order;
      });
      table.tBodies[0].append(...rows);
    }));
  }
})();
