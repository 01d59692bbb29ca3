"use strict";
(() => {
  const main = document.querySelector("main");
  // A script error must be seen by whoever opens the page, and by the check that opens it.
  window.addEventListener("error", (event) => {
    document.documentElement.dataset.error = event.message;
    main.prepend(make("p", { className: "warning" }, "This page is incomplete: " + event.message));
  });

  const { version, runs } = JSON.parse(document.getElementById("runs").textContent);
  const palette = ["#2f6fde", "#d9480f", "#2b8a3e", "#9c36b5", "#c92a2a", "#0b7285", "#e8890c", "#5f3dc4"];
  const colour = (i) => palette[i % palette.length];
  const svgSpace = "http://www.w3.org/2000/svg";

  function make(tag, properties = {}, ...children) {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children.filter((child) => child !== null));
    return element;
  }

  function draw(tag, attributes, text) {
    const element = document.createElementNS(svgSpace, tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    if (text !== undefined) element.textContent = text;
    return element;
  }

  function section(title, ...children) {
    const shown = children.filter((child) => child !== null);
    if (shown.length) main.append(make("h2", {}, title), ...shown);
  }

  function heading(run, i) {
    const swatch = make("span", { className: "swatch" });
    swatch.style.background = colour(i);
    return make("h3", {}, swatch, run.folder);
  }

  const short = (value) => (value === null ? "-" : Number(value.toPrecision(4)).toString());

  /* ---- Curves ---- */

  // A moving average that ignores gaps, without the pull towards 0 at the beginning.
  function smooth(values, amount) {
    let mean = 0;
    let weight = 0;
    return values.map((value) => {
      if (value === null) return null;
      mean = amount * mean + (1 - amount) * value;
      weight = amount * weight + (1 - amount);
      return mean / weight;
    });
  }

  function ticks(low, high, log) {
    if (log) {
      const list = [];
      const first = Math.ceil(Math.log10(low) - 1e-9);
      const last = Math.floor(Math.log10(high) + 1e-9);
      for (let power = first; power <= last; power += Math.max(1, Math.ceil((last - first) / 5))) {
        list.push(10 ** power);
      }
      return list.length > 1 ? list : [low, high];
    }
    const raw = (high - low) / 4;
    const power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 5, 10].map((m) => m * power).find((m) => m >= raw);
    const list = [];
    // A step below the precision of the limits would not move the value.
    for (let value = Math.ceil(low / step) * step; value <= high + step * 1e-9 && list.length < 10; value += step) {
      list.push(value);
    }
    return list;
  }

  // The limits of the finite values; the logarithmic scale needs all of them above 0.
  function range(lists) {
    let low = Infinity;
    let high = -Infinity;
    for (const list of lists) {
      for (const value of list) {
        if (value === null) continue;
        low = Math.min(low, value);
        high = Math.max(high, value);
      }
    }
    if (low === high) return [low - (Math.abs(low) * 0.1 || 1), high + (Math.abs(high) * 0.1 || 1)];
    return [low, high];
  }

  function path(steps, values, x, y) {
    let text = "";
    let up = true;
    values.forEach((value, i) => {
      if (value === null) {
        up = true;
        return;
      }
      text += (up ? "M" : "L") + x(steps[i]).toFixed(1) + " " + y(value).toFixed(1);
      up = false;
    });
    return text;
  }

  // lines: [{label, colour, steps, values}]
  function chart(title, lines, settings) {
    const width = 420;
    const height = 210;
    const [left, right, top, bottom] = [52, width - 8, 8, height - 20];
    const [first, last] = range(lines.map((line) => line.steps));
    const [low, high] = range(lines.map((line) => line.values));
    if (!Number.isFinite(low)) return null;
    const log = settings.log && low > 0;
    const scale = log ? Math.log10 : (value) => value;
    const x = (step) => left + ((step - first) / (last - first)) * (right - left);
    const y = (value) => bottom - ((scale(value) - scale(low)) / (scale(high) - scale(low))) * (bottom - top);
    const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": title });
    for (const value of ticks(low, high, log)) {
      svg.append(draw("line", { class: "grid", x1: left, x2: right, y1: y(value), y2: y(value) }));
      svg.append(draw("text", { x: left - 5, y: y(value) + 3, "text-anchor": "end" }, short(value)));
    }
    for (const value of ticks(first, last, false)) {
      svg.append(draw("text", { x: x(value), y: height - 6, "text-anchor": "middle" }, short(value)));
    }
    for (const line of lines) {
      const shown = smooth(line.values, settings.smoothing);
      if (settings.smoothing > 0) {
        svg.append(draw("path", { class: "curve raw", stroke: line.colour, d: path(line.steps, line.values, x, y) }));
      }
      svg.append(draw("path", { class: "curve", stroke: line.colour, d: path(line.steps, shown, x, y) }));
      if (line.steps.length === 1 && line.values[0] !== null) {
        svg.append(draw("circle", { cx: x(line.steps[0]), cy: y(line.values[0]), r: 3, fill: line.colour }));
      }
    }
    const readout = make("div", { className: "readout" });
    follow(svg, readout, lines, { width, left, right, top, bottom, first, last, x });
    return make("div", { className: "chart" }, make("b", {}, title + (log ? " (logarithmic)" : "")), svg, readout);
  }

  // The values under the pointer, below the chart.
  function follow(svg, readout, lines, at) {
    const cursor = draw("line", { class: "cursor", y1: at.top, y2: at.bottom, visibility: "hidden" });
    svg.append(cursor);
    svg.addEventListener("pointermove", (event) => {
      const box = svg.getBoundingClientRect();
      const px = ((event.clientX - box.left) / box.width) * at.width;
      const step = at.first + ((px - at.left) / (at.right - at.left)) * (at.last - at.first);
      const found = lines.map((line) => {
        let best = 0;
        line.steps.forEach((value, i) => {
          if (Math.abs(value - step) < Math.abs(line.steps[best] - step)) best = i;
        });
        return [line, best];
      });
      const nearest = found[0][0].steps[found[0][1]];
      cursor.setAttribute("x1", at.x(nearest));
      cursor.setAttribute("x2", at.x(nearest));
      cursor.setAttribute("visibility", "visible");
      readout.textContent =
        `step ${nearest}: ` + found.map(([line, i]) => `${line.label} ${short(line.values[i])}`).join(", ");
    });
    svg.addEventListener("pointerleave", () => {
      cursor.setAttribute("visibility", "hidden");
      readout.textContent = "";
    });
  }

  // One chart per figure with a line per run, and one per run and array with a line per element.
  function charts() {
    const list = new Map();
    runs.forEach((run, i) => {
      for (const series of run.series) {
        const whole = series.element < 0;
        const title = whole || runs.length === 1 ? series.name : `${series.name} of ${run.folder}`;
        if (!list.has(title)) list.set(title, []);
        list.get(title).push({
          label: whole ? (runs.length > 1 ? run.folder : series.name) : String(series.element),
          colour: whole ? colour(i) : `hsl(${210 + 22 * series.element} 65% 50%)`,
          steps: series.steps,
          values: series.values,
        });
      }
    });
    return list;
  }

  function curves() {
    const list = charts();
    if (!list.size) return;
    const settings = { log: true, smoothing: 0 };
    const holder = make("div", { className: "charts" });
    const redraw = () => {
      holder.replaceChildren(...[...list].map(([title, lines]) => chart(title, lines, settings)).filter(Boolean));
    };
    const log = make("input", { type: "checkbox", checked: true, onchange: () => ((settings.log = log.checked), redraw()) });
    const smoothing = make("input", {
      type: "range", min: 0, max: 0.98, step: 0.02, value: 0,
      oninput: () => ((settings.smoothing = Number(smoothing.value)), redraw()),
    });
    const thinned = runs.some((run) => run.series.some((series) => series.thinned > 1));
    section(
      "Curves",
      make("div", { className: "controls" }, make("label", {}, log, " logarithmic where all values are above 0"),
        make("label", {}, "smoothing ", smoothing)),
      thinned ? make("p", { className: "soft" }, "Long curves are shown as means of neighbouring lines of the log.") : null,
      holder,
    );
    redraw();
  }

  /* ---- Pictures ---- */

  const image = (picture, name) =>
    make("img", { src: "data:image/png;base64," + picture.png, alt: `${name}: ${picture.label}` });

  // Small pictures are shown larger, by a whole factor.
  function enlarge(element, most) {
    element.addEventListener("load", () => {
      const factor = Math.max(1, Math.floor(most / element.naturalWidth));
      element.style.width = `${factor * element.naturalWidth}px`;
    });
    return element;
  }

  function overTime(run, i) {
    if (!run.samples.length) return null;
    const caption = make("figcaption");
    const holder = make("div");
    const slider = make("input", { type: "range", min: 0, max: run.samples.length - 1, step: 1 });
    const show = () => {
      const picture = run.samples[Number(slider.value)];
      caption.textContent = picture.label;
      holder.replaceChildren(enlarge(image(picture, run.folder), 540));
    };
    slider.addEventListener("input", show);
    slider.value = run.samples.length - 1;
    show();
    return make("div", {}, heading(run, i), slider, make("figure", {}, holder, caption));
  }

  function drawn(run, i) {
    if (run.not_drawn) return make("div", {}, heading(run, i), make("p", { className: "warning" }, run.not_drawn));
    if (!run.drawn.length) return null;
    const rows = run.drawn.map((row) =>
      make("figure", {}, image(row, run.folder), make("figcaption", {}, row.label)));
    return make("div", {}, heading(run, i), make("div", { className: "rows" }, ...rows));
  }

  function pictures() {
    const times = runs.map(overTime).filter(Boolean);
    if (times.length) section("Samples over time", make("div", { className: "pictures" }, ...times));
    const grids = runs.map(drawn).filter(Boolean);
    if (grids.length) {
      section("Steps and gamma",
        make("p", { className: "soft" }, "Every row of a run starts from the same eight seeds."), ...grids);
    }
  }

  /* ---- Tables ---- */

  function row(cells, tag = "td") {
    return make("tr", {}, ...cells.map((cell) => {
      const number = typeof cell === "number";
      return make(tag, { className: number ? "number" : "" }, number ? short(cell) : cell ?? "-");
    }));
  }

  const table = (head, rows) =>
    make("div", { className: "wide" }, make("table", {}, row(head, "th"), ...rows));

  function summary() {
    const last = (run, name) => {
      const series = run.series.find((one) => one.name === name && one.element < 0);
      const values = series ? series.values.filter((value) => value !== null) : [];
      return values.length ? values[values.length - 1] : null;
    };
    section("Runs",
      table(["run", "state", "step", "loss", "learning rate", "seconds per step"],
        runs.map((run, i) => row([heading(run, i), run.state, run.step,
          last(run, "loss"), last(run, "lr"), last(run, "seconds")]))));
    const said = runs.flatMap((run, i) => (run.advice.length
      ? [heading(run, i), ...run.advice.map((line) => make("p", { className: "warning" }, line))] : []));
    if (said.length) section("What to look at", ...said);
  }

  // Figures of eval*.json: arrays of objects become tables, the recipe text, single numbers lines.
  function evaluation(value) {
    if (value === null) return [make("p", { className: "warning" }, "This file is no JSON.")];
    const parts = [];
    const walk = (name, node) => {
      if (Array.isArray(node) && node.length && node.every((one) => one && typeof one === "object")) {
        const keys = [...new Set(node.flatMap((one) => Object.keys(one)))];
        const cell = (one) => (one !== null && typeof one === "object" ? JSON.stringify(one) : one);
        parts.push(make("p", { className: "soft" }, name),
          table(keys, node.map((one) => row(keys.map((key) => cell(one[key] ?? null))))));
      } else if (Array.isArray(node)) {
        parts.push(make("p", {}, `${name}: ${node.join("; ")}`));
      } else if (node && typeof node === "object") {
        for (const [key, child] of Object.entries(node)) walk(name ? `${name}.${key}` : key, child);
      } else {
        parts.push(make("p", {}, `${name}: ${typeof node === "number" ? short(node) : node ?? "-"}`));
      }
    };
    walk("", value);
    return parts;
  }

  function distances() {
    const shown = runs.flatMap((run, i) => run.evaluations.flatMap((one) => [
      heading(run, i), make("p", {}, make("b", {}, one.name)), ...evaluation(one.value)]));
    if (shown.length) section("Distances", ...shown);
  }

  function configuration() {
    const keys = [...new Set(runs.flatMap((run) => Object.keys(run.config)))];
    const differs = (key) => new Set(runs.map((run) => run.config[key])).size > 1;
    const holder = make("div", { className: "wide" });
    const only = make("input", { type: "checkbox", checked: runs.length > 1 });
    const redraw = () => {
      const shown = keys.filter((key) => !only.checked || differs(key));
      const rows = shown.map((key) => {
        const line = row([key, ...runs.map((run) => run.config[key] ?? null)]);
        if (runs.length > 1 && differs(key)) line.className = "differs";
        return line;
      });
      holder.replaceChildren(shown.length ? table(["key", ...runs.map((run) => run.folder)], rows)
        : make("p", {}, "The configurations are equal."));
    };
    only.addEventListener("change", redraw);
    section("Configuration",
      runs.length > 1 ? make("label", {}, only, " only what differs") : null, holder);
    redraw();
  }

  document.title = `ayf report: ${runs.map((run) => run.folder).join(", ")}`;
  main.append(make("h1", {}, runs.length === 1 ? runs[0].folder : `${runs.length} runs`),
    make("p", { className: "soft" }, `made by ayf ${version} report`));
  summary();
  curves();
  pictures();
  distances();
  configuration();
  document.documentElement.dataset.complete = "yes";
})();
