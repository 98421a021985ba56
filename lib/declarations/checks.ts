import type { z } from "zod";
import { annotationProblem, labelProblem, nameProblem, namespaceProblem, objectRefProblem } from "../names.ts";
import { addressProblem } from "../vault-address.ts";
import { headerRefusal } from "../vault-headers.ts";
import { checkVaultPath } from "../vault-path.ts";

/**
 * Checks beyond the CRD. They run when a spec is parsed, so that our CRDs accept what VSO's accept, and a bad value
 * becomes a condition with an explanation. Empty strings count as missing, as in Go.
 */
type Check<T> = (payload: z.core.ParsePayload<T>) => void;

function texts(problems: (text: string) => readonly string[]): Check<string> {
  return (payload) => {
    if (payload.value === "") return;
    for (const message of problems(payload.value)) {
      payload.issues.push({ code: "custom", message, input: payload.value, path: [] });
    }
  };
}

function entries(problem: (key: string, value: string) => string | undefined): Check<Record<string, string>> {
  return (payload) => {
    for (const [key, value] of Object.entries(payload.value)) {
      const message = problem(key, value);
      if (message !== undefined) payload.issues.push({ code: "custom", message, input: value, path: [key] });
    }
  };
}

function list(problem: string | undefined): readonly string[] {
  return problem === undefined ? [] : [problem];
}

export const objectName = texts((text) => list(nameProblem(text)));
export const namespaceName = texts((text) => list(namespaceProblem(text)));
export const objectRef = texts((text) => list(objectRefProblem(text)));
export const labels = entries(labelProblem);

/** The API server's limit for all annotations of an object together. */
const MAX_ANNOTATION_BYTES = 256 * 1024;

export const annotations: Check<Record<string, string>> = (payload) => {
  entries(annotationProblem)(payload);
  const bytes = Object.entries(payload.value).reduce((sum, pair) => sum + Buffer.byteLength(pair.join("")), 0);
  if (bytes <= MAX_ANNOTATION_BYTES) return;
  const message = `must hold at most ${MAX_ANNOTATION_BYTES} bytes in all`;
  payload.issues.push({ code: "custom", message, input: payload.value, path: [] });
};

/** A mount, path or Vault namespace; a slash at either end is allowed. */
export const vaultPath = texts((text) => checkVaultPath(text));

/** The same for a required field. */
export const requiredVaultPath: Check<string> = (payload) => {
  if (payload.value !== "") return vaultPath(payload);
  payload.issues.push({ code: "custom", message: "must not be empty", input: payload.value, path: [] });
};

export const notEmpty: Check<string> = (payload) => {
  if (payload.value !== "") return;
  payload.issues.push({ code: "custom", message: "must not be empty", input: payload.value, path: [] });
};

export const address: Check<string> = (payload) => {
  const message = addressProblem(payload.value);
  if (message !== undefined) payload.issues.push({ code: "custom", message, input: payload.value, path: [] });
};

function headerProblem(key: string, value: string): string | undefined {
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(key)) return "is not a header name";
  // Node sends headers as latin1, which would change any other character.
  if (!/^[\t\x20-\x7e]*$/.test(value)) return "must be printable ASCII";
  return headerRefusal(key);
}

export const headers = entries(headerProblem);
