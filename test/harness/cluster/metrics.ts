/** One line of the API server's own count of requests. */
export interface RequestCount {
  readonly verb: string;
  readonly group: string;
  readonly resource: string;
  readonly subresource: string;
  readonly code: string;
  readonly count: number;
}

/** The requests that the API server counted, the harness's own included. */
export interface RequestCounts {
  readonly all: readonly RequestCount[];
  /** The sum over the lines that agree with all that is given. */
  count(filter?: Partial<Omit<RequestCount, "count">>): number;
}

/** Reads `apiserver_request_total` from a page of metrics in Prometheus's text format. */
export function parseRequestCounts(text: string): RequestCounts {
  const all: RequestCount[] = [];
  for (const [, labels = "", count = "0"] of text.matchAll(/^apiserver_request_total\{(.*)\} (\S+)$/gm)) {
    const label = Object.fromEntries([...labels.matchAll(/(\w+)="([^"]*)"/g)].map(([, name, value]) => [name, value]));
    const { verb = "", group = "", resource = "", subresource = "", code = "" } = label;
    all.push({ verb, group, resource, subresource, code, count: Number(count) });
  }
  return {
    all,
    count: (filter = {}) =>
      all
        .filter((line) => Object.entries(filter).every(([name, value]) => line[name as keyof RequestCount] === value))
        .reduce((sum, line) => sum + line.count, 0),
  };
}
