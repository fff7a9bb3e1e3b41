// One button a thumbnail; the arrow keys walk along the strip.
const SIZE = 52;
export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const strip = parentElement.querySelector(".strip");
  if (strip.dataset.sprite !== data.sprite) {
    strip.dataset.sprite = data.sprite;
    strip.replaceChildren(...data.indices.map((index, n) => {
      const button = document.createElement("button");
      button.type = "button";
      button.setAttribute("role", "option");
      button.title = `${data.names[n]}, test image ${index}`;
      button.setAttribute("aria-label", button.title);
      button.dataset.index = index;
      button.style.backgroundImage = `url(${data.sprite})`;
      button.style.backgroundSize = `${SIZE * data.indices.length}px ${SIZE}px`;
      button.style.backgroundPosition = `${-SIZE * n}px 0`;
      return button;
    }));
    strip.scrollLeft = 0;
  }
  for (const button of strip.children) {
    const chosen = Number(button.dataset.index) === data.chosen;
    button.setAttribute("aria-selected", chosen);
    button.onclick = () => setTriggerValue("picked", Number(button.dataset.index));
    if (chosen && button.offsetLeft > strip.scrollLeft + strip.clientWidth) strip.scrollLeft = button.offsetLeft - 80;
  }
  strip.onkeydown = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const here = [...strip.children].indexOf(event.target);
    if (step && here >= 0) { event.preventDefault(); strip.children[here + step]?.focus(); }
  };
}
