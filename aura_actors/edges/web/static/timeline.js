/*
 * What the page remembers: a fixed number of moments, with one value of each series. Owns the ring; refuses to know
 * what the series are and how they are drawn. An unknown value is NaN here, and null for the charts, which leave a gap.
 */
const ROOM = 1_000;
/** A clock that went back further than this was set; what was remembered belongs to another time. */
const SET_BACK_MS = 60_000;

export class Timeline {
  #times = new Float64Array(ROOM);
  #columns = new Map();
  #pushed = 0;

  get last() {
    return this.#pushed ? this.#times[(this.#pushed - 1) % ROOM] : -Infinity;
  }

  get size() {
    return Math.min(this.#pushed, ROOM);
  }

  /** Remember one moment. Values of series that are not named are unknown. Older than the last: nothing happens. */
  push(timeMs, values, gapMs = Infinity) {
    if (timeMs < this.last - SET_BACK_MS) this.clear();
    if (timeMs <= this.last) return;
    if (this.#pushed && timeMs - this.last > gapMs) this.#append((timeMs + this.last) / 2, {});
    this.#append(timeMs, values);
  }

  #append(timeMs, values) {
    const at = this.#pushed++ % ROOM;
    this.#times[at] = timeMs;
    for (const name in values) this.#column(name);
    for (const [name, column] of this.#columns) column[at] = values[name] ?? NaN;
  }

  #column(name) {
    if (!this.#columns.has(name)) this.#columns.set(name, new Float64Array(ROOM).fill(NaN));
    return this.#columns.get(name);
  }

  /** Put moments of another source between ours: `[timeMs, values]`, oldest first. Ours win where both have one. */
  merge(moments, gapMs) {
    const ours = this.#moments();
    const taken = new Set(ours.map(([timeMs]) => timeMs));
    const all = [...moments.filter(([timeMs]) => !taken.has(timeMs)), ...ours].sort(([a], [b]) => a - b);
    this.clear();
    for (const [timeMs, values] of all.slice(-ROOM)) this.push(timeMs, values, gapMs);
  }

  #moments() {
    const found = [];
    for (let i = this.#pushed - this.size; i < this.#pushed; i++) {
      const at = i % ROOM;
      const values = {};
      for (const [name, column] of this.#columns) values[name] = column[at];
      if (Object.values(values).some((value) => !Number.isNaN(value))) found.push([this.#times[at], values]);
    }
    return found;
  }

  clear() {
    this.#pushed = 0;
    for (const column of this.#columns.values()) column.fill(NaN);
  }

  /** Times and values of the last `windowMs`, as uPlot takes them: `[times, ...one array for each name]`. */
  since(windowMs, names) {
    const columns = names.map((name) => this.#columns.get(name));
    const data = [[], ...names.map(() => [])];
    for (let i = this.#pushed - this.size; i < this.#pushed; i++) {
      const at = i % ROOM;
      if (this.#times[at] < this.last - windowMs) continue;
      data[0].push(this.#times[at]);
      columns.forEach((column, n) => {
        const value = column ? column[at] : NaN;
        data[n + 1].push(Number.isNaN(value) ? null : value);
      });
    }
    return data;
  }

  /** Mean and highest of the known values in the last `windowMs`; null where there are none. */
  summary(windowMs, name) {
    const [, values] = this.since(windowMs, [name]);
    const found = values.filter((value) => value !== null);
    if (!found.length) return { average: null, peak: null };
    return { average: found.reduce((a, b) => a + b, 0) / found.length, peak: Math.max(...found) };
  }
}
