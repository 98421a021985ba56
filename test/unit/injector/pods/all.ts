import { AGENT } from "./agent.ts";
import { BEYOND } from "./beyond.ts";
import { MALFORMED_PODS } from "./malformed.ts";
import { REFUSED_PODS } from "./refused.ts";
import { SECRETS } from "./secrets.ts";
import { SECURITY } from "./security.ts";
import { SELECTION } from "./selection.ts";
import { SETTINGS } from "./settings.ts";
import { SHAPE } from "./shape.ts";

/** Pods with what they become: of HashiCorp's injector, but for the differences in docs/compatibility.md. */
export const INJECTED = [...SECRETS, ...SELECTION, ...SHAPE, ...SECURITY, ...AGENT, ...SETTINGS, ...BEYOND];

/** Pods that may not be created. */
export const REFUSED = [...REFUSED_PODS, ...MALFORMED_PODS];
