"use strict";
// The commands and what each can be told; the same as those of `python -m handoff`.

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
const APPLY = { "on-conflict": one, staging: one, history: one, durability: one, symlinks: one };
const STORE = { store: { ...one, default: ".handoff-store" }, actor: one };

/** `args`: what each command takes, in order; `[X]` may be left out, `[X...]` may come any number of times. */
const COMMANDS = {
  plan: { args: "[DIR...]", about: "list what a capture would carry, without reading it", options: CAPTURE },
  capture: {
    args: "[DIR...]",
    about: "take everything uncommitted, into one file",
    options: { ...CAPTURE, output: { ...one, short: "o", default: "work.handoff" } },
  },
  show: { args: "FILE [PATH]", about: "list what is in a captured state, or print one of its files", options: { layer: one } },
  diff: { args: "FILE [NEWER]", about: "show what changed, as git would", options: {} },
  preview: { args: "FILE [DIR...]", about: "say what apply would do, without writing", options: APPLY },
  apply: { args: "FILE [DIR...]", about: "put a captured state into checkouts", options: APPLY },
  undo: { args: "APPLY_ID [DIR...]", about: "put back what an apply replaced", options: {} },
  fork: { args: "CONVERSATION", about: "fork a stored conversation", options: { ...STORE, at: one } },
  runs: { args: "[RUN]", about: "list runs, newest first", options: { ...STORE, team: one, limit: { ...one, default: "20" } } },
  continue: {
    args: "RUN PROMPT",
    about: "say something more to a run",
    options: {
      ...STORE,
      agent: one,
      root: { ...one, default: ".handoff-runs" },
      repo: many,
      queue: { ...one, default: "default" },
      model: one,
      "idempotency-key": one,
    },
  },
  pull: { args: "RUN [DIR...]", about: "merge a run's result into checkouts", options: { ...STORE, ...APPLY, preview: flag } },
};

const HELP = `usage: handoff-node COMMAND [ARGUMENTS] [OPTIONS]

Move an agent's uncommitted work and conversation between machines, losing nothing silently.

${Object.entries(COMMANDS)
  .map(([name, { args, about }]) => `  ${`${name} ${args}`.padEnd(26)} ${about}`)
  .join("\n")}

DIR defaults to the current directory, PATH is REPO/PATH.
  --exclude, --include-ignored PATTERN   in gitignore syntax, any number of times
  --allow-secret PATH:RULE               lets one file travel in spite of one rule, any number of times
  --max-file-bytes, --max-total-bytes N  limits; --deadline SECONDS ends with what there is
  -o, --output FILE                      what capture writes (default: work.handoff)
  --layer head|index|worktree            what show prints of PATH
  --on-conflict keep|markers|theirs      --staging restore|leave
  --history leave|objects|branch         what becomes of unpushed commits
  --durability full|process              --symlinks inside|anywhere
  --store DIR, --actor NAME              a folder used as storage (default: .handoff-store), and who asks (default: you)
  --at N|MESSAGE                         where fork leaves: after so many messages, or after this one
  --team TEAM, --limit N                 whose runs, and how many (default: 20)
  --agent COMMAND                        continue: the shell command that answers, here; followed to the end, with
                                         --root DIR for its sessions' places and --repo NAME=SOURCE for its repositories
  --queue NAME                           continue without --agent: whose workers go on with it
  --model MODEL, --idempotency-key KEY   of continue
  --preview                              pull: only say what would happen
  --json                                 one JSON document on standard output
  -q, --quiet                            no progress
Colours follow NO_COLOR and FORCE_COLOR.

exit codes:
  0    everything is in place
  1    nothing could be done; the error says why
  2    the command was wrong
  3    done in part: a conflict, a path that was left behind, a run that did not succeed or has nothing to bring home
  130  interrupted, with nothing left behind
`;

/** What is wrong with a command's arguments, if anything. */
function misfit(args, given) {
  const names = args.split(" ");
  const needed = names.filter((name) => !name.startsWith("["));
  if (given.length < needed.length) return `${needed[given.length]} is missing`;
  if (given.length > names.length && !names.at(-1).endsWith("...]")) return `${given[names.length]} is one argument too many`;
  return undefined;
}

module.exports = { COMMANDS, COMMON, EXIT, HELP, misfit };
