import type { Reviewer } from "../../lib/admission/review.ts";
import type { Fleet, FleetCluster } from "../../lib/fleet/fleet.ts";
import { injectorServing, injectorServingOfCluster } from "../../lib/fleet/injector-serving-schema.ts";
import { review } from "../../lib/injector/review.ts";
import { type InjectorOverrides, type InjectorSettings, injectorSettings } from "../../lib/injector-settings.ts";

/** The settings of a cluster: its own come before those of the fleet. */
export function settingsOf(fleet: Fleet, cluster: FleetCluster | undefined): InjectorSettings {
  return injectorSettings(ofPods(fleet.injector), ofPods(cluster?.injector));
}

const SERVING = new Set([...Object.keys(injectorServing), ...Object.keys(injectorServingOfCluster)]);

/** What decides about pods, without how the webhook is served. */
function ofPods(all: object = {}): InjectorOverrides {
  return Object.fromEntries(Object.entries(all).filter(([field]) => !SERVING.has(field)));
}

export function reviewerOf(settings: InjectorSettings): Reviewer {
  return (input) => review(input, settings);
}
