"use strict";
// Which checkouts and files belong together.

const { Held, KEY, call, onlyOurs } = require("./handle.cjs");
const { options, pathText, path, paths } = require("./value.cjs");

class Workspace extends Held {
  constructor(key, answer) {
    onlyOurs(key, "Workspace");
    super(answer.handle);
    this.repos = answer.repos.map((repo) => ({ name: repo.name, root: pathText(repo.root) }));
    this.looseFiles = (answer.loose_files ?? []).map((file) => ({ name: pathText(file.name), path: pathText(file.path) }));
    this.looseRoot = pathText(answer.loose_root);
    this.leftOut = (answer.left_out ?? []).map((left) => ({ path: pathText(left.path), reason: left.reason }));
  }

  static open(roots, given) {
    const make = (answer) => new Workspace(KEY, answer);
    const prepare = () => {
      const { rest } = options(given);
      const { looseFiles, ...more } = rest;
      return {
        roots: paths(roots, "roots"),
        loose_files: looseFiles && Object.entries(looseFiles).map(([name, file]) => ({ name, path: path(file, `looseFiles.${name}`) })),
        ...landing(more),
      };
    };
    return call("workspace.new", prepare, {}, make);
  }

  static discover(written, given) {
    const make = (answer) => new Workspace(KEY, answer);
    const prepare = () => {
      const { read, ...rest } = options(given).rest;
      return { written: paths(written, "written"), read: read && paths(read, "read"), ...landing(rest) };
    };
    return call("workspace.discover", prepare, {}, make);
  }

  static fromDeclarations(file, given) {
    const make = (answer) => new Workspace(KEY, answer);
    const prepare = () => ({ path: path(file, "path"), ...landing(options(given).rest) });
    return call("workspace.from_declarations", prepare, {}, make);
  }

  toDeclarations() {
    return call("workspace.to_declarations", () => ({ workspace: this }));
  }

  toJSON() {
    const { repos, looseFiles, looseRoot, leftOut } = this;
    return { repos, looseFiles, looseRoot, leftOut };
  }
}

/** Options with the place where loose files land. */
function landing({ looseRoot, ...rest }) {
  return { ...rest, loose_root: looseRoot === undefined ? undefined : path(looseRoot, "looseRoot") };
}

module.exports = { Workspace };
