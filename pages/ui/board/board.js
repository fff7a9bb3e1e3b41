// Rows and cells as the server ordered them; a heading asks for another order, a box chooses a network.
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
  // What had the focus keeps it when the table is drawn anew.
  const root = board.getRootNode();
  const focused = root.activeElement?.dataset?.focus;

  const head = make("tr");
  const corner = make("th");
  corner.append(make("span", "chosen", "unseen"));
  head.append(corner);
  for (const column of data.columns) {
    const th = make("th", undefined, column.kind);
    th.scope = "col";
    th.title = column.help ?? "";
    if (column.sorts) {
      const button = make("button", column.label);
      button.type = "button";
      button.dataset.focus = `sort ${column.key}`;
      const on = column.key === data.sort;
      const up = Boolean(column.low) !== Boolean(data.backwards);
      if (on) th.setAttribute("aria-sort", up ? "ascending" : "descending");
      button.append(make("i", on ? (up ? "▲" : "▼") : ""));
      button.onclick = () => setTriggerValue("sorted", column.key);
      th.append(button);
    } else th.textContent = column.label;
    head.append(th);
  }
  board.querySelector("thead").replaceChildren(head);

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
  board.querySelector("tbody").replaceChildren(...data.rows.map((row) => {
    const tr = make("tr", undefined, [row.chosen && "chosen", row.muted && "muted"].filter(Boolean).join(" "));
    const box = make("input");
    box.type = "checkbox";
    box.checked = row.chosen;
    box.disabled = data.full && !row.chosen;
    box.dataset.focus = `row ${row.id}`;
    box.setAttribute("aria-label", `compare ${row.title}`);
    box.title = box.disabled ? "as many as fit are chosen; take one away first" : "compare it below";
    box.onchange = () => setTriggerValue("toggled", row.id);
    const first = make("td");
    first.append(box);
    tr.append(first, ...row.cells.map(draw));
    tr.children[1].scope = "row";
    return tr;
  }));
  if (focused) board.querySelector(`[data-focus="${CSS.escape(focused)}"]`)?.focus();

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
