"use strict";
// Finding secrets in contents; their values are never shown.

const { call } = require("./handle.cjs");
const { camel, content } = require("./value.cjs");

const secretRules = () => call("secrets.rules", () => ({}), {}, camel);
const scanSecrets = (bytes) => call("secrets.scan", () => ({ body: content(bytes, "content") }), {}, camel);
const redactSecrets = (bytes) =>
  call("secrets.redact", () => ({ body: content(bytes, "content") }), {}, (_, body) => body ?? Buffer.alloc(0));

module.exports = { redactSecrets, scanSecrets, secretRules };
