export type Labels = Readonly<Record<string, string>>;

/** Values that people choose with series of their own, for each metric; all others share one. */
export const MAX_SERIES = 1_000;
const OTHER = "other";

/**
 * Labels whose values people choose, as they are, or all of them `other` once there are too many: such values come from
 * clusters, and their number must not decide how much memory the metrics take.
 */
export function boundedLabels(): (labels: Labels) => Labels {
  const known = new Set<string>();
  return (labels) => {
    const id = JSON.stringify(labels);
    if (!known.has(id) && known.size >= MAX_SERIES)
      return Object.fromEntries(Object.keys(labels).map((label) => [label, OTHER]));
    known.add(id);
    return labels;
  };
}
