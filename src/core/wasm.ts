/** The part of WebAssembly that is used here: the types of Node 20 do not have it. */
export interface WasmMemory {
  readonly buffer: ArrayBuffer;
}

export interface WasmTable {
  readonly length: number;
  set(index: number, value: unknown): void;
}

interface WasmModule {
  readonly [Symbol.toStringTag]: string;
}

interface WasmApi {
  readonly Memory: new (pages: { initial: number; maximum: number }) => WasmMemory;
  readonly Module: {
    new (bytes: Uint8Array): WasmModule;
    imports(module: WasmModule): { module: string; name: string; kind: string }[];
  };
  readonly Instance: new (
    module: WasmModule,
    imports: Record<string, Record<string, unknown>>,
  ) => { readonly exports: Record<string, unknown> };
  validate(bytes: Uint8Array): boolean;
}

export const { WebAssembly: Wasm } = globalThis as unknown as { WebAssembly: WasmApi };
