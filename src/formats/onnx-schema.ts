/**
 * Field numbers and constants of the ONNX protobuf schema (onnx.proto3, IR version 13): the ones that are read or written here.
 * Everything else passes through untouched.
 */
export const MODEL = { irVersion: 1, producer: 2, graph: 7, opsetImport: 8, trainingInfo: 20, functions: 25 } as const
export const OPSET = { domain: 1, version: 2 } as const
export const GRAPH = {
  node: 1,
  name: 2,
  initializer: 5,
  input: 11,
  output: 12,
  sparseInitializer: 15,
} as const
export const NODE = { input: 1, output: 2, name: 3, opType: 4, attribute: 5 } as const
export const ATTRIBUTE = {
  name: 1,
  float: 2,
  int: 3,
  string: 4,
  tensor: 5,
  graph: 6,
  floats: 7,
  ints: 8,
  tensors: 10,
  graphs: 11,
  type: 20,
  sparseTensor: 22,
  sparseTensors: 23,
} as const
export const ATTRIBUTE_TYPE = { float: 1, int: 2, string: 3, floats: 6, ints: 7 } as const
export const FUNCTION = { node: 7 } as const
export const TRAINING = { initialization: 1, algorithm: 2 } as const
export const SPARSE = { values: 1, indices: 2 } as const
export const TENSOR = {
  dims: 1,
  dataType: 2,
  segment: 3,
  floatData: 4,
  int32Data: 5,
  int64Data: 7,
  name: 8,
  rawData: 9,
  doubleData: 10,
  uint64Data: 11,
  externalData: 13,
  dataLocation: 14,
} as const
export const DATA_LOCATION = { inside: 0, external: 1 } as const
/** An entry of `externalData`. */
export const ENTRY = { key: 1, value: 2 } as const
export const VALUE_INFO = { name: 1, type: 2 } as const
export const TYPE = { tensor: 1 } as const
export const TENSOR_TYPE = { elementType: 1, shape: 2 } as const
export const SHAPE = { dimension: 1 } as const
export const DIMENSION = { value: 1, parameter: 2 } as const

/** Element types by their number in the schema. */
export const ONNX_DTYPES = {
  1: 'float32',
  2: 'uint8',
  3: 'int8',
  4: 'uint16',
  5: 'int16',
  6: 'int32',
  7: 'int64',
  8: 'string',
  9: 'bool',
  10: 'float16',
  11: 'float64',
  12: 'uint32',
  13: 'uint64',
  16: 'bfloat16',
  17: 'float8e4m3fn',
  19: 'float8e5m2',
} as const
export type OnnxDtype = (typeof ONNX_DTYPES)[keyof typeof ONNX_DTYPES]

/** Bytes per element; absent: no fixed size. */
export const DTYPE_BYTES: Readonly<Partial<Record<OnnxDtype, number>>> = {
  float32: 4,
  uint8: 1,
  int8: 1,
  uint16: 2,
  int16: 2,
  int32: 4,
  int64: 8,
  bool: 1,
  float16: 2,
  float64: 8,
  uint32: 4,
  uint64: 8,
  bfloat16: 2,
  float8e4m3fn: 1,
  float8e5m2: 1,
}

const NUMBERS = new Map<string, number>(Object.entries(ONNX_DTYPES).map(([number, dtype]) => [dtype, Number(number)]))

/** Dtype → its number in the schema. */
export function dtypeNumber(dtype: OnnxDtype): number {
  return NUMBERS.get(dtype)!
}

/** Number in the schema → dtype; `undefined` for types below a byte, the other 8-bit floats, and for numbers that are not types. */
export function dtypeOf(number: number): OnnxDtype | undefined {
  return Object.hasOwn(ONNX_DTYPES, number) ? ONNX_DTYPES[number as keyof typeof ONNX_DTYPES] : undefined
}
