import { type MessagePort, receiveMessageOnPort } from 'node:worker_threads'
import type { EvaluationJob } from '../../evaluation/job.ts'

/**
 * The job that a thread may go on with when it has finished its own, without waiting for the host's main thread to wake up and
 * hand it out: on a machine whose cores are busy that takes most of a millisecond. It is offered to all threads; the first to
 * finish claims it, so no thread waits behind another's long job.
 *
 * One cell of shared memory says how things stand: 0, nothing is offered; n > 0, offer n stands; -s, serve s has claimed it.
 */
export interface QueuedJob {
  readonly id: number
  readonly job: EvaluationJob
}

interface OfferMessage extends QueuedJob {
  readonly offer: number
}

/** The main thread's side. */
export class JobOffer {
  readonly cell = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT))
  #count = 0
  #standing: QueuedJob | undefined

  /** Offered, and not known to be claimed. */
  get standing(): QueuedJob | undefined {
    return this.#standing
  }

  /** @param ports of the threads that are at work. */
  make(entry: QueuedJob, ports: Iterable<MessagePort>): void {
    this.#standing = entry
    this.#count++
    const message: OfferMessage = { offer: this.#count, ...entry }
    for (const port of ports) port.postMessage(message)
    Atomics.store(this.cell, 0, this.#count) // after the messages: who sees the offer has it in its port
  }

  /** The offered job, if no thread has claimed it: it is nobody's again. */
  withdraw(): QueuedJob | undefined {
    const entry = this.#standing
    if (entry === undefined || Atomics.compareExchange(this.cell, 0, this.#count, 0) !== this.#count) return undefined
    this.#standing = undefined
    return entry
  }

  /** A thread has reported that it started this job. */
  accepted(id: number): void {
    if (this.#standing?.id === id) this.#standing = undefined
  }

  /** The job that a serve claimed before it could report it, when its thread has ended. */
  lostBy(serve: number): QueuedJob | undefined {
    const entry = this.#standing
    if (entry === undefined || Atomics.load(this.cell, 0) !== -serve) return undefined
    this.#standing = undefined
    return entry
  }
}

/** A thread's side: claims what is offered, if anything is. */
export function claimOffer(cell: Int32Array, serve: number, port: MessagePort): QueuedJob | undefined {
  const offer = Atomics.load(cell, 0)
  if (offer <= 0 || Atomics.compareExchange(cell, 0, offer, -serve) !== offer) return undefined
  // Offers that others claimed, or that were withdrawn, lie in the port before it.
  for (;;) {
    const received = receiveMessageOnPort(port)
    if (received === undefined) throw new Error(`Offer ${offer} is not in the port.`)
    const message: OfferMessage = received.message
    if (message.offer === offer) return message
  }
}
