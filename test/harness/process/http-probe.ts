import { httpClient } from "../http.ts";
import type { Probe } from "./server.ts";

/** Ready when this URL answers with one of these statuses (200 when not given). */
export function httpProbe(url: string, caPem?: string, statuses: readonly number[] = [200]): Probe {
  const { origin, pathname } = new URL(url);
  return async (signal) => {
    const http = httpClient(origin, caPem === undefined ? {} : { caPem });
    try {
      return statuses.includes((await http.send("GET", pathname, undefined, { signal })).status);
    } finally {
      await http.close();
    }
  };
}
