"use strict";
// Finds the compiled half: beside this package in a checkout, else in the platform's own package.

const fs = require("node:fs");
const path = require("node:path");

const { candidates } = require("./platform.cjs");

function load() {
  const tried = [];
  const attempt = (file) => {
    try {
      return require(file);
    } catch (error) {
      tried.push(`  ${file}: ${String(error?.message ?? error).split("\n")[0]}`);
      return undefined;
    }
  };
  const chosen = process.env.HANDOFF_NODE_ADDON;
  if (chosen) {
    const loaded = attempt(path.resolve(chosen));
    if (loaded) return loaded;
  } else {
    for (const name of candidates()) {
      const own = path.join(__dirname, "..", `handoff.${name}.node`);
      const loaded = (fs.existsSync(own) ? attempt(own) : undefined) ?? attempt(`handoff-node-${name}`);
      if (loaded) return loaded;
    }
  }
  const name = candidates().join(" or ");
  const why = [
    `handoff-node has no binary that runs here (${name}, Node ${process.versions.node}).`,
    ...tried,
    "What to do:",
    "  - installed with --omit=optional or --no-optional? Install again without it: the binary is an optional dependency.",
    "  - installed on another system and copied here (a container, a Lambda)? Install on this one, or with npm's --os, --cpu and --libc.",
    "  - bundled? Mark handoff-node as external: a bundler cannot pack a .node file.",
    `  - no package for this platform? Build it from a checkout with Rust 1.88: node scripts/build.mjs --release`,
  ];
  const error = new Error(why.join("\n"));
  error.code = "HANDOFF_NO_BINARY";
  throw error;
}

module.exports = load();
