/**
 * On a resource that syncs: each new value requests a refresh now. All annotations are part of a declaration's version,
 * so that a value takes effect once, however often the resource is listed; only this one is documented.
 */
export const REFRESH_ANNOTATION = "keyferry.dev/refresh";
