/**
 * What happens around each effect of a process: a call to a cluster, to Vault, to the store, to a queue. In stories nothing does; in
 * the simulation answers take their time, processes crash before or after, and the order of everything comes from a seed.
 */
export type Effect = <T>(name: string, work: () => T | Promise<T>) => Promise<T>;

export const plainly: Effect = async (_name, work) => work();
