import type { z } from "zod";
import { annotationProblem, labelProblem, nameProblem, namespaceProblem, objectRefProblem } from "../names.ts";
import { asObject } from "../util/canonical.ts";
import type { Json } from "../util/json.ts";
import { declaredAddressProblem } from "../vault-address.ts";
import { headerRefusal } from "../vault-headers.ts";
import { checkVaultPath } from "../vault-path.ts";

/**
 * Checks beyond the CRD. They run when a spec is parsed, so that our CRDs accept what VSO's accept, and a bad value
 * becomes a condition with an explanation. Empty strings count as missing, as in Go.
 */
type Check<T> = (payload: z.core.ParsePayload<T>) => void;

/** About the whole value, or about a part of it. */
function complain(payload: z.core.ParsePayload, message: string, input = payload.value, path: string[] = []): void {
  payload.issues.push({ code: "custom", message, input, path });
}

function texts(problems: (text: string) => readonly string[]): Check<string> {
  return (payload) => {
    if (payload.value === "") return;
    for (const message of problems(payload.value)) complain(payload, message);
  };
}

function entries(problem: (key: string, value: string) => string | undefined): Check<Record<string, string>> {
  return (payload) => {
    for (const [key, value] of Object.entries(payload.value)) {
      const message = problem(key, value);
      if (message !== undefined) complain(payload, message, value, [key]);
    }
  };
}

function list(problem: string | undefined): readonly string[] {
  return problem === undefined ? [] : [problem];
}

export const objectName = texts((text) => list(nameProblem(text)));
export const namespaceName = texts((text) => list(namespaceProblem(text)));
export const objectRef = texts((text) => list(objectRefProblem(text)));
const labels = entries(labelProblem);

/** The API server's limit for all annotations of an object together. */
const MAX_ANNOTATION_BYTES = 256 * 1024;

const annotations: Check<Record<string, string>> = (payload) => {
  entries(annotationProblem)(payload);
  const bytes = Object.entries(payload.value).reduce((sum, pair) => sum + Buffer.byteLength(pair.join("")), 0);
  if (bytes <= MAX_ANNOTATION_BYTES) return;
  complain(payload, `must hold at most ${MAX_ANNOTATION_BYTES} bytes in all`);
};

/**
 * The labels and annotations of a destination. Without `create` they are put on no Secret, and VSO leaves them aside:
 * what it accepts there must not be a complaint. Runs beside complaints about other fields, so any of them may be
 * missing or of another type.
 */
export const destinationMarks: Check<unknown> = (payload) => {
  const { create, ...marks } = asObject(payload.value as Json) ?? {};
  if (create === undefined || create === false) return;
  for (const [name, check] of Object.entries({ labels, annotations })) {
    const given = Object.entries(asObject(marks[name]) ?? {});
    const value = Object.fromEntries(given.filter((pair): pair is [string, string] => typeof pair[1] === "string"));
    const part: z.core.ParsePayload<Record<string, string>> = { value, issues: [] };
    check(part);
    payload.issues.push(...part.issues.map((issue) => ({ ...issue, path: [name, ...(issue.path ?? [])] })));
  }
};

/** A mount, path or Vault namespace; a slash at either end is allowed. */
export const vaultPath = texts((text) => checkVaultPath(text));

/** The same for a required field. */
export const requiredVaultPath: Check<string> = (payload) => {
  if (payload.value !== "") return vaultPath(payload);
  complain(payload, "must not be empty");
};

export const notEmpty: Check<string> = (payload) => {
  if (payload.value !== "") return;
  complain(payload, "must not be empty");
};

export const address: Check<string> = (payload) => {
  const message = declaredAddressProblem(payload.value);
  if (message !== undefined) complain(payload, message);
};

function headerProblem(key: string, value: string): string | undefined {
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(key)) return "is not a header name";
  // Node sends headers as latin1, which would change any other character.
  if (!/^[\t\x20-\x7e]*$/.test(value)) return "must be printable ASCII";
  return headerRefusal(key);
}

export const headers = entries(headerProblem);
