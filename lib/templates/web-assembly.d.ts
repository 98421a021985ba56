/** The part of WebAssembly that we use: TypeScript declares it only for browsers. */
declare namespace WebAssembly {
  type ModuleImports = Record<string, (...args: never[]) => number>;

  interface Memory {
    readonly buffer: ArrayBuffer;
  }

  namespace Module {
    function imports(module: Module): readonly { readonly module: string; readonly name: string }[];
  }

  class Instance {
    constructor(module: Module, imports: Record<string, ModuleImports>);
    readonly exports: Record<string, unknown>;
  }

  function compile(bytes: Uint8Array): Promise<Module>;
}
