export function formats(
  modules: {
    readonly openCheckpoint: (path: string) => { readonly tensors: ReadonlyMap<string, unknown>; read(name: string): Uint8Array; close(): void }
    readonly parseNpy: (bytes: Uint8Array, file: string) => unknown
  },
  folder: string,
): Record<string, { readonly valid: readonly Uint8Array[]; readonly read: (bytes: Uint8Array) => void }>
