#!/usr/bin/env node
"use strict";
// `npx handoff-node`: the SDK from a shell.

const { parseArgs } = require("node:util");
const { COMMANDS, COMMON, EXIT, HELP, misfit } = require("./usage.cjs");
const { Bar, painter, safe } = require("./screen.cjs");

async function main(argv) {
  const [name, ...rest] = argv;
  if (name === undefined || name === "help" || name === "--help" || name === "-h") {
    process.stdout.write(HELP);
    return name === undefined ? EXIT.usage : EXIT.complete;
  }
  const paint = painter(process.stderr);
  const wrong = (why) => {
    process.stderr.write(`${paint.red("handoff-node:")} ${safe(why)}; see handoff-node --help\n`);
    return EXIT.usage;
  };
  if (name === "--version") {
    process.stdout.write(`${require("../../package.json").version}\n`);
    return EXIT.complete;
  }
  if (!Object.hasOwn(COMMANDS, name)) return wrong(`no command is called ${name}`);
  let parsed;
  try {
    parsed = parseArgs({ args: rest, options: { ...COMMON, ...COMMANDS[name].options }, allowPositionals: true });
  } catch (error) {
    return wrong(error.message);
  }
  const { values: given, positionals } = parsed;
  if (given.help) {
    process.stdout.write(HELP);
    return EXIT.complete;
  }

  const unfit = misfit(COMMANDS[name].args, positionals);
  if (unfit !== undefined) return wrong(unfit);

  const stop = new AbortController();
  const interrupted = () => stop.abort();
  process.on("SIGINT", interrupted).on("SIGTERM", interrupted);
  const bar = new Bar(process.stderr);
  const onProgress = given.quiet || given.json ? undefined : bar.update;
  const control = { signal: stop.signal, ...(onProgress && { onProgress }) };
  // Loaded late: help and mistakes need no binary.
  const { commands, Usage } = require("./commands.cjs");
  const { document, told } = require("./document.cjs");
  try {
    const done = await commands[name](positionals, given, { control, paint: painter(process.stdout) });
    bar.clear();
    if (given.json) process.stdout.write(`${JSON.stringify(document(done.json), undefined, 2)}\n`);
    else process.stdout.write(done.raw ?? `${done.text}\n`);
    return done.complete ? EXIT.complete : EXIT.partial;
  } catch (error) {
    bar.clear();
    if (error instanceof Usage) return wrong(error.message);
    if (stop.signal.aborted) {
      process.stderr.write(`${paint.yellow("cancelled")}; nothing is left behind\n`);
      return EXIT.cancelled;
    }
    const shown = told(error);
    if (given.json) process.stdout.write(`${JSON.stringify(document({ error: shown }), undefined, 2)}\n`);
    process.stderr.write(`${paint.red(`${error.kind ?? error.name}:`)} ${safe(shown.message)}\n`);
    if (error.kind === undefined) process.stderr.write(`${error.stack}\n`);
    return error.kind === "invalid_argument" ? EXIT.usage : EXIT.error;
  } finally {
    process.off("SIGINT", interrupted).off("SIGTERM", interrupted);
  }
}

// A reader that went away, as in `| head`, is no fault.
process.stdout.on("error", (error) => {
  if (error.code === "EPIPE") process.exit(EXIT.complete);
  throw error;
});
main(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
});
