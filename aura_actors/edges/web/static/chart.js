/*
 * One line chart over the last minutes, drawn by uPlot. Owns how a chart looks, its caption and what it says when
 * pointed at; refuses to know what it shows. All charts share their cursor.
 */
import uPlot from "./vendor/uPlot-1.6.32.js";
import { known, timeOfDay } from "./words.js";

const together = uPlot.sync("aura");
const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
let colors = new Map();

const color = (name) => colors.get(name) ?? colors.set(name, style(name)).get(name);
const wash = (name) => `color-mix(in srgb, ${color(name)} 13%, transparent)`;

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { colors = new Map(); });

/**
 * @param {HTMLElement} host   gets the canvas and a caption below it
 * @param {{name: string, color: string, label?: string}[]} series   `name` in the timeline, `color` a CSS variable
 * @param {{top?: number, format: (value: number) => string}} how  `top` is the fixed end of the scale; without it the
 *   highest value is, and `floor` at least
 */
export class Chart {
  #plot = null;
  #host;
  #series;
  #options;
  #caption;
  #windowMs = 0;
  #end = 0;

  constructor(host, series, { top = null, floor = 1, format }) {
    this.#host = host;
    this.#series = series;
    this.#options = { top, floor, format };
    this.#caption = Object.assign(document.createElement("p"), { className: "caption axis" });
    this.#caption.append(...["start", "told", "end"].map((name) =>
      Object.assign(document.createElement("span"), { className: name })));
    host.setAttribute("aria-hidden", "true");
    host.append(this.#caption);
    new ResizeObserver(() => this.#resize()).observe(host);
  }

  draw(timeline, windowMs) {
    if (windowMs !== this.#windowMs) { // before the first size is taken: the caption's own is part of it
      this.#windowMs = windowMs;
      this.#caption.firstChild.textContent = `${windowMs / 60_000} min ago`;
      this.#caption.lastChild.textContent = "now";
    }
    if (!this.#plot && !this.#make()) return;
    this.#end = Math.max(timeline.last, 0);
    this.#plot.setData(timeline.since(windowMs, this.#series.map(({ name }) => name)));
  }

  #size() {
    return { width: this.#host.clientWidth, height: this.#host.clientHeight - this.#caption.offsetHeight };
  }

  #resize() {
    if (this.#plot && this.#host.clientWidth) this.#plot.setSize(this.#size());
  }

  #make() {
    const size = this.#size();
    if (!(size.width > 0 && size.height > 0)) return false;
    const { top, floor } = this.#options;
    this.#plot = new uPlot({
      ...size,
      ms: 1,
      legend: { show: false },
      padding: [3, 0, 2, 0],
      cursor: {
        y: false, drag: { x: false, y: false }, sync: { key: together.key, setSeries: false },
        points: { size: 7, width: 0, fill: (_, index) => color(this.#series[index - 1].color) },
      },
      scales: {
        x: { time: true, range: () => [this.#end - this.#windowMs, this.#end] },
        y: { range: (_, low, high) => [0, top ?? 1.12 * Math.max(floor, high ?? 0)] },
      },
      axes: [
        { show: false },
        { size: 0, gap: 0, values: (_, splits) => splits.map(() => ""), ticks: { show: false },
          splits: (_, __, low, high) => [0.25, 0.5, 0.75].map((part) => low + part * (high - low)),
          grid: { stroke: () => color("--line"), width: 1 } },
      ],
      series: [{}, ...this.#series.map(({ color: name }) => ({
        stroke: () => color(name), fill: () => wash(name), width: 1.5, points: { show: false }, spanGaps: false,
      }))],
      hooks: { setCursor: [(plot) => this.#tell(plot)] },
    }, [[], ...this.#series.map(() => [])], (plot, init) => {
      this.#host.prepend(plot.root);
      init();
    });
    return true;
  }

  #tell(plot) {
    const at = plot.cursor.idx;
    const [times, ...values] = plot.data;
    const text = !known(at) || !known(times[at]) ? "" : [timeOfDay(times[at]), ...this.#series.map(({ label }, n) =>
      `${label ? `${label} ` : ""}${this.#options.format(values[n][at])}`)].join(" · ");
    const told = this.#caption.children[1];
    if (told.textContent !== text) told.textContent = text;
    this.#caption.classList.toggle("telling", text !== "");
  }
}
