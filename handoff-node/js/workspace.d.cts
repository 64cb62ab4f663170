import type { Operation, PathLike } from "./operation.cjs";

/** One checkout of a workspace. */
export interface WorkspaceRepo {
  /** Its logical name, unique in the workspace. */
  readonly name: string;
  /** Its directory. */
  readonly root: string;
}

/** A file outside any repository that belongs to a workspace. */
export interface LooseFile {
  /** Its logical name. */
  readonly name: string;
  /** Where it is. */
  readonly path: string;
}

/** Something that was named and is no part of the workspace. */
export interface LeftOut {
  /** As it was named. */
  readonly path: string;
  /** Why, in one stable word, such as `read_only`, `missing` or `too_wide`. */
  readonly reason: string;
}

/** What {@link Workspace.open} can be told. */
export interface WorkspaceOptions {
  /** Whether directories as wide as `/` and the home directory are taken. Default `refuse`. */
  wide?: "refuse" | "allow";
  /** Files outside any repository that belong to it: logical name to path. */
  looseFiles?: Readonly<Record<string, PathLike>>;
  /** The directory below which loose files of a snapshot are put. */
  looseRoot?: PathLike;
}

/**
 * The checkouts that belong together, and files outside of them. Opening one looks at the checkouts and changes nothing.
 */
export class Workspace {
  private constructor();
  /**
   * The workspace of the checkouts around these directories. One of several that cannot be opened does not cost the
   * others: every capture lists it as failed, with what to do. Alone it is an error.
   *
   * @throws {NotARepositoryError} {@link BareRepositoryError} {@link UnsafeWorkspaceError} {@link IoError}
   * @example
   * ```js
   * const workspace = await Workspace.open(["app", "lib"]);
   * ```
   */
  static open(roots: PathLike | readonly PathLike[], options?: WorkspaceOptions): Operation<Workspace>;
  /**
   * The workspace of the paths that an agent wrote: for each the innermost repository around it, and each file outside
   * any as a loose file. What cannot be part of it is in {@link Workspace.leftOut}.
   */
  static discover(written: readonly PathLike[], options?: { read?: readonly PathLike[]; looseRoot?: PathLike }): Operation<Workspace>;
  /** The workspace that a declarations file names, one JSON object a line: `{"version":1,"kind":"repo","path":"/…"}`. */
  static fromDeclarations(path: PathLike, options?: { looseRoot?: PathLike }): Operation<Workspace>;
  /** The checkouts. */
  readonly repos: readonly WorkspaceRepo[];
  /** The files outside of them. */
  readonly looseFiles: readonly LooseFile[];
  /** Where loose files of a snapshot are put. */
  readonly looseRoot?: string;
  /** What was named and is no part of it. */
  readonly leftOut: readonly LeftOut[];
  /** This workspace as a declarations file. */
  toDeclarations(): Operation<string>;
  /** What is part of it, as plain data. */
  toJSON(): Pick<Workspace, "repos" | "looseFiles" | "looseRoot" | "leftOut">;
  /** Lets go of it; every later use throws. */
  close(): void;
}
