// The route of an attack: maps of every routed conv, clean | adversarial | difference, all at one step, in the browser.
const ICON = { reset: "M3 2h2v12H3zM14 2v12L6 8z", back: "M12 2v12L4 8z", play: "M4 2l9 6-9 6z",
  pause: "M4 2h3v12H4zM9 2h3v12H9z", next: "M4 2l8 6-8 6z", end: "M11 2h2v12h-2zM2 2l8 6-8 6z" };
const NS = "http://www.w3.org/2000/svg";
const el = (tag, attrs = {}, ...kids) => {
  const node = document.createElement(tag);
  for (const [k, v] of Object.entries(attrs)) k === "text" ? (node.textContent = v) : node.setAttribute(k, v);
  node.append(...kids);
  return node;
};
const shape = (tag, attrs) => {
  const node = document.createElementNS(NS, tag);
  for (const [k, v] of Object.entries(attrs)) node.setAttribute(k, v);
  return node;
};
const button = (name, label, act) => {
  const icon = shape("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" });
  icon.append(shape("path", { d: ICON[name] }));
  const node = el("button", { type: "button", class: name, "aria-label": label, title: label });
  node.append(icon);
  node.onclick = act;
  return node;
};
const REST = 500; // ms without a move, after which the server hears of the step
const END = -1; // told in place of the last step: a null would not be told where nothing was told before
const frameAt = (index, step) => Math.max(0, index.findLastIndex((at) => at <= step));
const percent = (p) => (p >= 0.9995 ? "100\u00a0%" : `${(100 * p).toFixed(1)}\u00a0%`);
const short = (v) => (v === null ? "—" : Math.abs(v) >= 10 ? v.toFixed(1) : Math.abs(v) >= 0.095 ? v.toFixed(2) : v.toFixed(3));
const whole = (text) => new Int16Array(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
const POLES = { light: { low: [0, 114, 178], high: [213, 94, 0], pick: [0, 128, 92], mid: [235, 237, 241] },
  dark: { low: [86, 180, 233], high: [240, 128, 60], pick: [47, 191, 150], mid: [38, 43, 53] } };
const mix = (pole, mid, t) => `rgb(${pole.map((c, k) => Math.round(mid[k] + (c - mid[k]) * Math.min(1, t))).join(",")})`;
// A conv's cells: filters wrap, after 32 or where there is less room after 16; experts stand in one row.
const NARROW = 900, wrapAt = (width) => (width && width < NARROW ? 16 : 32);
const cells = (conv, experts, wrap) => (experts ? { across: Math.max(conv.n, 4), wide: 40, high: 14 } : { across: wrap, wide: 10, high: 10 });

function drawMap(canvas, conv, values, colour, chosen, { across, wide, high }, ink) {
  const rows = Math.ceil(conv.n / across);
  canvas.width = across * wide * 2; canvas.height = rows * high * 2;
  const pen = canvas.getContext("2d");
  pen.scale(2, 2);
  conv.order.forEach((filter, place) => {
    const x = (place % across) * wide, y = Math.floor(place / across) * high;
    pen.fillStyle = colour(values[filter]);
    pen.fillRect(x, y, wide - 1, high - 1);
    if (filter === chosen) { pen.strokeStyle = ink; pen.lineWidth = 2; pen.strokeRect(x + 1, y + 1, wide - 3, high - 3); }
  });
}

function curve(title, values, { index, was = null, range = null, zero = false, least = null, show, seek }) {
  const value = el("b"), plot = el("div", { class: "plot" }), node = el("div", { class: "curve" },
    el("header", {}, el("span", { text: title }), value), plot);
  const known = values.filter((v) => v !== null).concat(was === null ? [] : [was], zero ? [0] : []);
  let low = range?.[0] ?? Math.min(...known), high = range?.[1] ?? Math.max(...known);
  if (least !== null) high = Math.max(high, least);
  if (!(high - low > 1e-9)) { high += 0.5; low -= 0.5; }
  const first = index[0], span = Math.max(index[index.length - 1] - first, 1);
  const x = (at) => (100 * (at - first)) / span, y = (v) => 4 + 92 * (1 - (v - low) / (high - low));
  const svg = shape("svg", { viewBox: "0 0 100 100", preserveAspectRatio: "none", "aria-hidden": "true" });
  if (zero && low < 0) svg.append(shape("path", { class: "zero", d: `M0 ${y(0)}H100` }));
  if (was !== null) svg.append(shape("path", { class: "was", d: `M0 ${y(was)}H100` }));
  svg.append(shape("path", { d: values.map((v, i) => (v === null ? "" : `${i && values[i - 1] !== null ? "L" : "M"}${x(index[i])} ${y(v)}`)).join("") }));
  const cursor = el("i", { class: "cursor" });
  plot.append(svg, cursor, el("span", { class: "end", style: "top: -3px", text: show(high) }),
    el("span", { class: "end", style: "bottom: 0", text: show(low) }));
  const jump = (e) => seek((e.clientX - plot.getBoundingClientRect().left) / plot.clientWidth);
  plot.onpointerdown = (e) => { plot.setPointerCapture(e.pointerId); jump(e); };
  plot.onpointermove = (e) => { if (e.buttons) jump(e); };
  return { node, draw(i) { cursor.style.left = `${x(index[i])}%`; value.textContent = values[i] === null ? "—" : show(values[i]); } };
}

// tell: says, once the film rests, at which step, or END.
function create(root, trigger, tell) {
  let data = null, at = null, timer = null, version = 0, known = "", rest = null, said, rows = [], curves = [], images = null, wrap = wrapAt(root.clientWidth);
  const cellsOf = (conv) => cells(conv, data.kind === "experts", wrap);
  const figureOf = () => { const canvas = el("canvas", { role: "img" }), bold = el("strong"), small = el("span", { class: "quiet" });
    return { node: el("figure", {}, canvas, el("figcaption", {}, bold, small)), canvas, bold, small }; };
  const clean = figureOf(), adv = figureOf(), told = el("p", { class: "told", role: "status" }), types = el("div", { class: "types" });
  const story = el("div", { class: "story" }, told, types);
  const map = el("div", { class: "map", role: "group", "aria-label": "maps of the route" }), curveBox = el("div", { class: "curves" });
  const range = el("input", { type: "range", min: 0, step: 1, "aria-label": "step of the attack" }), output = el("output");
  const last = () => data.index.length - 1;
  const settle = () => {
    const now = at >= last() ? END : data.index[at];
    if (now !== said) tell((said = now));
  };
  const go = (to) => {
    at = Math.max(0, Math.min(last(), to));
    draw();
    clearTimeout(rest); rest = setTimeout(settle, REST);
  };
  const stop = () => { clearInterval(timer); timer = null; face("play", "play the attack"); };
  const face = (icon, label) => { play.querySelector("path").setAttribute("d", ICON[icon]); play.setAttribute("aria-label", label); };
  const play = button("play", "play the attack", () => {
    if (timer) return stop();
    if (at >= last()) go(0);
    face("pause", "pause");
    timer = setInterval(() => (at >= last() ? stop() : go(at + 1)), Math.max(60, Math.min(260, 3200 / data.index.length)));
  });
  root.append(el("div", { class: "top" }, clean.node, adv.node, story), map, curveBox,
    el("div", { class: "transport", role: "group", "aria-label": "steps of the attack" },
      button("reset", "back to the start", () => { stop(); go(0); }), button("back", "one step back", () => { stop(); go(at - 1); }), play,
      button("next", "one step", () => { stop(); go(at + 1); }), button("end", "to the end", () => { stop(); go(last()); }), range, output));
  range.oninput = () => { stop(); go(Number(range.value)); };
  const seek = (share) => {
    const wanted = data.index[0] + share * (data.index[last()] - data.index[0]);
    const off = data.index.map((k) => Math.abs(k - wanted));
    stop(); go(off.indexOf(Math.min(...off)));
  };
  const paint = (canvas, image, row) => {
    canvas.width = data.width; canvas.height = data.height;
    canvas.getContext("2d").drawImage(image, 0, row * data.height, data.width, data.height, 0, 0, data.width, data.height);
  };

  function build() {
    const experts = data.kind === "experts";
    const unit = experts ? "P(expert)" : `ω, ${(1 - data.reach).toFixed(2)} … ${(1 + data.reach).toFixed(2)}`;
    const head = (name, small) => el("span", { class: "head", text: name }, el("small", { text: small }));
    map.replaceChildren(el("span", { class: "corner" }), head("clean", unit), head("adversarial", unit),
      head("difference", `full colour at ±${short(data.change)}`), head("distance", experts ? "½·Σ|Δp|" : "mean |Δω|"));
    rows = data.convs.map((conv) => {
      const name = el("span", { class: "name quiet", text: conv.name });
      const maps = ["clean", "adversarial", "difference"].map((kind, k) => {
        const canvas = el("canvas", { role: "button", tabindex: k === 2 ? 0 : -1, "data-conv": conv.name, "data-map": kind });
        canvas.onclick = (e) => pick(conv, placeOf(canvas, conv, e));
        canvas.onmousemove = (e) => { const f = placeOf(canvas, conv, e); canvas.title = f === null ? "" : words(conv, f); };
        canvas.onkeydown = (e) => keyed(e, canvas, conv);
        return canvas;
      });
      const bar = el("i"), number = el("em"), line = el("b");
      const far = el("div", { class: "far" }, el("span", {}, bar, line), number);
      map.append(name, ...maps, far);
      return { conv, name, maps, bar, number, line, clean: whole(conv.clean), all: whole(conv.values), cursor: 0 };
    });
    const common = { index: data.index, seek };
    curves = [
      ...(data.pType ? [curve("P(type = adversarial)", data.pType, { ...common, was: data.cleanPType, range: [0, 1], show: percent })] : []),
      curve(data.kind === "experts" ? "distance of the route, ½·Σ|Δp|" : "distance of the route, mean |Δω|", data.drift, { ...common, zero: true, least: data.faint, show: short }),
      curve("margin, logits (below 0: misclassified)", data.margin, { ...common, was: data.cleanMargin, zero: true, show: short }),
    ];
    curveBox.replaceChildren(...curves.map((c) => c.node));
  }
  const value = (row, filter, i) => ({ before: data.neutral + row.clean[filter] / 32767 * data.scale,
    after: data.neutral + row.all[i * row.conv.n + filter] / 32767 * data.scale });
  const words = (conv, filter) => {
    const { before, after } = value(rows.find((r) => r.conv === conv), filter, at);
    return `${conv.name}, ${data.kind === "experts" ? "expert" : "filter"} ${filter}: ${before.toFixed(3)} → ${after.toFixed(3)}`;
  };
  const placeOf = (canvas, conv, e) => {
    const { across } = cellsOf(conv), box = canvas.getBoundingClientRect();
    const high = box.height / Math.ceil(conv.n / across);
    const place = Math.floor((e.clientY - box.top) / high) * across + Math.floor(((e.clientX - box.left) / box.width) * across);
    return conv.order[place] ?? null;
  };
  const pick = (conv, filter) => { if (filter !== null) trigger(`${conv.name}:${filter}`); };
  const keyed = (e, canvas, conv) => {
    const row = rows.find((r) => r.conv === conv), { across } = cellsOf(conv);
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: across, ArrowUp: -across }[e.key];
    if (e.key === "Enter" || e.key === " ") { e.preventDefault(); pick(conv, conv.order[row.cursor]); }
    if (!step) return;
    e.preventDefault();
    row.cursor = Math.max(0, Math.min(conv.n - 1, row.cursor + step));
    canvas.setAttribute("aria-label", words(conv, conv.order[row.cursor]));
    draw();
  };

  function draw() {
    root.dataset.step = at;
    const poles = POLES[data.dark ? "dark" : "light"], experts = data.kind === "experts", ink = data.dark ? "#fff" : "#262730";
    const signed = (top) => (v) => mix(v < 0 ? poles.low : poles.high, poles.mid, Math.abs(v) / top);
    const share = (v) => mix(poles.pick, poles.mid, v);
    paint(clean.canvas, images[0], 0); paint(adv.canvas, images[1], at);
    clean.bold.textContent = data.cleanAnswer; clean.small.textContent = "clean";
    clean.bold.className = data.cleanWrong ? "wrong" : "";
    adv.bold.textContent = data.answers[at]; adv.bold.className = data.wrong[at] ? "wrong" : "";
    adv.small.textContent = `adversarial, ${data.unit} ${data.index[at]}`;
    clean.canvas.setAttribute("aria-label", `clean picture: ${data.cleanAnswer}`);
    adv.canvas.setAttribute("aria-label", `adversarial picture: ${data.answers[at]}`);
    told.textContent = data.told[at];
    types.querySelectorAll("[data-now]").forEach((node) => {
      if (node.matches("i")) node.style.width = `${100 * data.pType[at]}%`; else node.textContent = percent(data.pType[at]);
    });
    for (const row of rows) {
      const { conv } = row, before = [], after = [], gap = [];
      for (let f = 0; f < conv.n; f++) {
        const v = value(row, f, at);
        before.push(experts ? v.before : v.before - data.neutral); after.push(experts ? v.after : v.after - data.neutral);
        gap.push(v.after - v.before);
      }
      const chosen = data.chosen === null ? null : data.chosen[0] === conv.name ? data.chosen[1] : null;
      const own = experts ? share : signed(data.reach);
      [[before, own], [after, own], [gap, signed(data.change)]].forEach(([values, colour], k) => {
        const under = document.activeElement === row.maps[k] || root.getRootNode().activeElement === row.maps[k];
        drawMap(row.maps[k], conv, values, colour, under ? conv.order[row.cursor] : chosen, cellsOf(conv), ink);
        if (!under) row.maps[k].setAttribute("aria-label",
          `${conv.name}, ${row.maps[k].dataset.map}, ${conv.n} ${experts ? "experts" : "filters"}; arrow keys walk, Enter looks at one`);
      });
      row.bar.style.width = `${Math.min(100, (100 * conv.distance[at]) / data.farthest)}%`;
      row.number.textContent = short(conv.distance[at]);
      row.line.style.display = experts ? "none" : "";
      row.line.style.left = `${(100 * data.threshold) / data.farthest}%`;
      row.name.className = `name ${conv.parted[at] ? "parts" : "quiet"}`;
      row.name.textContent = experts ? `${conv.name}  ${conv.used[at]}` : conv.name;
    }
    for (const c of curves) c.draw(at);
    range.value = at;
    output.textContent = `${data.unit} ${data.index[at]} of ${data.index[last()]}`;
    range.setAttribute("aria-valuetext", output.textContent);
  }

  new ResizeObserver(() => {
    const next = wrapAt(root.clientWidth);
    if (next !== wrap) { wrap = next; if (data) draw(); }
  }).observe(root);

  const load = (source) => { const image = new Image(); image.src = source; return image.decode().then(() => image); };
  return { stop: () => { stop(); clearTimeout(rest); }, async update(next) {
    const same = JSON.stringify({ ...next, step: null });
    if (same === known) return; // only the step came back, as it was told from here
    known = same;
    const mine = ++version, loaded = await Promise.all([load(next.clean), load(next.adv)]);
    if (mine !== version) return;
    if (at === null) { // a link may say at which step
      said = next.step ?? END;
      at = said === END ? Infinity : frameAt(next.index, said);
    }
    const atEnd = at >= (data ?? next).index.length - 1;
    stop();
    data = next; images = loaded;
    root.classList.toggle("dark", data.dark);
    types.replaceChildren();
    if (data.pType) {
      const row = (name, width, now) => types.append(el("span", { class: "quiet", text: name }),
        el("div", { class: "gauge" }, el("i", now ? { "data-now": "" } : { style: `width: ${100 * width}%` })),
        now ? el("span", { "data-now": "" }) : el("span", { text: percent(width) }));
      row("P(adversarial), clean picture", data.cleanPType, false);
      row("P(adversarial), this step", 0, true);
    }
    build();
    range.max = last();
    go(atEnd ? last() : at);
  } };
}

export default function (component) {
  const holder = component.parentElement.querySelector(".routes");
  holder.trigger = component.setTriggerValue;
  holder.tell = component.setStateValue;
  holder.routes ??= create(holder, (filter) => holder.trigger("filter", filter), (step) => holder.tell("step", step));
  holder.routes.update(component.data);
  return () => holder.routes?.stop();
}
