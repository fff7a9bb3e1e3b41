// Draws on the image set's own pixel grid; after each stroke the canvas goes to the server as a PNG.
const GREYS = ["#ffffff", "#c0c0c0", "#808080", "#404040", "#000000"];
const COLOURS = ["#000000", "#ffffff", "#808080", "#d62828", "#e88c30", "#f2d544", "#3a9d4b", "#2f6fdb", "#7a4fb5", "#8a5a36", "#7ec8f0"];
function create(root) {
  const find = (name) => root.querySelector(name);
  const paper = find(".paper"), inks = find(".inks"), brush = find(".brush"), pen = paper.getContext("2d");
  let ink = null, last = null, data = null, send = null;
  const past = [];
  const keep = () => { past.push(pen.getImageData(0, 0, paper.width, paper.height)); if (past.length > 40) past.shift(); };
  const blank = () => { pen.fillStyle = data.colour ? "#ffffff" : "#000000"; pen.fillRect(0, 0, paper.width, paper.height); };
  const give = () => send("png", paper.toDataURL("image/png"));
  const place = (event) => {
    const box = paper.getBoundingClientRect();
    return [((event.clientX - box.left) / box.width) * paper.width, ((event.clientY - box.top) / box.height) * paper.height];
  };
  const stroke = (from, to) => {
    pen.strokeStyle = pen.fillStyle = ink;
    pen.lineCap = pen.lineJoin = "round";
    pen.lineWidth = Number(brush.value);
    pen.beginPath(); pen.moveTo(...from); pen.lineTo(to[0] + 0.01, to[1]); pen.stroke();
  };
  paper.onpointerdown = (event) => { paper.setPointerCapture(event.pointerId); keep(); last = place(event); stroke(last, last); };
  paper.onpointermove = (event) => { if (last) { const now = place(event); stroke(last, now); last = now; } };
  paper.onpointerup = paper.onpointercancel = () => { if (last) { last = null; give(); } };
  find(".undo").onclick = () => { const before = past.pop(); if (before) { pen.putImageData(before, 0, 0); give(); } };
  find(".clear").onclick = () => { keep(); blank(); send("png", ""); };
  const lay = (url, then) => {
    const image = new Image();
    image.onload = () => { keep(); pen.imageSmoothingEnabled = false; pen.drawImage(image, 0, 0, paper.width, paper.height); then(); };
    image.src = url;
  };
  find(".base").onclick = () => lay(data.base, give);
  return (next, setStateValue) => {
    const fresh = !data || data.width !== next.width || data.height !== next.height || data.colour !== next.colour;
    data = next; send = setStateValue;
    if (!fresh) return;
    paper.width = data.width; paper.height = data.height;
    past.length = 0;
    blank();
    if (data.kept) lay(data.kept, () => {});
    const all = data.colour ? COLOURS : GREYS;
    ink = all[0];
    inks.replaceChildren(...all.map((colour) => {
      const button = document.createElement("button");
      button.type = "button"; button.style.background = colour;
      button.setAttribute("role", "radio");
      button.setAttribute("aria-label", `ink ${colour}`);
      button.setAttribute("aria-checked", colour === ink);
      button.onclick = () => { ink = colour; for (const b of inks.children) b.setAttribute("aria-checked", b === button); };
      return button;
    }));
  };
}
export default function (component) {
  const root = component.parentElement.querySelector(".sketch");
  root.update ??= create(root);
  root.update(component.data, component.setStateValue);
}
