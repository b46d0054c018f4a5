import { describe, expect, it } from 'vitest'
import { buildOnnxModel } from '../../src/formats/onnx-build.ts'

describe('buildOnnxModel', () => {
  it('writes a Gemm + Relu graph that onnxruntime runs', async () => {
    const { InferenceSession, Tensor } = await import('onnxruntime-node')
    const bytes = buildOnnxModel({
      inputs: [{ name: 'x', shape: ['batch', 2] }],
      outputs: [{ name: 'y', shape: ['batch', 3] }],
      nodes: [
        {
          op: 'Gemm',
          inputs: ['x', 'w', 'b'],
          outputs: ['h'],
          attributes: { transB: { int: 1 }, alpha: { float: 2 } },
        },
        { op: 'Relu', inputs: ['h'], outputs: ['y'] },
      ],
      initializers: [
        { name: 'w', shape: [3, 2], data: Float32Array.of(1, 0, 0, 1, -1, -1) },
        { name: 'b', shape: [3], data: Float32Array.of(0.5, 0, 0) },
      ],
    })
    const session = await InferenceSession.create(bytes)
    const { y } = await session.run({ x: new Tensor('float32', Float32Array.of(1, 2, -3, 4), [2, 2]) })
    expect([...(y!.data as Float32Array)]).toEqual([2.5, 4, 0, 0, 8, 0])
    await session.release()
  })

  it('writes Conv with integer lists, a word and an int64 constant', async () => {
    const { InferenceSession, Tensor } = await import('onnxruntime-node')
    const bytes = buildOnnxModel({
      inputs: [{ name: 'x', shape: ['batch', 1, 2, 2] }],
      outputs: [{ name: 'y', shape: ['batch', 4] }],
      nodes: [
        {
          op: 'Conv',
          inputs: ['x', 'k'],
          outputs: ['h'],
          attributes: { kernel_shape: { ints: [1, 1] }, auto_pad: { string: 'VALID' } },
        },
        { op: 'Reshape', inputs: ['h', 'shape'], outputs: ['y'] },
      ],
      initializers: [
        { name: 'k', shape: [1, 1, 1, 1], data: Float32Array.of(3) },
        { name: 'shape', shape: [2], data: BigInt64Array.of(-1n, 4n) },
      ],
    })
    const session = await InferenceSession.create(bytes)
    const { y } = await session.run({ x: new Tensor('float32', Float32Array.of(1, 2, 3, 4), [1, 1, 2, 2]) })
    expect(y!.dims).toEqual([1, 4])
    expect([...(y!.data as Float32Array)]).toEqual([3, 6, 9, 12])
    await session.release()
  })

  it('refuses an initializer whose array and shape disagree', () => {
    const spec = {
      inputs: [],
      outputs: [],
      nodes: [],
      initializers: [{ name: 'w', shape: [2, 3], data: new Float32Array(5) }],
    }
    expect(() => buildOnnxModel(spec)).toThrow(
      new RangeError('Initializer "w" of shape [2,3] needs 6 elements, got 5.'),
    )
  })
})
