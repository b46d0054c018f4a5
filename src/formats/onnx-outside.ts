import { FormatError } from '../errors.ts'
import { ATTRIBUTE, FUNCTION, GRAPH, NODE, SPARSE, TENSOR, TRAINING } from './onnx-schema.ts'
import { type ByteSource, type Field, fieldsOf, readInteger, requireWire, WireType } from './onnx-wire.ts'

/** Graphs inside nodes inside graphs; protobuf readers stop at about this depth too. */
const DEPTH_LIMIT = 64

export type Container = 'node' | 'attribute' | 'graph' | 'tensor' | 'sparse' | 'function' | 'training'

/** Which fields of a message hold messages that can hold tensors. */
const INSIDE: Readonly<Record<Exclude<Container, 'tensor'>, ReadonlyMap<number, Container>>> = {
  node: new Map([[NODE.attribute, 'attribute']]),
  attribute: new Map([
    [ATTRIBUTE.tensor, 'tensor'],
    [ATTRIBUTE.tensors, 'tensor'],
    [ATTRIBUTE.graph, 'graph'],
    [ATTRIBUTE.graphs, 'graph'],
    [ATTRIBUTE.sparseTensor, 'sparse'],
    [ATTRIBUTE.sparseTensors, 'sparse'],
  ]),
  graph: new Map<number, Container>([
    [GRAPH.node, 'node'],
    [GRAPH.initializer, 'tensor'],
    [GRAPH.sparseInitializer, 'sparse'],
  ]),
  sparse: new Map([
    [SPARSE.values, 'tensor'],
    [SPARSE.indices, 'tensor'],
  ]),
  function: new Map([[FUNCTION.node, 'node']]),
  training: new Map([
    [TRAINING.initialization, 'graph'],
    [TRAINING.algorithm, 'graph'],
  ]),
}

/**
 * A tensor anywhere below a node can name another file to be opened. Refused here, before a runtime that would open it sees the
 * graph. Exporters keep weights outside as initializers of the main graph, which are read (`onnx-external.ts`).
 */
export function refuseOutsideValues(
  bytes: ByteSource,
  field: Field,
  kind: Container,
  file: string,
  depth: number,
): void {
  if (depth > DEPTH_LIMIT) throw new FormatError(`${file} nests graphs more than ${DEPTH_LIMIT} deep.`)
  requireWire(field, WireType.LengthDelimited, file)
  for (const part of fieldsOf(bytes, field.value, file)) {
    if (kind === 'tensor') {
      if (part.number === TENSOR.externalData) throw outsideValues(file)
      if (part.number === TENSOR.dataLocation && readInteger(bytes, part, file) !== 0) throw outsideValues(file)
    } else {
      const inner = INSIDE[kind].get(part.number)
      if (inner !== undefined) refuseOutsideValues(bytes, part, inner, file, depth + 1)
    }
  }
}

function outsideValues(file: string): FormatError {
  return new FormatError(
    `${file}: a constant inside a node keeps its values in another file (external data), which is not supported.`,
    { hint: 'Save it as one file: in Python, onnx.save(model, path, save_as_external_data=False).' },
  )
}
