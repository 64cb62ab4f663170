// The scenarios of conformance/cases, by way of this package. `cargo xtask parity` compares what every language says.
// HANDOFF_TRANSCRIPTS names a folder for the transcript. HANDOFF_SEEDED_FAULT breaks the package on purpose, which only
// the comparison may find out.

import fs from "node:fs";
import path from "node:path";
import { after, test } from "node:test";

import { ApplyReport } from "handoff-node";
import { Templates, line, masked, scenarios } from "./scenarios/case.mjs";
import { World } from "./scenarios/steps.mjs";
import { temporary } from "./support.mjs";

const fault = process.env.HANDOFF_SEEDED_FAULT !== undefined;
if (fault) ApplyReport.prototype.count = () => 1;

const root = temporary();
const templates = new Templates(path.join(root, "templates"));
const lines = [];
const all = scenarios().filter(({ area }) => !fault || area === "apply");

for (const [number, scenario] of all.entries()) {
  test(`${scenario.area}/${scenario.name}`, { timeout: 60_000 }, async () => {
    const place = path.join(root, `s${number}`);
    fs.mkdirSync(place);
    const steps = await new World(scenario, place, templates).run(!fault);
    lines.push(masked(steps.map(([step, result]) => line(scenario, step, result)).join("")));
  });
}

after(() => {
  const to = process.env.HANDOFF_TRANSCRIPTS;
  if (!to) return;
  fs.mkdirSync(to, { recursive: true });
  fs.writeFileSync(path.join(to, "node.tsv"), lines.join(""));
});
