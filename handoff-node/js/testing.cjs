"use strict";
// For implementers of ports: is yours one?

const { call } = require("./handle.cjs");
const { asStorage } = require("./storage.cjs");

function report(answer) {
  const cases = answer.cases.map(({ name, clause, failure }) => ({ name, clause, failure: failure ?? undefined }));
  const failed = cases.filter((one) => one.failure !== undefined);
  const lines = failed.map(({ name, clause, failure }) => `clause ${clause}: ${name}: ${failure}`);
  const text = [`${cases.length - failed.length} of ${cases.length} cases hold`, ...lines].join("\n");
  return { passed: failed.length === 0, cases, toString: () => text };
}

function checkStorage(open) {
  const prepare = () => ({ storage: asStorage(typeof open === "function" ? open() : open, "open") });
  return call("conformance.storage", prepare, {}, report);
}

module.exports = { checkStorage };
