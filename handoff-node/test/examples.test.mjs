// The stories of examples/node, each run as a program that has the package installed.

import assert from "node:assert/strict";
import fs from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { home, installed, run, temporary } from "./support.mjs";

const source = path.join(home, "..", "examples", "node");
const dir = temporary();
fs.cpSync(source, dir, { recursive: true, filter: (file) => path.basename(file) !== "node_modules" });
fs.mkdirSync(path.join(dir, "node_modules"));
fs.symlinkSync(installed, path.join(dir, "node_modules", "handoff-node"));

/** What each must have said. */
const SAYS = {
  "capture_apply.js": [/^scan \d+\/(\d+|\?)$/m, /^2 changes in one file, 0 left out$/m, /^ M greet\.txt\n\?\? todo\.md$/m, /^after undo: clean$/m],
  "blocked_and_answered.js": [/^respond: In which language\?$/m, /^follow_up$/m, /^new_session, with its workspace: true$/m, /^bye\.txt still says: tschüss$/m, /^2 sessions of one run$/m],
  "cloud_to_cloud.js": [/^on machine one: The list has 2 lines now\.$/m, /^new_session, with its workspace: true$/m, /^on machine two: The list has 3 lines now\.$/m, /^schedule: nightly \| succeeded \| 3 sessions$/m, /^\+- measure first \(session 1\)\n\+- then cut \(session 2\)\n\+- sand it \(session 3\)$/m],
  "custom_runtime.js": [/^refused before anything moved: .*no environment mars/m, /^succeeded: 2 sessions in 2 processes$/m, /^\+- ship it\n\+- rest$/m],
  "fan_out.js": [/^the first two: -small world \+big world$/m, /^pulled: complete, big world$/m, /^small world: succeeded, .*\+small world/m, /^wide world: succeeded, nothing new$/m],
  "local_to_cloud.js": [/^assistant: I know \d messages and the note: - say goodbye too\. bye\.txt is new\.$/m, /^the source still has 2 messages$/m, /^used: {"tokens":120}$/m],
  "custom_storage.js": [/^user: Where is this kept\?$/m, /^assistant: In a map\.$/m],
  "progress.js": [/^phases: .*scan.* read/m, /^202 changes$/m, /^watched up to \d{3} files$/m, /^stopped: enough$/m],
  "pull_back.js": [/^would be: conflict todo\.md$/m, /^here: - say goodbye too, in the morning$/m, /^from the cloud: - say goodbye too, at night$/m, /^would be: merged greet\.txt$/m, /^applied bye\.txt$/m, /^HELLO\nwide world\nand goodbye$/m, /^HELLO\nwide world$/m],
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
