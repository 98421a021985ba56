/** If more clusters are gone at once, it may be a mistake. */
const BELIEVED_COUNT = 2;
const BELIEVED_SHARE = 0.2;

export function isTooManyGone(gone: number, of: number): boolean {
  return gone > Math.max(BELIEVED_COUNT, of * BELIEVED_SHARE);
}
