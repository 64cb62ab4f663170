import type { ApplyReport } from "./apply.cjs";
import type { Attachment, ConversationHead, Message, NewMessage } from "./conversation.cjs";
import type { Operation } from "./operation.cjs";
import type { Budget, SnapshotRef, Usage } from "./run.cjs";
import type { Awaitable, CallContext } from "./storage.cjs";

/** What an agent is. */
export interface AgentInfo {
  /** Its name, as recorded in each session. */
  name: string;
  /** Models it can use; absent means that it does not say. */
  models?: readonly string[];
  /** Whether it is the host's own, or a third party's. Default `native`. */
  kind?: "native" | "third_party";
}

/** How an agent says a session ended; nothing means that it succeeded. */
export type SessionEnd = void | undefined | null | "succeeded" | "cancelled" | { readonly failed: string };

/**
 * Who answers, inside a restored session. `run` returns soon after {@link Session.signal} is aborted; everything that must
 * not be lost is appended.
 *
 * @example
 * ```js
 * const agent = {
 *   describe: () => ({ name: "echo" }),
 *   async run(session) {
 *     await session.append({ role: "assistant", text: `You said: ${session.prompt}` });
 *   },
 * };
 * ```
 */
export interface Agent {
  /** What it is. Asked once, before anything starts. */
  describe?(context: CallContext): Awaitable<AgentInfo>;
  /** Answers. The workspace is restored already. */
  run(session: Session, context: CallContext): Awaitable<SessionEnd>;
}

/** The session an agent is in: what it may read, and what it may do. Every write throws {@link FencedError} once another session has taken the run. */
export class Session {
  private constructor();
  /** The run. */
  readonly run: string;
  /** The session. */
  readonly id: string;
  /** Which session of the run it is, from 1. */
  readonly number: number;
  /** What the agent is asked. */
  readonly prompt: string;
  /** The model the run is pinned to. */
  readonly model?: string;
  /** The agent's working directory. */
  readonly root: string;
  /** The checkouts. */
  readonly repos: readonly string[];
  /** Variables for programs that the agent runs. */
  readonly variables: Readonly<Record<string, string>>;
  /** What restoring the workspace did; absent when there was nothing to restore. */
  readonly restored?: ApplyReport;
  /** Aborted when the agent is to stop. */
  readonly signal: AbortSignal;
  /** Whether the agent is to stop. */
  cancelled(): Operation<boolean>;
  /** What is known of the conversation without reading it. */
  head(): Operation<ConversationHead>;
  /** At most `limit` messages of the conversation, from number `from` on. */
  messages(options?: { from?: number; limit?: number }): Operation<readonly Message[]>;
  /** Appends messages in one step; a string is what the assistant says. */
  append(messages: string | NewMessage | readonly (string | NewMessage)[]): Operation<void>;
  /** What the person said since the last call, each once; already in the conversation. */
  followUps(): Operation<readonly Message[]>;
  /** Reports what the session has used so far, in total. Beyond the budget the session is cancelled. */
  usage(used: Usage): Operation<void>;
  /** What is left of the budget. */
  remainingBudget(): Operation<Budget>;
  /** Records the workspace state as it is now; only new contents are stored. */
  checkpoint(): Operation<SnapshotRef>;
  /** Asks the person, and waits for the answer. */
  block(question: string | NewMessage): Operation<Message>;
  /** Stores a content, to be named by a message. */
  attach(name: string, content: Uint8Array | string, options?: { mediaType?: string }): Operation<Attachment>;
  /** The content of an attachment of this conversation. */
  readAttachment(attachment: Attachment): Operation<Buffer>;
  /** Lets go of it, as happens by itself when its run ends. */
  close(): void;
}

/** What {@link CommandAgent} can be told. */
export interface CommandOptions {
  /** Its name. Default: the program's. */
  name?: string;
  /** Models it can use. */
  models?: readonly string[];
  /** Whose it is. Default `third_party`. */
  kind?: "native" | "third_party";
  /** Milliseconds between SIGTERM and SIGKILL. Default 5,000. */
  grace?: number;
  /** Most output that is taken, in bytes. Default 64 MiB. */
  maxOutput?: number;
  /**
   * How a line of its output begins that is a question to the person; the answer comes on standard input, so that the
   * prompt has to be an argument. Default: nothing is a question.
   */
  questions?: string;
}

/**
 * Any program as an agent. The prompt goes to standard input, or into every argument that contains `{prompt}`; each line
 * of its output becomes part of the conversation; exit status 0 is success.
 */
export class CommandAgent {
  constructor(program: string, args?: readonly string[], options?: CommandOptions);
  /** Lets go of it. */
  close(): void;
}
