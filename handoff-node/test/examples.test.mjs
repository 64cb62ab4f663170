// The stories of examples/node, each run as a program that has the package installed.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { home, run, temporary } from "./support.mjs";

const source = path.join(home, "..", "examples", "node");
const dir = temporary();
fs.cpSync(source, dir, { recursive: true, filter: (file) => path.basename(file) !== "node_modules" });
fs.mkdirSync(path.join(dir, "node_modules"));
fs.symlinkSync(home, path.join(dir, "node_modules", "handoff-node"));

/** What each must have said. */
const SAYS = {
  "capture_apply.js": [/^2 changes in one file, 0 left out$/m, /^ M greet\.txt\n\?\? todo\.md$/m, /^after undo: clean$/m],
  "continue.js": [/^respond: In which language\?$/m, /^follow_up$/m, /^new_session, with its workspace: true$/m, /^bye\.txt still says: tschüss$/m, /^2 sessions of one run$/m],
  "fan_out.js": [/^small world: succeeded, .*\+small world/m, /^wide world: succeeded, nothing new$/m],
  "local_to_cloud.js": [/^assistant: I know \d messages and the note: - say goodbye too\. bye\.txt is new\.$/m, /^the source still has 2 messages$/m, /^used: {"tokens":120}$/m],
  "own_storage.js": [/^(\d+) of \1 cases hold$/m, /^assistant: In a map\.$/m],
  "pull_back.js": [/^would be: merged greet\.txt$/m, /^applied bye\.txt$/m, /^HELLO\nwide world\nand goodbye$/m, /^HELLO\nwide world$/m],
};

test("every story is told", () => {
  const stories = fs.readdirSync(source).filter((name) => name.endsWith(".js") && name !== "stage.js");
  assert.deepEqual(stories.sort(), Object.keys(SAYS).sort());
});

for (const [story, lines] of Object.entries(SAYS)) {
  test(story, async () => {
    const { code, stdout, stderr } = await run([path.join(dir, story)], { cwd: dir });
    assert.deepEqual([code, stderr], [0, ""], stdout);
    for (const line of lines) assert.match(stdout, line);
  });
}
