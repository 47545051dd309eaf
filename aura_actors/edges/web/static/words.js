/*
 * Numbers as people read them: units, rounding, durations. Owns every format of the page; refuses to know where a
 * number comes from and where it goes. What is not known is "n/a", never 0.
 */

export const NA = "n/a";

export const known = (value) => value !== null && value !== undefined && !Number.isNaN(value);
export const count = (value) => (known(value) ? value.toLocaleString("en") : NA);
export const percent = (value) => (known(value) ? `${value.toFixed(Math.abs(value) < 9.95 ? 1 : 0)}\u2009%` : NA);
export const rate = (value) => (known(value) ? `${bytes(value)}/s` : NA);
export const celsius = (value) => (known(value) ? `${value.toFixed(0)}\u2009°C` : NA);
export const watts = (value) => (known(value) ? `${value.toFixed(0)}\u2009W` : NA);
export const hertz = (value) => (known(value) ? `${(value / 1e6).toFixed(0)}\u2009MHz` : NA);
export const share = (part, whole) => (known(part) && whole > 0 ? (100 * part) / whole : null);
export const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);
export const total = (numbers) => (known(numbers) ? count(sum(numbers)) : NA);
export const plural = (number, one, many = `${one}s`) => `${count(number)} ${number === 1 ? one : many}`;
export const stampMs = (stamp) => (typeof stamp === "number" ? stamp * 1_000 : Date.parse(stamp));

/** A sentence of the server as one of the page's: `cpu is at 95 %` begins with a word for people. */
export const sentence = (text) => text.replace(/^(cpu|gpu)\b/, (name) => name.toUpperCase())
  .replace(/^[a-z]/, (letter) => letter.toUpperCase());

/** Powers of 1024, three digits at most: `1.5 GiB`. */
export function bytes(value) {
  if (!known(value)) return NA;
  const units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
  let [size, unit] = [Math.abs(value), 0];
  for (; size >= 999.5 && unit < units.length - 1; unit++) size /= 1024;
  const digits = unit === 0 || size >= 99.95 ? 0 : 1;
  return `${value < 0 ? "\u2212" : ""}${size.toFixed(digits)}\u00a0${units[unit]}`;
}

/** The two largest units: `1 h 5 min`. */
export function duration(seconds) {
  if (!known(seconds)) return NA;
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3_600) return `${Math.floor(whole / 60)} min${whole < 600 && whole % 60 ? ` ${whole % 60} s` : ""}`;
  if (whole < 86_400) return pair(Math.floor(whole / 3_600), "h", Math.floor((whole % 3_600) / 60), "min");
  return pair(Math.floor(whole / 86_400), "d", Math.floor((whole % 86_400) / 3_600), "h");
}

const pair = (large, largeUnit, small, smallUnit) =>
  `${large} ${largeUnit}${small ? ` ${small} ${smallUnit}` : ""}`;

/** An amount in the unit of a dimension of admission. */
export function amount(value, unit) {
  if (!known(value)) return NA;
  if (unit === "bytes") return bytes(value);
  return unit === "millicores" ? (value / 1_000).toFixed(value % 1_000 ? 1 : 0) : count(value);
}

export const timeOfDay = (ms) => new Date(ms).toLocaleTimeString("en", { hourCycle: "h23" });
