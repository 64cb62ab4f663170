"use strict";
// Finding secrets in contents; their values are never shown.

const { call } = require("./handle.cjs");
const { classes, invalid } = require("./errors.cjs");
const { check, implementer } = require("./port.cjs");
const { camel, content, kindOf, snake } = require("./value.cjs");

const SCANNER = {
  scan: async (scanner, _args, body, context) => {
    const found = await scanner.scan(body ?? Buffer.alloc(0), context);
    if (!Array.isArray(found)) {
      throw new classes.HandoffError(`scan of this scanner returned ${kindOf(found)}; it has to return an array of findings`);
    }
    return { value: found.map(({ rule, start, end }) => ({ rule, start, end })) };
  },
};

/** Rules as the core takes them, with the caller's scanners in their places. */
function asRules(value, name) {
  if (value === undefined) return undefined;
  if (value === null || typeof value !== "object") throw invalid(name, `is ${kindOf(value)}; pass rules for secrets`);
  const { scanners, ...rest } = value;
  if (scanners !== undefined && !Array.isArray(scanners)) {
    throw invalid(`${name}.scanners`, `is ${kindOf(scanners)}; pass an array of scanners`);
  }
  const one = (scanner, at) => implementer(SCANNER, check(scanner, `${name}.scanners[${at}]`, "SecretScanner", ["scan"]));
  return { ...snake(rest, name), scanners: scanners?.map(one) };
}

const secretRules = () => call("secrets.rules", () => ({}), {}, camel);
const scanSecrets = (bytes) => call("secrets.scan", () => ({ body: content(bytes, "content") }), {}, camel);
const redactSecrets = (bytes) =>
  call("secrets.redact", () => ({ body: content(bytes, "content") }), {}, (_, body) => body ?? Buffer.alloc(0));

module.exports = { asRules, redactSecrets, scanSecrets, secretRules };
