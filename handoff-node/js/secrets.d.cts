import type { Operation } from "./operation.cjs";

/** A built-in rule for secrets. */
export interface SecretRule {
  /** Its id, as omissions name it. */
  readonly id: string;
  /** What it finds. */
  readonly about: string;
}

/** A secret in a content. Its value is never shown. */
export interface SecretFinding {
  /** The rule that found it. */
  readonly rule: string;
  /** Where it begins, in bytes. */
  readonly start: number;
  /** Where it ends. */
  readonly end: number;
}

/** The built-in rules for secrets in contents. */
export function secretRules(): Operation<readonly SecretRule[]>;
/** The secrets in a content. */
export function scanSecrets(content: Uint8Array | string): Operation<readonly SecretFinding[]>;
/** A content with its secrets replaced. */
export function redactSecrets(content: Uint8Array | string): Operation<Buffer>;
