// Plays an attack: one step number drives pictures, probabilities, curves and route, all in the browser.
const ICON = {
  reset: "M3 2h2v12H3zM14 2v12L6 8z", back: "M12 2v12L4 8z", play: "M4 2l9 6-9 6z",
  pause: "M4 2h3v12H4zM9 2h3v12H9z", next: "M4 2l8 6-8 6z", end: "M11 2h2v12h-2zM2 2l8 6-8 6z",
};
const el = (tag, attrs = {}, ...kids) => {
  const node = document.createElement(tag);
  for (const [k, v] of Object.entries(attrs)) k === "text" ? (node.textContent = v) : node.setAttribute(k, v);
  node.append(...kids);
  return node;
};
const svg = (tag, attrs) => {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [k, v] of Object.entries(attrs)) node.setAttribute(k, v);
  return node;
};
const button = (name, label) => {
  const icon = svg("svg", { viewBox: "0 0 16 16", "aria-hidden": "true" });
  icon.append(svg("path", { d: ICON[name] }));
  const node = el("button", { type: "button", class: name, "aria-label": label, title: label });
  node.append(icon);
  return node;
};
const whole = (p) => (p >= 0.005 ? `${(100 * p).toFixed(0)}` : "0");
const percent = (p) => (p >= 0.9995 ? "100\u00a0%" : `${(100 * p).toFixed(1)}\u00a0%`);
const figures = (v) => (Math.abs(v) >= 100 ? v.toFixed(0) : Math.abs(v) >= 10 ? v.toFixed(1) : v.toFixed(2));
// The last frame made by then: a lane that ended sooner stays at its end.
const frameAt = (index, tick) => Math.max(0, index.findLastIndex((at) => at <= tick));
const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));

const REST = 500; // ms without a move, after which the server hears of the step
const END = -1; // told in place of the last step: a null would not be told where nothing was told before

function picture(aspect) {
  const canvas = el("canvas", { role: "img" });
  canvas.style.setProperty("--aspect", aspect);
  const bold = el("strong"), small = el("span", { class: "quiet" });
  return { node: el("figure", {}, canvas, el("figcaption", {}, bold, small)), canvas, bold, small };
}
function paint(canvas, image, row, lane) {
  const { width: w, height: h, scale } = lane;
  if (canvas.width !== w * scale) { canvas.width = w * scale; canvas.height = h * scale; }
  const pen = canvas.getContext("2d");
  pen.imageSmoothingEnabled = false;
  pen.drawImage(image, 0, row * h, w, h, 0, 0, w * scale, h * scale);
}

function makeLane(lane, many) {
  const aspect = `${lane.width} / ${lane.height}`;
  const clean = picture(aspect), delta = picture(aspect), adv = picture(aspect);
  const verdict = el("span", { class: "verdict", role: "status" });
  const head = el("header", {}, el("b", { text: lane.title }), verdict, el("span", { class: "quiet", text: lane.told }));
  if (many) head.prepend(el("span", { class: "swatch", style: `background: var(--lane-${lane.letter})` }));
  const bars = el("div", { class: "bars", role: "img" });
  bars.append(el("div", { class: "head" },
    el("span", { class: "key", style: "--k: var(--clean)", text: "clean" }),
    el("span", { class: "key", style: "--k: var(--adv)", text: "adversarial" }),
    el("span", { class: "quiet", text: lane.rowsTold })));
  const rows = lane.rows.map((k) => {
    const name = el("span", { class: `name${k === lane.truth ? " true" : ""}`, title: lane.classes[k],
      text: (k === lane.truth ? "◆ " : k === lane.target ? "◎ " : "") + lane.classes[k] });
    const c = el("i", { class: "c" }), a = el("i", { class: "a" }), pct = el("span", { class: "pct" });
    bars.append(name, el("span", { class: "track" }, c, a), pct);
    return { k, c, a, pct };
  });
  const node = el("section", { class: "lane", "aria-label": lane.title }, head, clean.node, delta.node, adv.node, bars);
  let route = null;
  if (lane.pType) {
    const fill = el("i"), word = el("span"), drift = el("span", { class: "quiet" });
    const signals = el("div", { class: "signals" });
    const strips = (lane.signals?.convs ?? []).map((conv) => {
      const canvas = el("canvas", { role: "img", "aria-label": `filter signals of ${conv.name}` });
      signals.append(el("span", { class: "quiet", text: conv.name }), canvas);
      return canvas;
    });
    const scale = el("span", { class: "quiet whole" });
    const box = el("div", { class: "route" }, word, el("div", { class: "gauge" }, fill), drift);
    if (strips.length) box.append(signals, scale);
    node.append(box);
    route = { fill, word, drift, strips, scale };
  }
  return { node, clean, delta, adv, verdict, rows, bars, route };
}

function drawLane(view, lane, i, unit) {
  const p = lane.probs[i], best = p.indexOf(Math.max(...p)), c = lane.cleanProbs, cBest = c.indexOf(Math.max(...c));
  const right = (k) => lane.truth === null || k === lane.truth;
  paint(view.clean.canvas, lane.images.clean, 0, lane);
  paint(view.delta.canvas, lane.images.delta, i, lane);
  paint(view.adv.canvas, lane.images.adv, i, lane);
  view.clean.bold.textContent = `${lane.classes[cBest]} ${percent(c[cBest])}`;
  view.clean.bold.className = right(cBest) ? "" : "wrong";
  view.clean.small.textContent = lane.cleanTold;
  view.delta.bold.textContent = lane.deltaTold;
  view.delta.small.textContent = `max|δ|\u00a0=\u00a0${lane.reach[i].replace(" ", "\u00a0")}, L2\u00a0=\u00a0${lane.length[i]}`;
  view.adv.bold.textContent = `${lane.classes[best]} ${percent(p[best])}`;
  view.adv.bold.className = right(best) ? "" : "wrong";
  view.adv.small.textContent = `adversarial, ${unit} ${lane.index[i]}`;
  view.verdict.textContent = lane.verdicts[i];
  view.verdict.className = `verdict ${lane.verdicts[i].startsWith("holds") ? "holds" : "falls"}`;
  for (const [view_, name] of [[view.clean, "clean"], [view.delta, "perturbation"], [view.adv, "adversarial"]])
    view_.canvas.setAttribute("aria-label", `${name} picture: ${view_.bold.textContent}, ${view_.small.textContent}`);
  for (const row of view.rows) {
    row.c.style.width = `${100 * c[row.k]}%`;
    row.a.style.width = `${100 * p[row.k]}%`;
    row.pct.textContent = Math.max(c[row.k], p[row.k]) >= 0.005 ? `${whole(c[row.k])} → ${whole(p[row.k])}\u00a0%` : "";
  }
  view.bars.setAttribute("aria-label",
    `probabilities: clean ${view.clean.bold.textContent}, adversarial ${view.adv.bold.textContent}`);
  if (!view.route) return;
  view.route.fill.style.width = `${100 * lane.pType[i]}%`;
  view.route.word.textContent = `Router: P(adversarial) ${percent(lane.pType[i])}`;
  view.route.drift.textContent = `clean picture ${percent(lane.cleanPType)}`
    + (lane.signals ? ` · signals moved by ‖ω(x′) − ω(x)‖ = ${lane.signals.drift[i]}` : "");
  (lane.signals?.convs ?? []).forEach((conv, n) => strip(view.route.strips[n], conv, lane.signalBytes[n], i));
  if (lane.signals) view.route.scale.textContent = `filters, one cell each: blue turned down, vermilion turned up, full colour at ±${lane.signals.reach}`;
}
// One cell a filter; bytes are signed: 0 = turned down by the reach or more, 127.5 = unchanged (ω = 1), 255 = up.
function strip(canvas, conv, all, i) {
  if (canvas.width !== conv.filters) { canvas.width = conv.filters; canvas.height = 1; }
  const pen = canvas.getContext("2d"), row = pen.createImageData(conv.filters, 1);
  for (let f = 0; f < conv.filters; f++) {
    const t = (all[i * conv.filters + f] - 127.5) / 127.5, s = Math.min(1, Math.abs(t));
    const pole = t < 0 ? [0, 114, 178] : [213, 94, 0];
    for (let k = 0; k < 3; k++) row.data[4 * f + k] = 200 + (pole[k] - 200) * s;
    row.data[4 * f + 3] = 255;
  }
  pen.putImageData(row, 0, 0);
}

function makePanel(panel, ticks, seek) {
  const value = el("span"), plot = el("div", { class: "plot" });
  const node = el("div", { class: "panel" }, el("header", {}, el("span", { text: panel.title }), value), plot);
  const jump = (e) => seek((e.clientX - plot.getBoundingClientRect().left) / plot.clientWidth);
  plot.onpointerdown = (e) => { plot.setPointerCapture(e.pointerId); jump(e); };
  plot.onpointermove = (e) => { if (e.buttons) jump(e); };
  const finite = panel.lines.flatMap((l) => l.values).filter((v) => v !== null);
  let low = panel.range?.[0] ?? Math.min(...finite), high = panel.range?.[1] ?? Math.max(...finite);
  if (panel.zero) { low = Math.min(low, 0); high = Math.max(high, 0); }
  if (!(high - low > 1e-9)) { high += 0.5; low -= 0.5; }
  const first = ticks[0], span = Math.max(ticks[ticks.length - 1] - first, 1);
  const x = (at) => (ticks.length > 1 ? (100 * (at - first)) / span : 100);
  const y = (v) => 4 + 92 * (1 - (v - low) / (high - low));
  const drawing = svg("svg", { viewBox: "0 0 100 100", preserveAspectRatio: "none", "aria-hidden": "true" });
  if (panel.zero && low < 0) drawing.append(svg("rect", { class: "under", x: 0, width: 100, y: y(0), height: 100 - y(0) }));
  if (panel.zero) drawing.append(svg("path", { class: "zero", d: `M0 ${y(0)}H100` }));
  const dots = panel.lines.map((line) => {
    const d = line.values.map((v, i) => (v === null ? "" : `${i && line.values[i - 1] !== null ? "L" : "M"}${x(line.at[i])} ${y(v)}`));
    drawing.append(svg("path", { d: d.join(""), style: `stroke: ${line.colour}` }));
    return el("i", { class: "dot", style: `background: ${line.colour}` });
  });
  const cursor = el("i", { class: "cursor" });
  plot.append(drawing, cursor, ...dots,
    el("span", { class: "scale", style: "top: -2px", text: panel.share ? `${100 * high}\u00a0%` : figures(high) }),
    el("span", { class: "scale", style: "bottom: 1px", text: panel.share ? `${100 * low}\u00a0%` : figures(low) }));
  return { node, draw(tick) {
    cursor.style.left = `${x(tick)}%`;
    const told = panel.lines.map((line, k) => {
      const i = frameAt(line.at, tick), v = line.values[i];
      dots[k].style.left = `${x(line.at[i])}%`;
      dots[k].style.top = `${y(v ?? low)}%`;
      return v === null ? "—" : panel.share ? percent(v) : figures(v);
    });
    value.textContent = told.join(" | ");
  } };
}

// tell: says, once the film rests, at which step, or END.
function create(root, tell) {
  let data = null, lanes = [], panels = [], at = null, timer = null, version = 0, shape = "", known = "", rest = null, said;
  const range = el("input", { type: "range", min: 0, step: 1, "aria-label": "step of the attack" });
  const told = el("output");
  const parts = { reset: button("reset", "back to the start"), back: button("back", "one step back"),
    play: button("play", "play the attack"), next: button("next", "one step"), end: button("end", "to the end") };
  const transport = el("div", { class: "transport", role: "group", "aria-label": "steps of the attack" },
    parts.reset, parts.back, parts.play, parts.next, parts.end, range, told);
  const laneBox = el("div", { style: "display: grid; gap: 26px" }), panelBox = el("div", { class: "panels" });
  root.append(laneBox, transport, panelBox);

  const last = () => data.ticks.length - 1;
  const draw = () => {
    const tick = data.ticks[at];
    data.lanes.forEach((lane, n) => drawLane(lanes[n], lane, frameAt(lane.index, tick), data.unit));
    panels.forEach((panel) => panel.draw(tick));
    range.value = at;
    told.textContent = `${data.unit} ${tick} of ${data.ticks[last()]}`;
    range.setAttribute("aria-valuetext", told.textContent);
    root.dataset.step = at;
  };
  const settle = () => {
    const now = at >= last() ? END : data.ticks[at];
    if (now !== said) tell((said = now));
  };
  const go = (to) => {
    at = Math.max(0, Math.min(last(), to));
    draw();
    clearTimeout(rest); rest = setTimeout(settle, REST);
  };
  const stop = () => {
    clearInterval(timer); timer = null;
    parts.play.querySelector("path").setAttribute("d", ICON.play);
    parts.play.setAttribute("aria-label", "play the attack");
  };
  const play = () => {
    if (timer) return stop();
    if (at >= last()) go(0);
    parts.play.querySelector("path").setAttribute("d", ICON.pause);
    parts.play.setAttribute("aria-label", "pause");
    timer = setInterval(() => (at >= last() ? stop() : go(at + 1)), Math.max(40, Math.min(260, 3200 / data.ticks.length)));
  };
  parts.reset.onclick = () => { stop(); go(0); };
  parts.back.onclick = () => { stop(); go(at - 1); };
  parts.next.onclick = () => { stop(); go(at + 1); };
  parts.end.onclick = () => { stop(); go(last()); };
  parts.play.onclick = play;
  range.oninput = () => { stop(); go(Number(range.value)); };
  const seek = (share) => {
    const { ticks } = data, wanted = ticks[0] + share * (ticks[last()] - ticks[0]);
    const off = ticks.map((tick) => Math.abs(tick - wanted));
    stop(); go(off.indexOf(Math.min(...off)));
  };

  const load = (source) => { const image = new Image(); image.src = source; return image.decode().then(() => image); };
  return { stop: () => { stop(); clearTimeout(rest); }, async update(next) {
    const same = JSON.stringify({ ...next, step: null });
    if (same === known) return; // only the step came back, as it was told from here
    known = same;
    const mine = ++version;
    for (const lane of next.lanes) {
      const [clean, delta, adv] = await Promise.all([load(lane.clean), load(lane.delta), load(lane.adv)]);
      lane.images = { clean, delta, adv };
      lane.signalBytes = (lane.signals?.convs ?? []).map((conv) => bytes(conv.values));
    }
    if (mine !== version) return; // a newer answer came in while these pictures were decoded
    if (at === null) { // a link may say at which step
      said = next.step ?? END;
      at = said === END ? Infinity : frameAt(next.ticks, said);
    }
    const atEnd = at >= (data ?? next).ticks.length - 1;
    stop();
    data = next;
    root.classList.toggle("dark", data.dark);
    root.style.setProperty("--pic", `${data.lanes[0].width * data.lanes[0].scale}px`);
    const now = JSON.stringify(data.lanes.map((l) => [l.title, l.told, l.classes, l.rows, l.truth, l.target, !!l.pType, l.width]));
    if (now !== shape) {
      shape = now;
      lanes = data.lanes.map((lane) => makeLane(lane, data.lanes.length > 1));
      laneBox.replaceChildren(...lanes.map((view) => view.node));
    }
    panels = data.panels.map((panel) => makePanel(panel, data.ticks, seek));
    panelBox.className = `panels of${panels.length}`;
    panelBox.replaceChildren(...panels.map((panel) => panel.node));
    range.max = last();
    go(atEnd ? last() : at);
  } };
}

export default function (component) {
  const holder = component.parentElement.querySelector(".player");
  holder.tell = component.setStateValue;
  holder.player ??= create(holder, (step) => holder.tell("step", step));
  holder.player.update(component.data);
  return () => holder.player?.stop();
}
