import type { InjectorSettings } from "../injector-settings.ts";
import { VAULT_PREFIX } from "./annotations.ts";
import type { Notes } from "./notes.ts";

/**
 * The image that the agent gets: the wanted one, pinned to a digest where `allowedImages` has one for it. An entry
 * allows exactly the image that it names; one that ends in `:*` or `/*` allows all that begin so.
 */
export function imageOf(wanted: string, settings: InjectorSettings, notes: Notes): string {
  const { allowedImages } = settings;
  if (allowedImages === undefined) return wanted;
  const entry = allowedImages.find((one) => one === wanted || withoutDigest(one) === wanted);
  if (entry !== undefined) return entry;
  const isAllowed = allowedImages.some((one) => /[:/]\*$/.test(one) && isBelow(wanted, one.slice(0, -1)));
  // The default is the platform team's own choice.
  if (isAllowed || wanted === settings.image) return wanted;
  notes.refuse(`${VAULT_PREFIX}agent-image`, "is not one of injector.allowedImages in fleet.yaml");
  return wanted;
}

/** What comes after a colon must be a tag: `vault:5000/other` is an image of the registry `vault`. */
function isBelow(wanted: string, start: string): boolean {
  return wanted.startsWith(start) && !(start.endsWith(":") && wanted.includes("/", start.length));
}

function withoutDigest(image: string): string {
  return image.replace(/@sha256:[0-9a-f]{64}$/, "");
}
