import { printable } from "../util/printable.ts";

/** What a review finds wrong. Each note names an annotation or a part of the pod, and never a value. */

/** Kubernetes cuts longer warnings, and drops what is beyond 4,096 characters. */
const MAX_LENGTH = 240;
const MAX_NOTES = 16;
const MAX_NAME = 128;

export class Notes {
  readonly #refusals: string[] = [];
  readonly #warnings: string[] = [];
  #leftRefusals = 0;
  #leftWarnings = 0;

  /** The pod cannot be injected. Both agents may have the same problem, which is told once. */
  refuse(subject: string, problem: string): void {
    const text = note(subject, problem);
    if (this.#refusals.includes(text)) return;
    if (this.#refusals.length < MAX_NOTES) this.#refusals.push(text);
    else this.#leftRefusals++;
  }

  /** The pod can be injected, but perhaps not as its author means it. */
  warn(subject: string, problem: string | (() => string)): void {
    if (this.#warnings.length >= MAX_NOTES) this.#leftWarnings++;
    else this.#warnings.push(note(subject, typeof problem === "string" ? problem : problem()));
  }

  get refusals(): readonly string[] {
    return withRest(this.#refusals, this.#leftRefusals);
  }

  get warnings(): readonly string[] {
    return withRest(this.#warnings, this.#leftWarnings);
  }
}

function note(subject: string, problem: string): string {
  return printable(`${printable(subject, MAX_NAME)}: ${problem}`, MAX_LENGTH);
}

function withRest(notes: readonly string[], left: number): readonly string[] {
  return left === 0 ? notes : [...notes, `and ${left} more`];
}
