/** What a check found, in a sentence. */
export type CheckStatus = "pass" | "warn" | "fail" | "skip";

export interface Check {
  /** Stable, for programs. */
  readonly name: string;
  readonly status: CheckStatus;
  /** What was found; for a failure, what it means and what to do. */
  readonly sentence: string;
  /** Figures behind it, for programs. */
  readonly data?: Readonly<Record<string, unknown>> | undefined;
}

/** Collects checks, and tells each as it comes. */
export class Report {
  readonly checks: Check[] = [];
  readonly #onCheck: (check: Check) => void;

  constructor(onCheck: (check: Check) => void = () => undefined) {
    this.#onCheck = onCheck;
  }

  get failed(): boolean {
    return this.checks.some(({ status }) => status === "fail");
  }

  pass(name: string, sentence: string, data?: Check["data"]): void {
    this.#add({ name, status: "pass", sentence, data });
  }

  warn(name: string, sentence: string, data?: Check["data"]): void {
    this.#add({ name, status: "warn", sentence, data });
  }

  fail(name: string, sentence: string, data?: Check["data"]): void {
    this.#add({ name, status: "fail", sentence, data });
  }

  skip(name: string, sentence: string): void {
    this.#add({ name, status: "skip", sentence });
  }

  #add(check: Check): void {
    this.checks.push(check);
    this.#onCheck(check);
  }
}

/** What a TLS library or a socket reports, as the end of a sentence that says what it means. */
export function meaningOf(error: unknown): string {
  const codes: string[] = [];
  for (let cause: unknown = error; cause instanceof Error; cause = cause.cause)
    codes.push(`${(cause as NodeJS.ErrnoException).code ?? ""} ${cause.message}`);
  const text = codes.join(" ");
  for (const [pattern, meaning] of meanings) if (pattern.test(text)) return meaning;
  return error instanceof Error ? error.message : String(error);
}

const meanings: readonly (readonly [RegExp, string])[] = [
  [/ALERT_CERTIFICATE_EXPIRED|alert certificate expired/i, "the broker says that the client certificate has expired"],
  [/ALERT_CERTIFICATE_REVOKED|alert certificate revoked/i, "the broker says that the client certificate is revoked"],
  [/ALERT_UNKNOWN_CA|alert unknown ca/i, "the broker does not know the authority that signed the client certificate"],
  [/ALERT_CERTIFICATE_REQUIRED|alert certificate required/i, "the broker wants a client certificate"],
  [
    /ALERT_UNSUPPORTED_CERTIFICATE|unsupported certificate/i,
    "the broker says that the client certificate is not one for clients",
  ],
  [
    /ALERT_(BAD_CERTIFICATE|CERTIFICATE_UNKNOWN)|alert (bad certificate|certificate unknown)/i,
    "the broker does not accept the client certificate",
  ],
  [
    /ALERT_DECRYPT_ERROR|alert decrypt error/i,
    "the broker says that a signature is wrong: the key may not be that of the certificate",
  ],
  [
    /ALERT_PROTOCOL_VERSION|UNSUPPORTED_PROTOCOL|WRONG_VERSION_NUMBER|protocol version|unsupported protocol/i,
    "there is no TLS version in common, or the port does not speak TLS",
  ],
  [
    /ALERT_HANDSHAKE_FAILURE|handshake failure/i,
    "the broker refuses the handshake: it may want a client certificate, or there is no cipher suite in common",
  ],
  [
    /NO_APPLICATION_PROTOCOL|no application protocol/i,
    "the broker does not speak the protocol that was asked for by ALPN",
  ],
  [/ECONNREFUSED/, "the connection was refused: nothing listens there, or a firewall says no"],
  [/EHOSTUNREACH|ENETUNREACH/, "there is no way to that address"],
  [/ETIMEDOUT|TIMEOUT/, "there was no answer in time"],
  [/ENOTFOUND/, "there is no such name"],
  [/EAI_AGAIN/, "the name server does not answer"],
  [/ECONNRESET|EPIPE|socket disconnected|CONNECTION_LOST/, "the broker ended the connection without saying why"],
];
