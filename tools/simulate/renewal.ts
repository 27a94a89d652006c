/**
 * The back end's side of a certificate's renewal: it asks the device to renew, signs the request that comes back, and sends the chain. Whoever runs
 * such a service lets nobody but the device itself publish its request: where payloads are sealed, their authenticity sees to that; else the broker's permissions
 * do, by the client identifier in the topic.
 */
import { concat } from "../../src/bytes.js";
import { SealwireError, toSealwireError } from "../../src/errors.js";
import { parseCertificateRequest } from "../pki/index.js";
import type { Setting } from "./setting.js";
import type { BackEnd } from "./back-end.js";

/** Milliseconds after which the device is asked again: it may be asleep. */
const repeat = 2_000;

/** What the renewal brought to light. */
export interface Renewal {
  /** Serial number of the new certificate, hexadecimal. */
  readonly serialNumber: string;
}

export class RenewalService {
  readonly #sign: NonNullable<Setting["sign"]>;
  readonly #clientIdentifier: string;
  #backEnd: BackEnd | undefined;
  #asking: NodeJS.Timeout | undefined;
  #answered: ((renewal: Renewal) => void) | undefined;
  #failed: ((error: unknown) => void) | undefined;

  constructor(sign: NonNullable<Setting["sign"]>, clientIdentifier: string) {
    this.#sign = sign;
    this.#clientIdentifier = clientIdentifier;
  }

  /** Where requests come. */
  get topicFilter(): string {
    return `${this.#clientIdentifier}/certificate/request`;
  }

  /** The client that it speaks through. */
  attach(backEnd: BackEnd): void {
    this.#backEnd = backEnd;
  }

  /** Asks the device to renew. Fulfilled when the certificate is on its way. */
  renew(milliseconds: number): Promise<Renewal> {
    return new Promise<Renewal>((resolve, reject) => {
      const end = (): void => {
        clearInterval(this.#asking);
        clearTimeout(timer);
        this.#answered = this.#failed = undefined;
      };
      const message = `The device did not ask for a certificate within ${milliseconds / 1000} s.`;
      const timer = setTimeout(() => this.#failed?.(new SealwireError("TIMEOUT", message)), milliseconds);
      this.#answered = (renewal) => {
        end();
        resolve(renewal);
      };
      this.#failed = (error) => {
        end();
        reject(toSealwireError(error, "INVALID_STATE", "The device's request could not be signed."));
      };
      const ask = (): void => this.#backEnd?.publish(`${this.#clientIdentifier}/certificate/renew`, "renew");
      ask();
      this.#asking = setInterval(ask, repeat);
    });
  }

  /** A request came. */
  async take(payload: Uint8Array): Promise<void> {
    // One that nobody asked for, or that was asked for twice.
    if (this.#answered === undefined) return;
    clearInterval(this.#asking);
    try {
      const request = await parseCertificateRequest(payload, "of the device");
      if (request.commonName !== this.#clientIdentifier)
        throw new SealwireError("IDENTITY_CERTIFICATE_MISMATCH", "The device asked for a certificate of another one.");
      const { certificateChain, serialNumber } = await this.#sign(this.#clientIdentifier, request.publicKey);
      this.#backEnd?.publish(`${this.#clientIdentifier}/certificate/chain`, concat(...certificateChain));
      this.#answered({ serialNumber });
    } catch (error) {
      this.#failed?.(error);
    }
  }

  stop(): void {
    clearInterval(this.#asking);
  }
}
