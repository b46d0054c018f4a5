import { MessageChannel } from 'node:worker_threads'
import { describe, expect, it } from 'vitest'
import { claimOffer, JobOffer } from '../../src/executors/host/offer.ts'

const job = (id: number) => ({
  id,
  job: {
    label: `job ${id}`,
    split: 'search' as const,
    recipe: {
      kind: 'parameter-merge' as const,
      method: 'linear',
      base: undefined,
      sources: ['a'],
      parameters: {},
      groups: [{ layers: 'all' as const, coefficients: { a: { weight: id } } }],
    },
  },
})

describe('the job on offer', () => {
  const first = new MessageChannel()
  const second = new MessageChannel()
  const ports = [first.port1, second.port1]
  // Offers that nobody took stay in the ports from one test to the next: threads must cope with that, too.

  it('is claimed by one thread only, whoever comes first', () => {
    const offer = new JobOffer()
    expect(claimOffer(offer.cell, 1, first.port2)).toBeUndefined()
    offer.make(job(7), ports)
    expect(claimOffer(offer.cell, 2, second.port2)).toMatchObject(job(7))
    expect(claimOffer(offer.cell, 1, first.port2)).toBeUndefined()
    expect(offer.withdraw()).toBeUndefined()
    expect(offer.standing).toEqual(job(7)) // until the thread reports it
    offer.accepted(7)
    expect(offer.standing).toBeUndefined()
  })

  it('that was withdrawn, or claimed by another, is not mistaken for the one that stands', () => {
    const offer = new JobOffer()
    offer.make(job(1), ports)
    expect(offer.withdraw()).toEqual(job(1))
    offer.make(job(2), ports)
    expect(claimOffer(offer.cell, 1, first.port2)).toMatchObject(job(2))
    offer.accepted(2)
    offer.make(job(3), ports)
    expect(claimOffer(offer.cell, 2, second.port2)).toMatchObject(job(3))
  })

  it('comes back when the thread that claimed it ends before it could say so, and only then', () => {
    const offer = new JobOffer()
    offer.make(job(5), ports)
    expect(offer.lostBy(1)).toBeUndefined() // nobody has claimed it
    claimOffer(offer.cell, 1, first.port2)
    expect(offer.lostBy(2)).toBeUndefined()
    expect(offer.lostBy(1)).toEqual(job(5))
    expect(offer.standing).toBeUndefined()
    expect(offer.lostBy(1)).toBeUndefined()
  })
})
