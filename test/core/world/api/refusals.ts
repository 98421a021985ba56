import type { Json } from "./fields.ts";

/** A request that the API server says no to: an HTTP code and its Status, as a real one answers them. */
export class Refused extends Error {
  readonly http: number;
  /** A text where the real server sends no Status. */
  readonly body: Json | string;

  constructor(http: number, body: Json | string) {
    super(`HTTP ${http}`);
    this.http = http;
    this.body = body;
  }
}

export interface Cause {
  readonly field: string;
  readonly reason: string;
  readonly message?: string;
}

function refused(http: number, reason: string, details: Json, message = reason): Refused {
  return new Refused(http, {
    kind: "Status",
    apiVersion: "v1",
    status: "Failure",
    code: http,
    reason,
    message,
    details,
  });
}

export const notFound = (resource: string, name: string): Refused => refused(404, "NotFound", { kind: resource, name });

/** A group that the server does not know gets no Status, a kind that it does not know in a group that it knows gets one without details. */
export const unknownKind = (isKnownGroup: boolean): Refused =>
  isKnownGroup ? refused(404, "NotFound", {}) : new Refused(404, "404 page not found\n");

export const conflict = (resource: string): Refused => refused(409, "Conflict", { kind: resource });

export const alreadyExists = (resource: string): Refused => refused(409, "AlreadyExists", { kind: resource });

export const forbidden = (resource: string, causes: readonly Cause[] = [], message?: string): Refused =>
  refused(403, "Forbidden", { kind: resource, causes }, message);

export const invalid = (kind: string, causes: readonly Cause[]): Refused => refused(422, "Invalid", { kind, causes });

/** A JSON patch whose test does not hold: no details at all. */
export const testFailed = (): Refused => refused(422, "Invalid", {});

export const expired = (): Refused => refused(410, "Expired", {});

export const tooLarge = (): Refused => refused(413, "RequestEntityTooLarge", {});
