// @ts-check
/** What differs between the settings of several runs. Pure. */
import { has, t } from "./strings.mjs";

/**
 * Nested settings as one level: {"a": {"b": 1}} -> {"a.b": 1}; lists stay whole.
 * @param {Record<string, any>} settings @returns {Record<string, any>}
 */
export function flatten(settings, prefix = "") {
  /** @type {Record<string, any>} */
  const flat = {};
  for (const [key, value] of Object.entries(settings ?? {})) {
    const isGroup = value !== null && typeof value === "object" && !Array.isArray(value);
    if (isGroup && Object.keys(value).length) Object.assign(flat, flatten(value, `${prefix}${key}.`));
    else flat[prefix + key] = value;
  }
  return flat;
}

/** A setting's name for people: "optimizer.warmup_steps" is "Optimizer: warmup steps", the kind of a choice the choice itself; null for what
 * only says which spec it is. @param {string} key */
export function settingName(key) {
  const [group, ...rest] = key.split(".");
  if (rest.at(-1) === "type") rest.pop();
  if (key.includes(".") && !rest.length) return null;
  const title = has(`settings.${group}`) ? t(`settings.${group}`) : words(group);
  return rest.length ? `${title}: ${rest.map(words).join(", ")}` : title;
}

const words = (/** @type {string} */ name) => name.replaceAll("_", " ").replace(/\blr\b/, "learning rate");

/** A value as a short text. @param {any} value */
export function show(value) {
  if (value === undefined) return "\u2013";
  if (typeof value === "string") return value === "" ? "\u2018\u2019" : value;
  return JSON.stringify(value);
}

/**
 * Rows of a table: a setting and its value in every run.
 * @param {Record<string, any>[]} settings one object a run
 * @returns {{key: string, values: string[], differs: boolean}[]} sorted by name, those that differ first
 */
export function compareSettings(settings) {
  const flat = settings.map((one) => flatten(one));
  const keys = [...new Set(flat.flatMap(Object.keys))].filter((key) => settingName(key) !== null).sort();
  const rows = keys.map((key) => {
    const values = flat.map((one) => show(one[key]));
    return { key, values, differs: new Set(values).size > 1 };
  });
  return [...rows.filter((row) => row.differs), ...rows.filter((row) => !row.differs)];
}
