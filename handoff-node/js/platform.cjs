"use strict";
// The platform's name as in the names of packages and binaries, such as `linux-x64-gnu`.

/** Every platform that binaries are prepared for. */
const PLATFORMS = [
  "linux-x64-gnu",
  "linux-arm64-gnu",
  "linux-x64-musl",
  "linux-arm64-musl",
  "darwin-x64",
  "darwin-arm64",
];

/** The names that may fit this process. Which C library it has is found out by loading. */
function candidates() {
  const name = `${process.platform}-${process.arch}`;
  return process.platform === "linux" ? [`${name}-gnu`, `${name}-musl`] : [name];
}

/** The name of what this process is. Slow: asks for a report of the process. */
function platform() {
  const [first, second] = candidates();
  if (second === undefined) return first;
  process.report.excludeNetwork = true;
  return process.report.getReport().header.glibcVersionRuntime ? first : second;
}

module.exports = { PLATFORMS, candidates, platform };
