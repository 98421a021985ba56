import { isDnsSubdomain } from "../names.ts";
import { type Shape, shapeAt, shapesAt, textAt } from "./shapes.ts";

/** Who stands between an API server and its store, and would not let a request through, or could not. */
export interface Admission {
  readonly by: "webhook" | "policy";
  /** Missing: what stands in its place is no name that Kubernetes gives. */
  readonly name?: string;
  /** `broken`: it could not be asked, or its answer could not be read. `undryable`: it takes no part in dry runs. */
  readonly how: "denied" | "broken" | "undryable";
}

interface Sentence extends Pick<Admission, "by" | "how"> {
  readonly where: "message" | "cause";
  readonly begins: RegExp;
}

/**
 * The beginnings of sentences that the API server makes itself, around names that it knows. What follows them, and the rest
 * of a webhook's answer (code, reason, details), is the webhook's own text: it may quote the object, so none of it counts.
 * No other message of an API server begins so, and nobody who may write objects can make one begin so.
 */
const SENTENCES: readonly Sentence[] = [
  {
    where: "message",
    begins: /^admission webhook "([^"]{1,253})" denied the request(?:: | without explanation$)/,
    by: "webhook",
    how: "denied",
  },
  {
    where: "message",
    begins: /^admission webhook "([^"]{1,253})" does not support dry run$/,
    by: "webhook",
    how: "undryable",
  },
  {
    where: "cause",
    begins: /^failed calling webhook "([^"]{1,253})"(?:: |; no further details available$)/,
    by: "webhook",
    how: "broken",
  },
  {
    where: "cause",
    begins: /^ValidatingAdmissionPolicy '([^']{1,253})'(?: with binding '[^']{1,253}')? denied request: /,
    by: "policy",
    how: "denied",
  },
  {
    where: "cause",
    begins: /^policy ['"]([^'"]{1,253})['"](?: with binding '[^']{1,253}')? denied request: /,
    by: "policy",
    how: "denied",
  },
];

/** Reads a Status as the answer of someone who was asked for admission; undefined: it is the API server's own. */
export function admissionOf(status: Shape): Admission | undefined {
  const message = textAt(status, "message") ?? "";
  // Causes of the API server's own checks have a field or a reason; these have a message alone.
  const bare = shapesAt(shapeAt(status, "details"), "causes").filter((cause) => !cause.field && !cause.reason);
  const causes = bare.map((cause) => textAt(cause, "message") ?? "");
  for (const { where, begins, by, how } of SENTENCES) {
    for (const text of where === "message" ? [message] : causes) {
      const found = begins.exec(text);
      const name = found?.[1] ?? "";
      if (found) return { by, how, ...(isDnsSubdomain(name) && { name }) };
    }
  }
  return undefined;
}

/** `webhook require-team.example.com`, `policy no-plain-secrets`: for messages. */
export function admissionName({ by, name }: Admission): string {
  const kind = by === "webhook" ? "admission webhook" : "admission policy";
  return name === undefined ? `an ${kind} without a readable name` : `the ${kind} ${name}`;
}
