export * from "./agent.cjs";
export * from "./apply.cjs";
export * from "./capture.cjs";
export * from "./conversation.cjs";
export * from "./errors.cjs";
export * from "./handoff.cjs";
export * from "./notify.cjs";
export * from "./operation.cjs";
export * from "./policy.cjs";
export * from "./run.cjs";
export * from "./runtime.cjs";
export * from "./secrets.cjs";
export * from "./snapshot.cjs";
export * from "./storage.cjs";
export * from "./workspace.cjs";

/** This package's version. */
export const version: string;
