// Rows and cells as the server ordered them; a heading asks for another order, a box chooses a network.
const FADE = 56;  // px of the right edge, as in board.css

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const board = parentElement.querySelector(".board");
  board.style.cssText = data.style;
  const make = (tag, text, kind) => {
    const one = document.createElement(tag);
    if (text !== undefined) one.textContent = text;
    if (kind) one.className = kind;
    return one;
  };
  // Headings, rows and boxes stay the same elements when the table is drawn anew: a click that is under way while new
  // figures arrive would be lost with the element it began on. And what had the focus keeps it.
  const kept = (board.kept ??= new Map());
  const keep = (name, made) => kept.get(name) ?? (kept.set(name, made()), kept.get(name));
  const place = (parent, children) => {
    children.forEach((one, k) => parent.children[k] === one || parent.insertBefore(one, parent.children[k] ?? null));
    while (parent.children.length > children.length) parent.lastElementChild.remove();
  };
  const root = board.getRootNode();
  const focused = root.activeElement?.dataset?.focus;

  const head = keep("head", () => make("tr"));
  const corner = keep("corner", () => {
    const th = make("th");
    th.append(make("span", "chosen", "unseen"));
    return th;
  });
  place(head, [corner, ...data.columns.map((column) => {
    const th = keep(`column ${column.key}`, () => make("th"));
    th.className = column.kind ?? "";
    th.scope = "col";
    th.title = column.help ?? "";
    th.removeAttribute("aria-sort");
    if (!column.sorts) {
      th.textContent = column.label;
      return th;
    }
    const button = keep(`sort ${column.key}`, () => {
      const one = make("button", column.label);
      one.type = "button";
      one.dataset.focus = `sort ${column.key}`;
      one.append(make("i", ""));
      return one;
    });
    const on = column.key === data.sort;
    const up = Boolean(column.low) !== Boolean(data.backwards);
    if (on) th.setAttribute("aria-sort", up ? "ascending" : "descending");
    button.lastElementChild.textContent = on ? (up ? "▲" : "▼") : "";
    button.onclick = () => setTriggerValue("sorted", column.key);
    place(th, [button]);
    return th;
  })]);
  place(board.querySelector("thead"), [head]);

  const draw = (cell) => {
    const td = make("td", undefined, cell.kind);
    if (cell.tip) td.title = cell.tip;
    td.append(make("b", cell.text));
    if (cell.sub) td.append(make("small", cell.sub));
    td.append(...[cell.more || []].flat().map((line) => make("small", line)));
    if (cell.at !== undefined) {
      const bar = make("i", undefined, "bar");
      const fill = make("u"), reach = make("s");
      fill.style.width = `${100 * cell.at}%`;
      reach.style.left = `${100 * cell.low}%`;
      reach.style.width = `${100 * (cell.high - cell.low)}%`;
      bar.append(fill, reach);
      td.append(bar);
    }
    for (const mark of cell.marks ?? []) {
      const tag = make("em", mark.word, mark.kind);
      tag.title = mark.told;
      td.append(tag);
    }
    return td;
  };
  // What the boxes were set to and the server has not answered: sent as a whole, so that of clicks in quick succession
  // none is lost, and shown until it is answered, if only by a refusal.
  const wanted = (board.wanted ??= new Map());
  for (const [id, one] of wanted) if (one.turn <= data.answered) wanted.delete(id);
  board.turn = Math.max(board.turn ?? 0, data.answered);
  place(board.querySelector("tbody"), data.rows.map((row) => {
    const tr = keep(`row ${row.id}`, () => make("tr"));
    tr.className = [row.chosen && "chosen", row.muted && "muted"].filter(Boolean).join(" ");
    const box = keep(`box ${row.id}`, () => {
      const one = make("input");
      one.type = "checkbox";
      one.dataset.focus = `row ${row.id}`;
      return one;
    });
    box.checked = wanted.get(row.id)?.on ?? row.chosen;
    box.disabled = data.full && !box.checked;
    box.setAttribute("aria-label", `compare ${row.title}`);
    box.title = box.disabled ? "as many as fit are chosen; take one away first" : "compare it below";
    box.onchange = () => {
      wanted.set(row.id, { on: box.checked, turn: ++board.turn });
      setTriggerValue("wanted", { turn: board.turn, boxes: [...wanted].map(([id, one]) => [id, one.on]) });
    };
    const first = keep(`first ${row.id}`, () => {
      const td = make("td");
      td.append(box);
      return td;
    });
    place(tr, [first, ...row.cells.map(draw)]);
    tr.children[1].scope = "row";
    return tr;
  }));
  if (focused) board.querySelector(`[data-focus="${CSS.escape(focused)}"]`)?.focus();

  // Drawn for the first time: what a link is about comes into view, the chosen rows and the column that orders them.
  if (!board.placed) {
    board.placed = true;
    requestAnimationFrame(() => {
      const chosen = [...board.querySelectorAll("tr.chosen")], sorted = head.querySelector("[aria-sort]");
      const below = chosen.length ? chosen.at(-1).offsetTop + chosen.at(-1).offsetHeight - board.clientHeight : 0;
      if (below > 0) board.scrollTop = Math.min(below, chosen[0].offsetTop - head.offsetHeight);
      const right = sorted ? sorted.offsetLeft + sorted.offsetWidth - board.clientWidth : 0;
      if (right > 0) board.scrollLeft = right + FADE;
    });
  }

  // While columns hide on the right, that edge fades.
  const frame = board.parentElement;
  const hint = () => {
    frame.classList.toggle("more", board.scrollLeft + board.clientWidth < board.scrollWidth - 2);
    frame.style.setProperty("--right", `${board.offsetWidth - board.clientWidth}px`);  // what the scroll bars take
    frame.style.setProperty("--below", `${board.offsetHeight - board.clientHeight}px`);
  };
  board.onscroll = hint;
  board.watch?.disconnect();
  board.watch = new ResizeObserver(hint);
  board.watch.observe(board);
  board.watch.observe(board.querySelector("table"));
}
