/* The runs of a report's page as its data has them: their ids, the columns of their values, and how
   each ended. report.js draws them. */
"use strict";
const REPORTED = (() => {
  const began = performance.now();
  const data = JSON.parse(document.getElementById("data").textContent);
  const NOMINAL = -1;
  const FIGURES = 9;

  const bytes = (text) => {
    if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
    const raw = atob(text);
    const found = new Uint8Array(raw.length);
    for (let at = 0; at < raw.length; at += 1) found[at] = raw.charCodeAt(at);
    return found;
  };
  const runs = new Int32Array(bytes(data.runs).buffer);
  const rowOf = new Map(Array.from(runs, (run, row) => [run, row]));
  const number = (value) => {
    if (!Number.isFinite(value)) return Number.isNaN(value) ? "" : value > 0 ? "never" : "-∞";
    return String(Number(value.toPrecision(FIGURES)));
  };
  const date = (value) =>
    Number.isNaN(value) ? "" : new Date(value).toISOString().replace("T", " ").replace(/(\.000)?Z$/, "");

  const columns = data.columns.map((each) => {
    const column = { ...each, label: each.unit ? `${each.name} (${each.unit})` : each.name };
    if (each.kind === "text") {
      const codes = new Uint32Array(bytes(each.codes).buffer);
      column.value = (row) => (codes[row] ? each.levels[codes[row] - 1] : null);
      column.shown = (row) => column.value(row) ?? "";
      column.plotted = column.value;
      return column;
    }
    const same = each.same === undefined ? undefined : each.same ?? NaN;
    const values = same === undefined ? new Float64Array(bytes(each.data).buffer) : null;
    column.value = values ? (row) => values[row] : () => same;
    column.shown = (row) => (each.kind === "date" ? date : number)(column.value(row));
    // An angle that goes around is drawn in the turn about its mean.
    column.plotted =
      each.turn === null
        ? column.value
        : (row) => column.value(row) - 360 * Math.round((column.value(row) - each.turn) / 360);
    return column;
  });
  const named = new Map(columns.map((each) => [each.name, each]));
  const [status, cause] = columns;
  const inGroup = (group) => columns.filter((each) => each.group === group);
  const isNumeric = (column) => column.kind !== "text";
  const violators = new Map(Object.entries(data.violating).map(([name, ids]) => [name, new Set(ids)]));
  const violates = (run) => [...violators.values()].some((ids) => ids.has(run));

  // What a run is called in the legend. A run that failed is one that failed, whatever it violates.
  const kinds = Array.from(runs, (run, row) => {
    if (run === NOMINAL) return "nominal";
    const how = status.value(row);
    return how === "ok" && violates(run) ? "violates" : how;
  });
  const KINDS = ["ok", "violates", "failed", "skipped"];
  const titleOf = (run) => (run === NOMINAL ? "nominal run" : `run ${run}`);

  return {
    began, data, NOMINAL, KINDS, runs, rowOf, kinds, titleOf, violators,
    columns, named, status, cause, inGroup, isNumeric,
  };
})();
