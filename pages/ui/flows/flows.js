// Ribbons from block to block: a ribbon is a button, in the tab order, and a click asks for its images.
const NS = "http://www.w3.org/2000/svg", WIDE = 1000, NODE = 12, TOP = 26, GAP = 16;
const shape = (tag, attrs, text) => {
  const node = document.createElementNS(NS, tag);
  for (const [k, v] of Object.entries(attrs)) node.setAttribute(k, v);
  if (text !== undefined) node.textContent = text;
  return node;
};

function draw(root, data, pick) {
  const { blocks, links, total, height } = data;
  const most = Math.max(...blocks.map((b) => b.states.length));
  const unit = (height - TOP - GAP * (most - 1)) / total, margin = 6, room = 128;
  const x = (b) => (blocks.length > 1 ? margin + ((WIDE - room - margin) * b) / (blocks.length - 1) : margin);
  const top = blocks.map((block) => {
    let y = TOP + ((most - block.states.length) * GAP) / 2;
    return block.states.map((state) => { const at = y; y += state.count * unit + GAP; return at; });
  });
  const svg = shape("svg", { viewBox: `0 0 ${WIDE} ${height}`, role: "group", "aria-label": data.alt });
  const out = blocks.map((b) => b.states.map(() => 0)), into = blocks.map((b) => b.states.map(() => 0));
  for (const link of links) {
    const h = link.count * unit, b = link.block;
    const y0 = top[b][link.source] + out[b][link.source], y1 = top[b + 1][link.target] + into[b + 1][link.target];
    out[b][link.source] += h; into[b + 1][link.target] += h;
    const x0 = x(b) + NODE, x1 = x(b + 1), m = (x0 + x1) / 2;
    const ribbon = shape("path", { class: `ribbon${link.id === data.chosen ? " chosen" : ""}`, fill: data.colours[link.group], tabindex: 0,
      role: "button", "data-id": link.id, "aria-label": link.told,
      d: `M${x0} ${y0}C${m} ${y0} ${m} ${y1} ${x1} ${y1}V${y1 + h}C${m} ${y1 + h} ${m} ${y0 + h} ${x0} ${y0 + h}Z` });
    ribbon.append(shape("title", {}, link.told));
    ribbon.onclick = () => pick(link.id);
    ribbon.onkeydown = (e) => { if (e.key === "Enter" || e.key === " ") { e.preventDefault(); pick(link.id); } };
    svg.append(ribbon);
  }
  blocks.forEach((block, b) => {
    svg.append(shape("text", { class: "block", x: x(b), y: 12 }, block.name));
    block.states.forEach((state, s) => {
      const y = top[b][s], h = Math.max(1, state.count * unit);
      svg.append(shape("rect", { x: x(b), y, width: NODE, height: h, rx: 2 }));
      const text = shape("text", { x: x(b) + NODE + 6, y: y + h / 2 + 4 }, `${state.name} `);
      text.append(shape("tspan", { class: "count", fill: "currentColor", "fill-opacity": 0.65 }, `${state.count}`));
      svg.append(text);
    });
  });
  const key = document.createElement("div");
  key.className = "key";
  key.append(...data.groups.map((name, g) => {
    const item = document.createElement("span");
    item.textContent = name;
    item.style.setProperty("--k", data.colours[g]);
    return item;
  }));
  root.classList.toggle("dark", data.dark);
  root.replaceChildren(key, svg);
}

export default function (component) {
  const root = component.parentElement.querySelector(".flows");
  draw(root, component.data, (id) => component.setTriggerValue("ribbon", id));
}
