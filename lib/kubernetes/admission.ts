import { isDnsSubdomain } from "../names.ts";
import { type Shape, shapeAt, shapesAt, textAt } from "./shapes.ts";

/** An admission webhook or policy that refused a request, or failed. */
export interface Admission {
  readonly by: "webhook" | "policy";
  /** Missing: the name in the message is not valid in Kubernetes. */
  readonly name?: string;
  /** `broken`: no answer, or an unreadable one. `undryable`: it does not support dry runs. */
  readonly how: "denied" | "broken" | "undryable";
}

interface Sentence extends Pick<Admission, "by" | "how"> {
  readonly where: "message" | "cause";
  readonly begins: RegExp;
}

/**
 * The beginnings of the API server's own sentences, around names that it validates. The text behind them, and the rest
 * of a webhook's answer (code, reason, details), comes from the webhook and may quote the object, so it is ignored. No
 * other message of an API server begins like this, and no author of objects can make one do so.
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

/** Reads a Status as an answer of admission; undefined: the API server itself refused. */
export function admissionOf(status: Shape): Admission | undefined {
  const message = textAt(status, "message") ?? "";
  // Causes of the API server's own checks have a field or a reason; admission's have only a message.
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
