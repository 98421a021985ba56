import { z } from "zod";
import { isDnsLabel } from "../names.ts";
import { addressProblem, declaredAddressProblem } from "../vault-address.ts";

/** Checks that several parts of the fleet's schema use; Zod reports their complaints with a path. */

export function problemCheck(problems: (text: string) => readonly string[]) {
  return (payload: z.core.ParsePayload<string>) => {
    for (const message of problems(payload.value)) {
      payload.issues.push({ code: "custom", message, input: payload.value, path: [] });
    }
  };
}

function list(problem: string | undefined): readonly string[] {
  return problem === undefined ? [] : [problem];
}

export const dnsLabel = problemCheck((text) =>
  isDnsLabel(text) ? [] : ["must be lower-case letters, digits and -, 63 characters at most, no - at either end"],
);

export const baseUrl = problemCheck((text) => list(addressProblem(text)));

/** The address of a Vault. */
export const vaultAddress = problemCheck((text) => list(declaredAddressProblem(text)));

/** A proxy may need a user and a password. */
export const proxyUrl = problemCheck((text) => {
  const url = URL.parse(text);
  if (url === null || !["http:", "https:"].includes(url.protocol)) {
    return ["must be a URL that begins with http:// or https://"];
  }
  if (url.pathname !== "/" || /[?#]/.test(text)) return ["must have no path, query or fragment"];
  if (/[\p{Cc}\s]/u.test(text)) return ["must not contain spaces or control characters"];
  return isEncoded(url.username) && isEncoded(url.password) ? [] : ["must have its user and password percent-encoded"];
});

function isEncoded(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}
/** The fields of the fleet's schema that name files, so that the files of a fleet can be found. */
export const FILE_FIELDS = z.registry<Record<string, never>>();

export function path(description: string) {
  return z.string().min(1).describe(`${description} Relative to this file.`).register(FILE_FIELDS, {});
}
