/* The program of a report's page: it draws the plots of the runs (runs.js) with Plotly, and fills the
   table of runs.
   Text of the sweep reaches the page as text (textContent), or through plain() where Plotly would
   read tags in it. */
"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const root = document.documentElement;
  const { data, NOMINAL, KINDS, runs, rowOf, kinds, titleOf, violators } = REPORTED;
  const { columns, named, status, cause, inGroup, isNumeric } = REPORTED;
  const GL_FROM = 2000; // more points are drawn by WebGL, where the browser has it
  const MOST_LEVELS = 12;

  /* ---- which runs are shown ---- */

  const filters = new Map([["all runs", () => true]]);
  for (const kind of ["ok", "failed", "skipped"]) {
    const count = kinds.filter((_, row) => status.value(row) === kind).length;
    if (count) filters.set(`${kind} (${count})`, (row) => status.value(row) === kind);
  }
  for (const [name, ids] of violators) {
    if (ids.size) filters.set(`violates ${name} (${ids.size})`, (row) => ids.has(runs[row]));
  }
  let shown = [];
  let picked = null; // the rows of a selection in a plot
  const sorted = { by: null, down: false };

  const COMPARE = {
    "<": (one, other) => one < other,
    "<=": (one, other) => one <= other,
    ">": (one, other) => one > other,
    ">=": (one, other) => one >= other,
    "=": (one, other) => one === other,
  };

  // A term of the search: a comparison with a column's name, or text that a run has somewhere.
  const matcher = (term) => {
    const found = /^(.+?)\s*(<=|>=|=|<|>)\s*([^<>=]+)$/.exec(term);
    if (found) {
      const [, name, how, text] = found;
      const wanted = name.trim().toLowerCase();
      const column =
        columns.find((each) => each.name.toLowerCase() === wanted) ??
        columns.find((each) => each.name.toLowerCase().endsWith(wanted));
      const value = Number(text);
      if (wanted === "run") return (row) => COMPARE[how](runs[row], value);
      if (column && isNumeric(column) && !Number.isNaN(value)) {
        return (row) => COMPARE[how](column.value(row), value);
      }
      if (column && how === "=") return (row) => column.shown(row) === text.trim();
    }
    const wanted = term.toLowerCase();
    if (/^(run )?\d+$/.test(wanted)) {
      const run = Number(wanted.replace("run ", ""));
      return (row) => runs[row] === run;
    }
    const looks = columns.filter((each) => !isNumeric(each) || /\d/.test(wanted));
    return (row) => looks.some((each) => each.shown(row).toLowerCase().includes(wanted)) ||
      titleOf(runs[row]).includes(wanted);
  };

  const refilter = () => {
    const keeps = filters.get($("which").value);
    const terms = $("search").value.split(/,|\band\b/).map((each) => each.trim()).filter(Boolean);
    const matchers = terms.map(matcher);
    shown = [];
    for (let row = 0; row < runs.length; row += 1) {
      if (keeps(row) && matchers.every((fits) => fits(row))) shown.push(row);
    }
    picked = null;
    drawPlots();
    fill(0);
  };

  const listed = () => (picked === null ? shown : shown.filter((row) => picked.has(row)));

  const say = (rows) => {
    const of = `${rows.length.toLocaleString("en")} of ${runs.length.toLocaleString("en")} runs`;
    $("count").textContent = picked === null ? of : `${of}, selected in the plot`;
  };

  /* ---- the plots ---- */

  const plain = (text) =>
    String(text).replace(/[&<>]/g, (each) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[each]);
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const hasGL = (() => {
    try {
      return Boolean(document.createElement("canvas").getContext("webgl"));
    } catch {
      return false;
    }
  })();
  const CONFIG = {
    responsive: true,
    displaylogo: false,
    // Named one by one: Plotly's own choice has "Share chart...", which sends it to its makers.
    modeBarButtons: [["toImage"], ["zoom2d", "pan2d", "select2d", "lasso2d"], ["zoomIn2d", "zoomOut2d", "resetScale2d"]],
    showSendToCloud: false,
    plotlyServerURL: "",
    toImageButtonOptions: { format: "png", scale: 2, filename: "plot" },
  };
  const MARKS = {
    ok: { symbol: "circle", size: 6, opacity: 0.75 },
    violates: { symbol: "diamond", size: 9, opacity: 0.95 },
    failed: { symbol: "x", size: 8, opacity: 0.95 },
    skipped: { symbol: "square-open", size: 7, opacity: 0.9 },
  };
  const SYMBOLS = ["circle", "square", "diamond", "triangle-up", "cross", "pentagon"];

  const axis = (column, more = {}) => ({
    title: { text: column ? plain(column.label) : "", standoff: 8 },
    type: column?.kind === "date" ? "date" : column?.kind === "text" ? "category" : "linear",
    gridcolor: css("--line"),
    zerolinecolor: css("--line"),
    linecolor: css("--faint"),
    automargin: true,
    // An orbit's radius is 42,164 km, not 42.164k.
    exponentformat: "power",
    minexponent: 6,
    ...more,
  });
  const layout = (more) => ({
    paper_bgcolor: css("--paper"),
    plot_bgcolor: css("--paper"),
    font: { family: "system-ui, sans-serif", size: 13, color: css("--ink") },
    margin: { l: 64, r: 16, t: 30, b: 48 },
    modebar: { bgcolor: "rgba(0,0,0,0)", color: css("--faint"), activecolor: css("--ink") },
    hovermode: "closest",
    dragmode: "zoom",
    legend: { orientation: "h", y: 1.02, yanchor: "bottom", x: 0, itemsizing: "constant" },
    ...more,
  });
  const limitLines = (column, letter) =>
    (column?.limits ?? []).filter((each) => each !== null).map((at) => ({
      type: "line",
      [`${letter}ref`]: letter,
      [`${letter}0`]: at,
      [`${letter}1`]: at,
      [letter === "x" ? "yref" : "xref"]: "paper",
      [letter === "x" ? "y0" : "x0"]: 0,
      [letter === "x" ? "y1" : "x1"]: 1,
      line: { color: css("--failed"), width: 1.5, dash: "dash" },
      label: { text: "limit", font: { color: css("--failed"), size: 11 }, textposition: "end" },
    }));
  const isTold = (value) => value !== null && (typeof value === "string" || Number.isFinite(value));

  const points = (name, rows, x, y, mark, more = {}) => ({
    type: rows.length > GL_FROM && hasGL ? "scattergl" : "scatter",
    mode: "markers",
    name: plain(name),
    x: rows.map(x.plotted),
    y: rows.map(y.plotted),
    customdata: rows,
    hoverinfo: "none",
    marker: mark,
    ...more,
  });

  const drawScatter = () => {
    const [x, y, colour] = ["x", "y", "colour"].map((id) => named.get($(id).value));
    const traces = [];
    const inside = shown.filter((row) => runs[row] !== NOMINAL && isTold(x.plotted(row)));
    const whole = inside.filter((row) => isTold(y.plotted(row)));
    const rug = inside.filter((row) => !isTold(y.plotted(row)));
    if (colour === undefined) {
      for (const kind of KINDS) {
        const rows = whole.filter((row) => kinds[row] === kind);
        const mark = { ...MARKS[kind], color: css(`--${kind}`) };
        if (rows.length) traces.push(points(`${kind} (${rows.length})`, rows, x, y, mark));
      }
    } else if (isNumeric(colour)) {
      const told = whole.filter((row) => isTold(colour.plotted(row)));
      const untold = whole.filter((row) => !isTold(colour.plotted(row)));
      traces.push(
        points(colour.label, told, x, y, {
          size: 7,
          color: told.map(colour.plotted),
          colorscale: css("--scale").split(" ").map((each, at, all) => [at / (all.length - 1), each]),
          colorbar: {
            title: { text: plain(colour.label), side: "right" }, thickness: 14, outlinewidth: 0,
            ...(colour.kind === "date" ? { tickvals: [] } : {}),
          },
        }, { showlegend: false }),
      );
      if (untold.length) {
        traces.push(points(`without it (${untold.length})`, untold, x, y,
          { ...MARKS.skipped, color: css("--faint") }));
      }
    } else {
      const palette = css("--levels").split(" ");
      [...colour.levels, null].forEach((level, at) => {
        const rows = whole.filter((row) => colour.value(row) === level);
        if (!rows.length) return;
        traces.push(points(level ?? "without it", rows, x, y, {
          size: 7,
          color: palette[at % palette.length],
          symbol: SYMBOLS[at % SYMBOLS.length],
        }));
      });
    }
    if (rug.length) {
      // Runs that have nothing to show upwards still tell where they lie across.
      const edge = { ...y, plotted: () => 0.02 };
      traces.push(points(`without ${y.name} (${rug.length})`, rug, x, edge,
        { symbol: "x", size: 7, opacity: 0.7, color: css("--failed") }, { yaxis: "y2" }));
    }
    const nominal = shown.filter((row) => runs[row] === NOMINAL && isTold(x.plotted(row)) && isTold(y.plotted(row)));
    if (nominal.length) {
      traces.push(points("nominal", nominal, x, y,
        { symbol: "star", size: 15, color: css("--ink"), line: { width: 1, color: css("--paper") } }));
    }
    if (!traces.length) traces.push({ type: "scatter", x: [], y: [] });
    Plotly.react("scatter", traces, layout({
      xaxis: axis(x),
      yaxis: axis(y),
      yaxis2: { overlaying: "y", range: [0, 1], fixedrange: true, visible: false },
      shapes: [...limitLines(x, "x"), ...limitLines(y, "y")],
      showlegend: true,
      selectdirection: "any",
      uirevision: `${x.name}|${y.name}`,
    }), CONFIG);
    const parts = [`${whole.length.toLocaleString("en")} runs: ${y.label} over ${x.label}.`];
    if (rug.length) parts.push(`${rug.length.toLocaleString("en")} runs have no ${y.name}; they are at the lower edge.`);
    const without = shown.filter((row) => runs[row] !== NOMINAL).length - inside.length;
    if (without) parts.push(`${without.toLocaleString("en")} runs have no ${x.name}, and are not shown.`);
    $("scatter-note").textContent = parts.join(" ");
  };

  // The values of the runs that a statistic counts, in the order of the runs.
  const counted = (column, rows) =>
    rows.filter((row) => runs[row] !== NOMINAL && status.value(row) === "ok" && Number.isFinite(column.plotted(row)))
      .sort((one, other) => runs[one] - runs[other]).map(column.plotted);

  const drawSpread = () => {
    const column = named.get($("quantity").value);
    const values = counted(column, shown);
    const asShare = $("as").value === "share";
    let trace;
    if (asShare) {
      const ordered = Float64Array.from(values).sort();
      const step = Math.max(1, Math.ceil(ordered.length / 2000));
      const places = Array.from({ length: Math.ceil(ordered.length / step) }, (_, at) =>
        Math.min(ordered.length - 1, at * step + step - 1));
      trace = {
        type: "scatter", mode: "lines", x: places.map((at) => ordered[at]),
        y: places.map((at) => (at + 1) / ordered.length),
        line: { shape: "hv", color: css("--ok"), width: 2 },
        hovertemplate: "%{y:.2%} up to %{x}<extra></extra>",
      };
    } else {
      trace = {
        type: "histogram", x: values, nbinsx: 50,
        marker: { color: css("--ok"), line: { width: 1, color: css("--paper") } },
        hovertemplate: "%{y} runs in %{x}<extra></extra>",
      };
    }
    Plotly.react("spread", [trace], layout({
      xaxis: axis(column),
      yaxis: axis(null, asShare ? { tickformat: ".0%", range: [0, 1.02], title: { text: "share of runs" } } : { title: { text: "runs" } }),
      shapes: limitLines(column, "x"),
      bargap: 0,
    }), CONFIG);
    $("spread-note").textContent = `${values.length.toLocaleString("en")} of the shown runs are ok and have a value.`
      + (column.limits.some((each) => each !== null) ? " Dashed: the requirement's limit." : "");
  };

  const drawSettling = () => {
    const column = named.get($("quantity").value);
    if (data.why || runs.length < data.recorded || column.kind === "date") {
      $("settling").hidden = true;
      $("settling-note").textContent = data.why
        ? `Whether there are enough runs is not shown: ${data.why}.`
        : "How the mean settles is not shown: the page does not have all runs, or the quantity is a date.";
      return;
    }
    $("settling").hidden = false;
    const values = counted(column, Array.from(runs, (_, row) => row));
    const [n, mean, low, high] = [[], [], [], []];
    const step = Math.max(1, Math.floor(values.length / 1000));
    let [centre, squares] = [0, 0];
    values.forEach((value, at) => {
      const count = at + 1;
      const before = value - centre;
      centre += before / count;
      squares += before * (value - centre);
      if (count < 2 || (count % step && count !== values.length)) return;
      const error = Math.sqrt(squares / (count - 1) / count);
      n.push(count);
      mean.push(centre);
      low.push(centre - error);
      high.push(centre + error);
    });
    const edge = { type: "scatter", mode: "lines", x: n, line: { width: 0 }, hoverinfo: "skip", showlegend: false };
    Plotly.react("settling", [
      { ...edge, y: low },
      { ...edge, y: high, fill: "tonexty", fillcolor: css("--band"), name: "± 1 standard error", showlegend: true },
      { type: "scatter", mode: "lines", x: n, y: mean, name: "running mean", line: { color: css("--ok"), width: 2 },
        hovertemplate: "after %{x} runs: %{y}<extra></extra>" },
    ], layout({ xaxis: axis(null, { title: { text: "runs" } }), yaxis: axis(column) }), CONFIG);
    $("settling-note").textContent = "The mean over the first runs that are ok, and its standard error. All runs count here, whatever is shown.";
  };

  const drawPlots = () => {
    drawScatter();
    drawSpread();
  };

  /* ---- hover, selection, one run ---- */

  const line = (parent, tag, text, name) => {
    const made = document.createElement(tag);
    made.textContent = text;
    if (name) made.className = name;
    parent.append(made);
    return made;
  };

  // Dotted names break after their dots.
  const name = (parent, tag, text, kind) => {
    const made = line(parent, tag, "", kind);
    text.split(/(?<=[.:_])/).forEach((part, at) => {
      if (at) made.append(document.createElement("wbr"));
      made.append(part);
    });
    return made;
  };

  const describe = (row) => {
    const box = $("hover");
    box.replaceChildren();
    line(box, "strong", titleOf(runs[row]));
    line(box, "span", ` ${kinds[row] === "nominal" ? status.shown(row) : kinds[row]}`, `kind ${kinds[row]}`);
    const axes = ["y", "x", "colour"].map((id) => named.get($(id).value)).filter(Boolean);
    const inputs = inGroup("input").filter((each) => !axes.includes(each));
    const told = line(box, "dl", "");
    for (const each of [...new Set(axes), ...inputs.slice(0, 10)]) {
      name(told, "dt", each.label);
      line(told, "dd", each.shown(row) || "none");
    }
    if (inputs.length > 10) line(box, "small", `and ${inputs.length - 10} further inputs`);
    if (cause.shown(row)) line(box, "p", cause.shown(row));
  };

  const place = (event) => {
    const box = $("hover");
    box.hidden = false;
    const [wide, high] = [box.offsetWidth, box.offsetHeight];
    const left = event.clientX + 16 + wide > innerWidth ? Math.max(4, event.clientX - 16 - wide) : event.clientX + 16;
    const top = Math.max(4, Math.min(event.clientY + 12, innerHeight - high - 4));
    box.style.left = `${left}px`;
    box.style.top = `${top}px`;
  };

  const open = (run) => {
    const row = rowOf.get(run);
    if (row === undefined) return;
    $("hover").hidden = true;
    $("h-run").textContent = `${titleOf(run)}: ${status.shown(row)}`;
    $("again").textContent = `${data.replay} ${run}`;
    const body = $("values");
    body.replaceChildren();
    for (const each of columns) {
      if (each === status || !each.shown(row)) continue;
      const made = line(body, "tr", "");
      name(made, "th", each.name).scope = "row";
      line(made, "td", each.shown(row), each.kind === "text" ? "" : "n");
      line(made, "td", each.unit);
    }
    $("run").showModal();
  };

  /* ---- the table ---- */

  const chosen = () => {
    const onPaper = root.classList.contains("printed");
    if ($("columns").value === "all" && !onPaper) return columns;
    const some = (group, most) => inGroup(group).filter((each) => !each.constant).slice(0, most);
    const told = columns.filter((each) => each === status || (each === cause && each.levels.length));
    const most = onPaper ? [3, 2, 2] : [6, 4, 6];
    return [...told, ...["input", "requirement", "output"].flatMap((group, at) => some(group, most[at]))];
  };

  const order = (rows) => {
    if (sorted.by === null) return rows;
    const value = sorted.by === "run" ? (row) => runs[row] : named.get(sorted.by).value;
    const isMissing = (each) => each === null || Number.isNaN(each);
    const turn = sorted.down ? -1 : 1;
    return [...rows].sort((one, other) => {
      const [a, b] = [value(one), value(other)];
      if (isMissing(a) || isMissing(b)) return isMissing(a) - isMissing(b);
      return a === b ? 0 : (a < b ? -1 : 1) * turn;
    });
  };

  let first = 0;
  const fill = (from) => {
    const rows = order(listed());
    const size = Number($("size").value);
    first = Math.max(0, Math.min(from, Math.floor((rows.length - 1) / size) * size));
    const shownColumns = chosen();
    const head = document.createElement("tr");
    for (const each of [{ name: "run", label: "run", kind: "number" }, ...shownColumns]) {
      const cell = line(head, "th", "", each.kind === "text" ? "" : "n");
      cell.scope = "col";
      const isSorted = sorted.by === each.name;
      if (isSorted) cell.ariaSort = sorted.down ? "descending" : "ascending";
      const button = name(cell, "button", each.label, "sort");
      button.type = "button";
      button.dataset.sort = each.name;
      line(button, "span", isSorted ? (sorted.down ? " ▼" : " ▲") : "", "arrow").ariaHidden = "true";
    }
    const body = document.createElement("tbody");
    for (const row of rows.slice(first, first + size)) {
      const made = line(body, "tr", "", kinds[row]);
      const cell = line(made, "th", "", "n");
      cell.scope = "row";
      const button = line(cell, "button", runs[row] === NOMINAL ? "nominal" : String(runs[row]), "link");
      button.type = "button";
      button.dataset.run = runs[row];
      for (const each of shownColumns) {
        const text = each === status ? (kinds[row] === "violates" ? "ok, violates" : status.shown(row)) : each.shown(row);
        line(made, "td", text, each === cause ? "cause" : each.kind === "text" ? "" : "n");
      }
    }
    if (!rows.length) line(line(body, "tr", ""), "td", "No run is like that.").colSpan = shownColumns.length + 1;
    const table = $("table");
    table.tHead.replaceChildren(head);
    table.tBodies[0].replaceWith(body);
    const last = Math.min(first + size, rows.length);
    $("page").textContent = rows.length ? `${first + 1} to ${last} of ${rows.length.toLocaleString("en")}` : "none";
    $("previous").disabled = first === 0;
    $("next").disabled = last >= rows.length;
    say(rows);
  };

  /* ---- controls ---- */

  const options = (select, groups, value) => {
    for (const [title, each] of groups) {
      if (!each.length) continue;
      const group = document.createElement("optgroup");
      group.label = title;
      for (const column of each) group.append(new Option(column.label, column.name));
      select.append(group);
    }
    if (value !== undefined) select.value = value;
  };
  const grouped = (fits) =>
    [["what requirements measure", "requirement"], ["inputs", "input"], ["outputs", "output"], ["of the run", "run"]]
      .map(([title, group]) => [title, inGroup(group).filter(fits)]);

  const start = () => {
    for (const name of filters.keys()) $("which").append(new Option(name, name));
    const axes = grouped((each) => isNumeric(each) || (each.levels.length > 0 && each.levels.length <= 50 && each !== cause));
    options($("x"), axes, data.start.x ?? "duration_s");
    options($("y"), axes, data.start.y ?? "duration_s");
    $("colour").append(new Option("how the run ended", ""));
    options($("colour"), grouped((each) => !each.constant && (isNumeric(each) || each.levels.length <= MOST_LEVELS)));
    options($("quantity"), grouped(isNumeric), data.start.quantity ?? "duration_s");
    $("filter").hidden = false;
    $("filter").addEventListener("submit", (event) => event.preventDefault());
    $("which").addEventListener("change", refilter);
    let waits = 0;
    $("search").addEventListener("input", () => {
      clearTimeout(waits);
      waits = setTimeout(refilter, 150);
    });
    $("clear").addEventListener("click", () => {
      $("which").selectedIndex = 0;
      $("search").value = "";
      refilter();
    });
    for (const id of ["x", "y", "colour"]) $(id).addEventListener("change", drawScatter);
    $("swap").addEventListener("click", () => {
      [$("x").value, $("y").value] = [$("y").value, $("x").value];
      drawScatter();
    });
    $("quantity").addEventListener("change", () => {
      drawSpread();
      drawSettling();
    });
    $("as").addEventListener("change", drawSpread);
    $("columns").addEventListener("change", () => fill(first));
    $("size").addEventListener("change", () => fill(first));
    $("previous").addEventListener("click", () => fill(first - Number($("size").value)));
    $("next").addEventListener("click", () => fill(first + Number($("size").value)));
    $("table").tHead.addEventListener("click", (event) => {
      const button = event.target.closest("[data-sort]");
      if (!button) return;
      const by = button.dataset.sort;
      sorted.down = sorted.by === by && !sorted.down;
      sorted.by = by;
      fill(0);
      // The head was made anew: keep the keyboard where it was.
      [...$("table").tHead.querySelectorAll("[data-sort]")].find((each) => each.dataset.sort === by)?.focus();
    });
    document.addEventListener("click", (event) => {
      const button = event.target.closest("[data-run]");
      if (button) open(Number(button.dataset.run));
    });
    $("close").addEventListener("click", () => $("run").close());
    $("copy").addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText($("again").textContent);
        $("copy").textContent = "Copied";
      } catch {
        getSelection().selectAllChildren($("again"));
        $("copy").textContent = "Selected";
      }
      setTimeout(() => ($("copy").textContent = "Copy"), 1500);
    });
    refilter();
    drawSettling();
    const plot = $("scatter");
    plot.on("plotly_hover", (event) => {
      const row = event.points[0].customdata;
      if (row === undefined) return;
      describe(row);
      place(event.event);
    });
    plot.on("plotly_unhover", () => ($("hover").hidden = true));
    plot.on("plotly_click", (event) => {
      const row = event.points[0].customdata;
      if (row !== undefined) open(runs[row]);
    });
    plot.on("plotly_selected", (event) => {
      picked = event?.points ? new Set(event.points.map((each) => each.customdata)) : null;
      fill(0);
    });
    plot.on("plotly_deselect", () => {
      picked = null;
      fill(0);
    });
  };

  /* ---- light, dark, print ---- */

  const prefersDark = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ?? (prefersDark.matches ? "dark" : "light")) === "dark";
  const sayTheme = () => ($("theme").textContent = isDark() ? "Light page" : "Dark page");
  const redraw = () => {
    sayTheme();
    drawPlots();
    drawSettling();
  };
  const theming = () => {
    sayTheme();
    $("theme").addEventListener("click", () => {
      root.dataset.theme = isDark() ? "light" : "dark";
      redraw();
    });
    prefersDark.addEventListener("change", redraw);
    const plots = ["scatter", "spread", "settling"].map($);
    let kept;
    addEventListener("beforeprint", () => {
      kept = root.dataset.theme;
      root.dataset.theme = "light";
      root.classList.add("printed");
      redraw();
      fill(first);
      $("paper").textContent = `On paper: rows ${$("page").textContent}, and the first columns of each kind.`;
      for (const each of plots) if (!each.hidden) Plotly.relayout(each, { width: 660 });
    });
    addEventListener("afterprint", () => {
      if (kept === undefined) delete root.dataset.theme;
      else root.dataset.theme = kept;
      root.classList.remove("printed");
      redraw();
      fill(first);
      for (const each of plots) if (!each.hidden) Plotly.relayout(each, { width: null, autosize: true });
    });
  };

  start();
  theming();
  root.dataset.readyAfter = String(Math.round(performance.now()));
  root.dataset.drawnIn = String(Math.round(performance.now() - REPORTED.began));
})();
