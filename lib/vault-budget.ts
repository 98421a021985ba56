/** How many requests a Vault of fleet.yaml may get from this process. */
export interface VaultBudget {
  /** The Vault's name in fleet.yaml: all its addresses share the budget. */
  readonly name: string;
  readonly perSecond: number;
}

/** The budget of the Vault at an address, as `normalAddress` spells it; undefined: none. */
export type BudgetOf = (address: string) => VaultBudget | undefined;
