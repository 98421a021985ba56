import { AGENT } from "./agent.ts";
import { BEYOND } from "./beyond.ts";
import { SECRETS } from "./secrets.ts";
import { SECURITY } from "./security.ts";
import { SETTINGS } from "./settings.ts";
import { SHAPE } from "./shape.ts";

export { REFUSED } from "./refused.ts";

/** Pods with what they become: of HashiCorp's injector, but for the differences in docs/compatibility.md. */
export const INJECTED = [...SECRETS, ...SHAPE, ...SECURITY, ...AGENT, ...SETTINGS, ...BEYOND];
