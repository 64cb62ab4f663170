"use strict";
// The commands and what each can be told.

/** Exit codes; the same as those of `python -m handoff`. */
const EXIT = { complete: 0, error: 1, usage: 2, partial: 3, cancelled: 130 };

const many = { type: "string", multiple: true };
const one = { type: "string" };
const flag = { type: "boolean" };

const COMMON = { json: flag, quiet: { ...flag, short: "q" }, help: { ...flag, short: "h" } };
const CAPTURE = {
  exclude: many,
  "include-ignored": many,
  "allow-secret": many,
  "max-file-bytes": one,
  "max-total-bytes": one,
  deadline: one,
};
const APPLY = { "on-conflict": one, staging: one, durability: one, symlinks: one };
const STORE = { store: one, actor: one };

const COMMANDS = {
  plan: { args: "[DIR...]", about: "list what a capture would carry; reads no content", options: CAPTURE },
  capture: {
    args: "[DIR...] -o FILE",
    about: "take the uncommitted work of checkouts into one file",
    options: { ...CAPTURE, output: { ...one, short: "o" } },
  },
  show: { args: "FILE [REPO PATH]", about: "what is in a file; with REPO and PATH, one content", options: { layer: one } },
  diff: { args: "FILE [NEWER]", about: "what a file changes against what is committed, or to a newer file", options: {} },
  preview: { args: "FILE [DIR...]", about: "say what an apply would do; writes nothing", options: APPLY },
  apply: { args: "FILE [DIR...]", about: "apply a file to checkouts, with a report on each path", options: APPLY },
  undo: { args: "APPLY_ID [DIR...]", about: "put back what an apply replaced", options: {} },
  fork: {
    args: "CONVERSATION --store DIR",
    about: "fork a stored conversation; the source is not written",
    options: { ...STORE, after: one, count: one },
  },
  runs: { args: "--store DIR", about: "list runs, newest first", options: { ...STORE, team: one, limit: one } },
  continue: {
    args: "RUN PROMPT --store DIR --queue NAME",
    about: "say something more to a run; workers of the queue go on with it",
    options: { ...STORE, queue: one, model: one, "idempotency-key": one },
  },
  pull: {
    args: "RUN [DIR...] --store DIR",
    about: "merge a run's result into checkouts",
    options: { ...STORE, ...APPLY, preview: flag },
  },
};

const HELP = `handoff-node: move uncommitted work between checkouts, losing nothing silently

usage: handoff-node COMMAND [ARGUMENTS] [OPTIONS]

${Object.entries(COMMANDS)
  .map(([name, { args, about }]) => `  ${`${name} ${args}`.padEnd(46)} ${about}`)
  .join("\n")}

DIR defaults to the current directory.
  --exclude, --include-ignored PATTERN   in gitignore syntax, any number of times
  --allow-secret PATH:RULE               lets one file travel in spite of one rule, any number of times
  --max-file-bytes, --max-total-bytes N  limits; --deadline SECONDS ends with what there is
  --on-conflict keep|markers|theirs      --staging restore|leave
  --durability full|process              --symlinks inside|anywhere
  --store DIR, --actor NAME              a folder used as storage, and who asks (default: your user name)
  --json                                 one JSON document on standard output
  -q, --quiet                            no progress
Colours follow NO_COLOR and FORCE_COLOR.

exit status: 0 complete; 1 nothing could be done; 2 wrong usage; 3 done in part (conflicts, skipped or failed paths, a
repository that could not be captured, a partial capture); 130 cancelled by Ctrl-C, with nothing left behind
`;

module.exports = { COMMANDS, COMMON, EXIT, HELP };
