// Scores nothing: what is left of a candidate's time is the executor's.
export async function createEvaluator(id) {
  return {
    id,
    digest: 'empty',
    inputs: {},
    objectives: [{ name: 'zero', direction: 'minimize', unit: '1', reference: 1 }],
    open: async () => ({
      exampleCount: () => [0],
      score: async () => ({ values: [0], exampleScores: [new Float32Array(0)], inferenceMs: 0 }),
      close: async () => {},
    }),
  }
}
