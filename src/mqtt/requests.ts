/** Request and response over MQTT 5.0 (section 4.10): requests carry a response topic and correlation data, responses bring the data back. */
import { equal } from "../bytes.js";
import { SealwireError, toSealwireError } from "../errors.js";
import type { PlatformTimer, TimerHandle } from "../platform.js";
import { checkTopicName } from "./codec/topic.js";
import type { MQTTSession } from "./session.js";
import { closed } from "./session-errors.js";
import { checkNames, integer, invalid } from "./session-options.js";
import type { PublishOptions, SessionMessage } from "./session-types.js";

export interface RequestsOptions {
  readonly session: MQTTSession;
  readonly timer: PlatformTimer;
  /** Where responses come: a topic that is this device's own. It is subscribed to with the first request. */
  readonly responseTopic: string;
  /** `random` of the platform's cryptography: an answer to an earlier life of the device must not be taken for one to this. */
  readonly random: (byteLength: number) => Uint8Array;
  /** Milliseconds to wait for a response; 30,000 when left out. */
  readonly timeout?: number | undefined;
  /** Requests that may be unanswered at a time; 16 when left out. */
  readonly maximumRequests?: number | undefined;
}

interface Request {
  readonly correlation: Uint8Array;
  readonly timer: TimerHandle;
  readonly resolve: (response: SessionMessage) => void;
  readonly reject: (error: SealwireError) => void;
}

/**
 * Sends requests and finds their responses among the messages of a session:
 * `onMessage: (message) => { if (!requests.accept(message)) handle(message); }`.
 */
export class Requests {
  readonly #options: RequestsOptions;
  readonly #maximum: number;
  readonly #timeout: number;
  readonly #prefix: Uint8Array;
  #pending: Request[] = [];
  #count = 0;
  #subscribed: Promise<unknown> | undefined;
  #closed = false;

  /** @throws SealwireError `INVALID_ARGUMENT` naming the option */
  constructor(options: RequestsOptions) {
    checkNames(options, " session timer responseTopic random timeout maximumRequests ", "Requests has no option");
    checkTopicName(options.responseTopic, "The option responseTopic");
    const { session, timer, random } = options as Partial<RequestsOptions>;
    if (typeof session?.publish !== "function") throw invalid("session", "must be an MQTTSession");
    if (typeof timer?.set !== "function") throw invalid("timer", "must be a PlatformTimer");
    if (typeof random !== "function") throw invalid("random", "must be a function");
    this.#options = options;
    this.#maximum = integer("maximumRequests", options.maximumRequests ?? 16, 1, 0xffff);
    this.#timeout = integer("timeout", options.timeout ?? 30_000, 1, 0x3fffffff);
    this.#prefix = random(4);
  }

  /** Requests that wait for their response. */
  get pending(): number {
    return this.#pending.length;
  }

  /**
   * Publishes a request. It goes with QoS 1 when nothing else is said, and expires with the timeout.
   * @returns the response. Rejected with `TIMEOUT`, `MQTT_QUEUE_FULL` (too many requests), `UNSUPPORTED` (not MQTT 5.0), `CLOSED`, and as `publish()`
   * and `subscribe()` are
   */
  request(topic: string, payload: Uint8Array | string, options: PublishOptions = {}): Promise<SessionMessage> {
    if (this.#closed) return Promise.reject(closed());
    const { session, timer, responseTopic } = this.#options;
    if (session.version === 4)
      return Promise.reject(new SealwireError("UNSUPPORTED", "Requests need MQTT 5.0; this server speaks 3.1.1."));
    if (this.#pending.length >= this.#maximum)
      return Promise.reject(new SealwireError("MQTT_QUEUE_FULL", "Too many requests wait for their response."));
    return new Promise((resolve, reject) => {
      const correlation = this.nextCorrelation();
      const fail = (error: unknown): void => {
        if (this.take(correlation)) reject(toSealwireError(error, "INVALID_ARGUMENT", "The request failed."));
      };
      const late = (): void => fail(new SealwireError("TIMEOUT", `There was no response from ${topic} in time.`));
      this.#pending.push({ correlation, timer: timer.set(late, this.#timeout), resolve, reject });
      this.#subscribed ??= session.subscribe(responseTopic, { qos: 1 });
      this.#subscribed.catch((error: unknown) => {
        this.#subscribed = undefined;
        fail(error);
      });
      const properties = { ...options.properties, responseTopic, correlationData: correlation };
      session.publish(topic, payload, { qos: 1, expiry: this.#timeout, ...options, properties }).catch(fail);
    });
  }

  /** Takes a message if it is a response. @returns whether it was on the response topic: late and foreign responses are swallowed */
  accept(message: SessionMessage): boolean {
    if (message.topic !== this.#options.responseTopic) return false;
    const correlation = message.properties?.correlationData;
    const request = correlation && this.take(correlation);
    request?.resolve(message);
    return true;
  }

  /** Rejects what waits with `CLOSED`. */
  close(): void {
    this.#closed = true;
    for (const { correlation } of [...this.#pending]) this.take(correlation)?.reject(closed());
  }

  /** Takes a request out of those that wait. */
  private take(correlation: Uint8Array): Request | undefined {
    const request = this.#pending.find((other) => equal(other.correlation, correlation));
    if (!request) return undefined;
    this.#pending = this.#pending.filter((other) => other !== request);
    this.#options.timer.clear(request.timer);
    return request;
  }

  private nextCorrelation(): Uint8Array {
    const count = ++this.#count;
    const correlation = new Uint8Array(8);
    correlation.set(this.#prefix.subarray(0, 4));
    correlation.set([count >>> 24, count >>> 16, count >>> 8, count], 4);
    return correlation;
  }
}
