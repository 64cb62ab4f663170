// The same objects for `import`.

import testing from "./testing.cjs";

export const { checkStorage } = testing;
