// The same objects for `import`.

import testing from "./testing.cjs";

export const { ContractReport, caseNames, checkAgent, checkRuntime, checkStorage } = testing;
