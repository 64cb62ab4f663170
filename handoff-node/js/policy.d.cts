import type { ConversationHead } from "./conversation.cjs";
import type { Budget, Run } from "./run.cjs";
import type { Awaitable, CallContext } from "./storage.cjs";

/** How an actor stands to a run. */
export type Relation = "creator" | "team_member" | "same_organisation" | "outsider" | "anonymous";

/**
 * A host's rules. Every method but `relation` may be left out; the default fits one person's own machine. Throw a
 * {@link NotPermittedError} to refuse with a reason.
 */
export interface Policy {
  /** How `actor` stands to `run`. */
  relation(actor: string, run: Run, context: CallContext): Awaitable<Relation>;
  /** Whether `actor` consents to store conversations. Default true. */
  mayStoreConversations?(actor: string, context: CallContext): Awaitable<boolean>;
  /** Whether `actor` may fork `conversation`. Default: its owner. */
  mayFork?(actor: string, conversation: ConversationHead, context: CallContext): Awaitable<boolean>;
  /** Whether `run` may be continued while these runs that it started have not ended. Default false. */
  mayLeaveChildren?(run: Run, live: readonly string[], context: CallContext): Awaitable<boolean>;
  /** Whether `actor` may delete `run`. Default: its creator alone. */
  mayDelete?(actor: string, run: Run, context: CallContext): Awaitable<boolean>;
  /** What a run that `actor` starts or continues may use over all its sessions. */
  budget?(actor: string, run: Run | undefined, context: CallContext): Awaitable<Budget>;
}
