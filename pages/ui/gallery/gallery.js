// One button a thumbnail; the arrow keys walk along the strip.
const SIZE = 52, FADE = 80;
export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  const strip = parentElement.querySelector(".strip");
  if (strip.dataset.sprite !== data.sprite) {
    strip.dataset.sprite = data.sprite;
    delete strip.dataset.shown;
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
  // Where there is more on a side, the strip fades out there and has an arrow.
  const reel = parentElement.querySelector(".reel");
  const hint = () => {
    reel.classList.toggle("before", strip.scrollLeft > 2);
    reel.classList.toggle("after", strip.scrollLeft < strip.scrollWidth - strip.clientWidth - 2);
  };
  const turn = (pages) => strip.scrollBy({ left: pages * 0.8 * strip.clientWidth, behavior: "smooth" });
  reel.querySelector(".back").onclick = () => turn(-1);
  reel.querySelector(".on").onclick = () => turn(1);
  strip.onscroll = hint;
  strip.watched ??= new ResizeObserver(() => strip.onscroll());
  strip.watched.observe(strip);
  for (const button of strip.children) {
    const chosen = Number(button.dataset.index) === data.chosen;
    button.setAttribute("aria-selected", chosen);
    button.onclick = () => setTriggerValue("picked", Number(button.dataset.index));
    if (!chosen || strip.dataset.shown === button.dataset.index) continue;
    // Newly chosen: out of the fade, by no more than that takes.
    const least = button.offsetLeft + SIZE + FADE - strip.clientWidth, most = Math.max(0, button.offsetLeft - FADE);
    strip.scrollLeft = Math.min(Math.max(strip.scrollLeft, least), most);
    strip.dataset.shown = button.dataset.index;
  }
  hint();
  strip.onkeydown = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const here = [...strip.children].indexOf(event.target);
    if (step && here >= 0) { event.preventDefault(); strip.children[here + step]?.focus(); }
  };
}
