// Numbers as people read them; settings compared; words complete.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import * as format from "../../web/format.mjs";
import { compareSettings, flatten, settingName } from "../../web/settings_diff.mjs";
import { has, setLanguage, statusText, statusWord, STRINGS, t } from "../../web/strings.mjs";

test("losses", () => {
  assert.equal(format.loss(0.1234567), "0.1235");
  assert.equal(format.loss(0.1), "0.1");
  assert.equal(format.loss(12), "12.0");
  assert.equal(format.loss(0.0000123), "1.23e-5");
  assert.equal(format.loss(0), "0");
  assert.equal(format.loss(null), "–");
  assert.equal(format.loss(Number.NaN), "–");
});

test("learning rates", () => {
  assert.equal(format.rate(1e-4), "1e-4");
  assert.equal(format.rate(8.9e-5), "8.9e-5");
  assert.equal(format.rate(1), "1.0");
  assert.equal(format.rate(-1e-4), "-1e-4");
});

test("times", () => {
  assert.equal(format.duration(75), "1:15");
  assert.equal(format.duration(4000), "1:06:40");
  assert.equal(format.duration(200000), "2 d 7 h");
  assert.equal(format.duration(null), "–");
});

test("memory and speed", () => {
  assert.equal(format.memory(10.4 * 2 ** 30), "10.4 GB");
  assert.equal(format.memory(300 * 2 ** 20), "300 MB");
  assert.deepEqual([0, 1, 5000, 2 ** 20, 3 * 2 ** 30].map(format.size), ["0 KB", "1 KB", "5 KB", "1 MB", "3.0 GB"]);
  assert.equal(format.imagesPerSecond(0.256), "0.26");
  assert.equal(format.imagesPerSecond(2.56), "2.6");
  assert.equal(format.imagesPerSecond(0), "–");
});

test("settings: what differs comes first, nested ones by their path", () => {
  assert.deepEqual(flatten({ a: { b: 1, c: [1, 2] }, d: null, e: {} }), { "a.b": 1, "a.c": [1, 2], d: null, e: {} });
  const rows = compareSettings([{ rank: 8, optimizer: { name: "AdamW" } }, { rank: 16, optimizer: { name: "AdamW" }, clip: 1 }]);
  assert.deepEqual(rows.map((row) => [row.key, row.values, row.differs]), [
    ["clip", ["–", "1"], true], ["rank", ["8", "16"], true], ["optimizer.name", ["AdamW", "AdamW"], false],
  ]);
});

test("how a run ended, with its cause", () => {
  assert.deepEqual(["stopped", "stopped: disk full", "stopped: something new"].map(statusWord), ["stopped", "stopped", "stopped"]);
  assert.equal(statusText("paused"), "paused");
  assert.equal(statusText("stopped: read-only file system"), "stopped: read-only disk");
  assert.equal(statusText("stopped: something new"), "stopped: something new");
});

test("every language has every text, with the same places to fill", () => {
  const places = (text) => [...text.matchAll(/\{\w+\}/g)].map(String).sort();
  for (const [language, texts] of Object.entries(STRINGS)) {
    assert.deepEqual(Object.keys(texts), Object.keys(STRINGS.en), language);
    for (const key of Object.keys(texts)) assert.deepEqual(places(texts[key]), places(STRINGS.en[key]), `${language} ${key}`);
  }
});

test("every text that the panel asks for exists", () => {
  const folder = new URL("../../web/", import.meta.url);
  for (const name of readdirSync(folder, { recursive: true }).filter((file) => /\.m?js$/.test(file))) {
    const source = readFileSync(new URL(name, folder), "utf8");
    for (const [, key] of source.matchAll(/[^\w.]t\("([\w.]+)"/g)) assert.ok(has(key), `${name} asks for "${key}"`);
  }
});

test("settings are called by words", () => {
  assert.equal(settingName("optimizer.warmup_steps"), "Optimizer: warmup steps");
  assert.equal(settingName("network.block_weights.lr"), "Network: block weights, learning rate");
  assert.equal(settingName("objective.loss.type"), "Objective: loss");
  assert.equal(settingName("rank"), "rank");
  assert.equal(settingName("preview"), "Samples");
  assert.equal(settingName("network.type"), null);
});

test("no text is left over", () => {
  const folder = new URL("../../web/", import.meta.url);
  const sources = readdirSync(folder, { recursive: true }).filter((file) => /\.m?js$/.test(file) && !/strings\.mjs$|words\.mjs$/.test(file)).map((name) => readFileSync(new URL(name, folder), "utf8")).join();
  const made = (key) => /^(status|cause|phase|kind|group|settings|dsState|dsWarning|dsFilter)\.|Hint$/.test(key);
  assert.deepEqual(Object.keys(STRINGS.en).filter((key) => !made(key) && !sources.includes(`"${key}"`)), []);
});

test("languages", () => {
  setLanguage("zh-TW");
  assert.equal(t("pause"), "暂停");
  setLanguage("fr");
  assert.equal(t("left", { time: "1:15" }), "1:15 left");
  setLanguage(undefined);
  assert.equal(t("no such text"), "no such text");
});
