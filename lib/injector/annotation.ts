import type { InjectorSettings } from "../injector-settings.ts";
import type { ValueType } from "./value-types.ts";

/**
 * An annotation of the injector. `of`: what comes after the name and a hyphen: the name of a secret, or a parameter.
 * `preset`: the value without the annotation, as the documentation shows it; `setting`: the field of `injector` in
 * fleet.yaml that holds it.
 */
export interface Annotation {
  readonly name: string;
  readonly type: ValueType;
  readonly of?: "secret" | "parameter";
  readonly preset?: string;
  readonly setting?: keyof InjectorSettings;
  readonly meaning: string;
}
