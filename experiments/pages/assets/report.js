// What the report's pages do: the theme, sorting, filtering, tips, and comparing two runs. Pages can be read without it.
"use strict";

const report = (() => {
  const root = document.documentElement;
  const runs = new Map(); // by id, what runs/<id>.js says
  const waiting = new Map();
  let known = [];

  const element = (name, attributes = {}, ...children) => {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  };

  // --- theme: what the system prefers, until somebody chooses

  const kept = {
    get: () => { try { return localStorage.getItem("theme"); } catch { return null; } },
    set: (value) => { try { localStorage.setItem("theme", value); } catch { /* a browser may refuse files storage */ } },
  };
  const dark = () => (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  root.classList.add("js");
  if (["light", "dark"].includes(kept.get())) root.dataset.theme = kept.get();

  const startTheme = () => {
    const button = document.querySelector(".theme");
    const show = () => button.setAttribute("aria-pressed", String(dark()));
    button.addEventListener("click", () => {
      root.dataset.theme = dark() ? "light" : "dark";
      kept.set(root.dataset.theme);
      show();
    });
    show();
  };

  // --- tables: a click on a head sorts up, down, and as it was

  const startSorting = (table) => {
    const body = table.tBodies[0];
    const original = [...body.rows];
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, index) => head.querySelector(".sort")?.addEventListener("click", () => {
      const next = { none: "ascending", ascending: "descending", descending: "none" }[head.getAttribute("aria-sort")];
      heads.forEach((each) => each.hasAttribute("aria-sort") && each.setAttribute("aria-sort", "none"));
      head.setAttribute("aria-sort", next);
      const sign = next === "descending" ? -1 : 1;
      const rows = next === "none" ? original : [...original].sort((a, b) => compare(value(a, index), value(b, index), sign));
      body.append(...rows);
    }));
  };
  const value = (row, index) => {
    const cell = row.cells[index];
    const said = cell.dataset.v ?? cell.textContent.trim();
    if (said !== "" && !isNaN(said)) return Number(said);
    return cell.matches(".number") ? firstNumber(said) : said;
  };
  const firstNumber = (text) => { // of "2,013 ± 4"
    const found = text.match(/[-\u2212]?\d[\d,]*(\.\d+)?/);
    return found ? Number(found[0].replaceAll(",", "").replace("\u2212", "-")) : "";
  };
  const compare = (a, b, sign) => { // what has no value is last either way
    if (a === "" || b === "") return (a === "") - (b === "");
    if (typeof a === "number" && typeof b === "number") return sign * (a - b);
    return sign * String(a).localeCompare(String(b), "en", { numeric: true });
  };

  // --- filters: words, and choices that the address can hold (claims.html#verdict=replicated)

  const startFilter = (form) => {
    const table = document.getElementById(form.dataset.filters);
    const search = form.querySelector("input[type=search]");
    const choices = [...form.querySelectorAll("select[data-key]")];
    const output = form.querySelector("output");
    const rows = [...table.tBodies[0].rows];
    const show = () => {
      const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      let count = 0;
      for (const row of rows) {
        const text = row.textContent.toLowerCase();
        const fits = choices.every(({ value, dataset: { key } }) => !value || (row.dataset[key] ?? "").split("|").includes(value));
        row.hidden = !(fits && words.every((word) => text.includes(word)));
        count += !row.hidden;
      }
      output.value = count < rows.length ? `${count} of ${rows.length}` : `${rows.length} rows`;
    };
    const fromAddress = () => {
      const asked = new URLSearchParams(location.hash.slice(1));
      for (const choice of choices) if (asked.has(choice.dataset.key)) choice.value = asked.get(choice.dataset.key);
      show();
    };
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", show);
    addEventListener("hashchange", fromAddress);
    fromAddress();
  };

  // --- tips and legends

  const startTips = () => {
    const tip = element("div", { class: "tip", hidden: "", "aria-hidden": "true" });
    document.body.append(tip);
    document.addEventListener("pointerover", (event) => {
      const at = event.target.closest?.("[data-tip]");
      tip.hidden = !at;
      if (!at) return;
      tip.textContent = at.dataset.tip;
      const box = at.getBoundingClientRect();
      tip.style.left = `${Math.max(8, Math.min(box.left + box.width / 2 - tip.offsetWidth / 2, innerWidth - tip.offsetWidth - 8))}px`;
      tip.style.top = `${box.top > 60 ? box.top - tip.offsetHeight - 6 : box.bottom + 6}px`;
    });
    document.querySelectorAll("figure .legend").forEach((legend) => {
      const figure = legend.closest("figure");
      const light = (name) => {
        figure.classList.toggle("dimmed", name !== null);
        figure.querySelectorAll(".s[data-series]").forEach((each) => each.classList.toggle("lit", each.dataset.series === name));
      };
      legend.addEventListener("pointerover", (event) => light(event.target.closest("li")?.dataset.series ?? null));
      legend.addEventListener("pointerleave", () => light(null));
    });
  };

  // --- cards: who goes on with the keyboard leaves one, which would lie on what has the focus

  const startCards = () => document.addEventListener("focusout", ({ target, relatedTarget: next }) => {
    const card = target.closest?.(".card:popover-open");
    if (card && next && !card.contains(next) && next.getAttribute("popovertarget") !== card.id) card.hidePopover();
  });

  // --- comparing two runs: what their configurations differ in, their curves, and a paired test

  const startComparing = (form) => {
    const own = form.dataset.run;
    const task = known.find((each) => each.id === own)?.task;
    const select = form.querySelector("select");
    for (const each of known.filter((other) => other.task === task && other.id !== own)) {
      select.append(element("option", { value: each.id }, `${each.label} (${each.id})`));
    }
    const place = document.getElementById("compared");
    const show = async () => {
      place.replaceChildren();
      if (!select.value) return;
      const asked = select.value;
      const found = await load(asked).then((other) => compared(runs.get(own), other), () => [unread(asked)]);
      if (asked === select.value) place.replaceChildren(...found);
    };
    form.addEventListener("submit", (event) => event.preventDefault());
    select.addEventListener("input", () => {
      history.replaceState(null, "", select.value ? `#with=${encodeURIComponent(select.value)}` : "#compare");
      show();
    });
    const asked = new URLSearchParams(location.hash.slice(1)).get("with");
    if (asked && [...select.options].some((option) => option.value === asked)) {
      select.value = asked;
      show().then(() => document.getElementById("compare").scrollIntoView());
    }
  };

  // A script can be loaded from a folder, where a page may not fetch.
  const load = (id) => new Promise((resolve, reject) => {
    if (runs.has(id)) return resolve(runs.get(id));
    waiting.set(id, resolve);
    const script = element("script", { src: `${encodeURIComponent(id)}.js` });
    script.addEventListener("load", () => reject(new Error(`nothing of ${id}`))); // too late where it has said something
    script.addEventListener("error", () => reject(new Error(`no ${id}.js`)));
    document.head.append(script);
  });

  const unread = (id) => element("p", { class: "same" }, `${id}.js could not be loaded.`);
  const compared = (mine, other) => [
    heading("Paired test"), ...testOf(mine, other), heading("Curves"), ...curvesOf(mine, other),
    heading("Configuration"), configOf(mine, other),
  ];
  const heading = (text) => element("h3", {}, text);

  const grid = (head, lines, numbers = false) => {
    const row = (cells, name, kind) => element("tr", {}, ...cells.map((text, index) =>
      element(index && name === "td" ? "td" : "th", { class: index && numbers ? "number" : "", scope: kind }, text)));
    return element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": head[0] },
      element("table", { class: "list" }, element("thead", {}, row(head, "th", "col")),
        element("tbody", {}, ...lines.map((line) => row(line, "td", "row")))));
  };

  const configOf = (mine, other) => {
    const keys = [...new Set([...Object.keys(mine.config), ...Object.keys(other.config)])].sort();
    const lines = keys.filter((key) => mine.config[key] !== other.config[key]);
    if (!lines.length) return element("p", { class: "same" }, "They do not differ.");
    return grid(["Field", mine.label, other.label], lines.map((key) => [key, mine.config[key] ?? "–", other.config[key] ?? "–"]));
  };

  const curvesOf = (mine, other) => {
    if (mine.metric !== other.metric || !mine.curve.length || !other.curve.length) {
      return [element("p", { class: "same" }, "They have no curves in common.")];
    }
    const legend = element("ul", { class: "legend" });
    [mine, other].forEach((each, index) => {
      const key = drawn("svg", { class: `key s${index}`, viewBox: "0 0 26 12", "aria-hidden": "true" });
      key.append(drawn("path", { class: "line", d: "M1 6H25", ...(index ? { "stroke-dasharray": "6 3" } : {}) }));
      legend.append(element("li", {}, key, each.label));
    });
    const panel = element("div", { class: "panel", style: "max-width:34rem" }, plot([mine.curve, other.curve], mine.metric));
    return [legend, panel];
  };

  const drawn = (name, attributes, text = "") => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.textContent = text;
    return made;
  };

  const plot = (curves, label) => {
    const [width, height, left, right, top, bottom] = [360, 230, 46, 10, 10, 36];
    const all = curves.flat();
    const ups = all.flatMap((point) => point.slice(1)).filter((number) => number !== null);
    const [low, high] = [Math.min(...ups), Math.max(...ups)];
    const room = (high - low) * 0.08 || 1;
    const last = Math.max(...all.map((point) => point[0]), 2);
    const x = (value) => left + ((value - 1) / (last - 1)) * (width - left - right);
    const y = (value) => height - bottom - ((value - low + room) / (high - low + 2 * room)) * (height - top - bottom);
    const svg = drawn("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `${label} of both runs after each epoch` });
    const step = [1, 2, 5, 10, 20, 50, 100, 200, 500].find((each) => last / each <= 7) ?? 1000;
    for (let epoch = step === 1 ? 1 : step; epoch <= last; epoch += step) {
      svg.append(drawn("text", { class: "tick", x: x(epoch), y: height - bottom + 14, "text-anchor": "middle" }, epoch));
    }
    const raw = (high - low + 2 * room) / 5;
    const power = 10 ** Math.floor(Math.log10(raw));
    const by = power * [1, 2, 5, 10].find((factor) => power * factor >= raw);
    for (let at = Math.ceil((low - room) / by); at * by <= high + room; at += 1) {
      svg.append(drawn("path", { class: "grid", d: `M${left} ${y(at * by)}H${width - right}` }));
      svg.append(drawn("text", { class: "tick", x: left - 5, y: y(at * by) + 3.5, "text-anchor": "end" }, Number((at * by).toPrecision(6))));
    }
    svg.append(drawn("text", { class: "label", x: (left + width - right) / 2, y: height - 6, "text-anchor": "middle" }, "Epoch"));
    svg.append(drawn("text", { class: "label", "text-anchor": "middle", transform: `translate(11 ${(top + height - bottom) / 2}) rotate(-90)` }, label));
    curves.forEach((curve, index) => {
      const group = drawn("g", { class: `s s${index}` });
      const path = (points) => `M${points.map(([a, b]) => `${x(a)} ${y(b)}`).join("L")}`;
      const spread = curve.filter((point) => point[2] !== null);
      if (spread.length > 1) {
        group.append(drawn("path", { class: "band", d: `${path([...spread.map((p) => [p[0], p[3]]), ...spread.reverse().map((p) => [p[0], p[2]])])}Z` }));
      }
      group.append(drawn("path", { class: "line", d: path(curve.map((p) => [p[0], p[1]])), ...(index ? { "stroke-dasharray": "6 3" } : {}) }));
      svg.append(group);
    });
    return svg;
  };

  // The statistics of experiments/suite/statistics.py: seeds paired, the images of all seeds the same.
  const testOf = (mine, other) => {
    const seeds = Object.keys(mine.seeds).filter((seed) => seed in other.seeds).sort((a, b) => a - b);
    if (mine.paired === null || mine.paired !== other.paired || !seeds.length) {
      return [element("p", { class: "same" }, "They have no seed with test results in common.")];
    }
    const pairs = seeds.map((seed) => [mine.seeds[seed], other.seeds[seed]]);
    const counts = new Set(pairs.flat().filter((each) => each.images).map((each) => each.images.n ?? each.images.values.length));
    if (counts.size > 1) return [element("p", { class: "same" }, "They were tested on different images; no paired test.")];
    const found = pairedTest(pairs);
    const lines = seeds.map((seed, index) =>
      [`seed ${seed}`, shown(mine.seeds[seed].value), shown(other.seeds[seed].value), signed(found.each[index]), found.apart[index]]);
    const said = element("p", { id: "paired", "data-estimate": found.estimate, "data-low": found.low ?? "", "data-high": found.high ?? "", "data-p": found.p ?? "" },
      `${mine.paired}, this run less the other: ${signed(found.estimate)}` + (found.low === null ? "; one seed has no interval." :
        ` [${signed(found.low)}, ${signed(found.high)}], n ${seeds.length}, two-sided p ${found.p < 0.001 ? "< 0.001" : found.p.toFixed(3)}: ` +
        (found.p <= 0.05 ? "they differ." : "no difference shown.")));
    return [said, grid(["Seed", mine.label, other.label, "difference", "images that one alone got right"], lines, true)];
  };
  const shown = (number) => (number === undefined || number === null ? "–" : number.toFixed(2));
  const signed = (number) => `${number < 0 ? "−" : "+"}${Math.abs(number).toFixed(2)}`;

  // pairs: [{value, images}, {value, images}] of each seed, all of equally many images. With one seed there is no interval.
  const pairedTest = (pairs) => {
    const each = pairs.map(([a, b]) => a.value - b.value);
    const n = each.length;
    const estimate = sum(each) / n;
    const images = pairs.map(([a, b]) => [unpacked(a.images), unpacked(b.images)]);
    const kept = images.every(([a, b]) => a && b);
    const apart = images.map(([a, b], index) => // of right and wrong answers only
      (a && b && pairs[index].every((each) => each.images.bits) ? `${alone(a, b)} : ${alone(b, a)}` : "–"));
    if (n === 1) return { estimate, each, apart, low: null, high: null, p: null };
    let variance = 0;
    if (kept) {
      const means = Array.from(images[0][0], (_, index) => sum(images.map(([a, b]) => a[index] - b[index])) / n);
      variance = spread(means) / means.length;
    }
    const error = Math.sqrt(spread(each) / n + variance);
    const half = quantile(n - 1) * error;
    return { estimate, each, apart, low: estimate - half, high: estimate + half, p: error ? 2 * tail(n - 1, Math.abs(estimate) / error) : Number(estimate === 0) };
  };
  const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);
  const spread = (numbers) => {
    const mean = sum(numbers) / numbers.length;
    return numbers.length > 1 ? sum(numbers.map((number) => (number - mean) ** 2)) / (numbers.length - 1) : 0;
  };
  const alone = (a, b) => a.reduce((count, right, index) => count + (right > b[index]), 0);
  const unpacked = (stored) => {
    if (!stored) return null;
    if (stored.values) return stored.values;
    const bytes = atob(stored.bits);
    return Array.from({ length: stored.n }, (_, index) => ((bytes.charCodeAt(index >> 3) >> (7 - (index & 7))) & 1) * (stored.scale ?? 1));
  };

  // Student's t: the upper tail by Simpson's rule over an angle, x = sqrt(df) tan(angle), where its density is cos^(df - 1).
  const tail = (df, t) => {
    const area = (from) => {
      const steps = 400;
      const width = (Math.PI / 2 - from) / steps;
      let total = 0;
      for (let index = 0; index <= steps; index += 1) {
        const weight = index === 0 || index === steps ? 1 : index % 2 ? 4 : 2;
        total += weight * Math.max(0, Math.cos(from + index * width)) ** (df - 1);
      }
      return (total * width) / 3;
    };
    return (0.5 * area(Math.atan(t / Math.sqrt(df)))) / area(0);
  };
  const quantile = (df) => { // of 97.5 %
    let [low, high] = [0, 1000];
    for (let step = 0; step < 80; step += 1) {
      const middle = (low + high) / 2;
      if (tail(df, middle) > 0.025) low = middle; else high = middle;
    }
    return (low + high) / 2;
  };

  addEventListener("DOMContentLoaded", () => {
    startTheme();
    document.querySelectorAll("table:has(.sort)").forEach(startSorting);
    document.querySelectorAll("form[data-filters]").forEach(startFilter);
    const comparison = document.getElementById("comparison");
    if (comparison) startComparing(comparison);
    startTips();
    startCards();
  });

  return {
    index: (all) => { known = all; },
    run: (about) => {
      runs.set(about.id, about);
      waiting.get(about.id)?.(about);
    },
  };
})();
