export function generator(seed: number): (n: number) => number
export function mutate(file: Uint8Array, next: (n: number) => number): Uint8Array
