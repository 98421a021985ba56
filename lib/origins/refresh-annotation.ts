/**
 * On a resource that syncs: each new value asks for a refresh now. Every annotation is part of a declaration's version, so
 * that a new value is carried out once, however often the resource is listed; this is the one that is promised.
 */
export const REFRESH_ANNOTATION = "keyferry.dev/refresh";
