/** The parts of a Pod that the runner reads. */
export interface RunnablePod {
  readonly metadata: { readonly namespace: string };
  readonly spec: {
    readonly serviceAccountName: string;
    readonly containers: readonly RunnableContainer[];
    readonly initContainers?: readonly RunnableContainer[];
    readonly volumes?: readonly RunnableVolume[];
  };
}

export interface RunnableContainer {
  readonly name: string;
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly env?: readonly RunnableVariable[];
  readonly volumeMounts?: readonly RunnableMount[];
  readonly securityContext?: { readonly runAsUser?: number; readonly runAsGroup?: number };
  readonly lifecycle?: { readonly preStop?: { readonly exec?: { readonly command: readonly string[] } } };
}

export interface RunnableVariable {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: { readonly fieldRef?: { readonly fieldPath: string } };
}

export interface RunnableMount {
  readonly name: string;
  readonly mountPath: string;
  readonly readOnly?: boolean;
}

export interface RunnableVolume {
  readonly name: string;
  readonly emptyDir?: { readonly medium?: string };
  readonly projected?: {
    readonly sources: readonly {
      readonly serviceAccountToken?: {
        readonly path: string;
        readonly audience?: string;
        readonly expirationSeconds?: number;
      };
    }[];
  };
  readonly secret?: { readonly secretName: string };
  readonly configMap?: { readonly name: string };
}
