/** The modules `sntp` and `mc/config` of the Moddable SDK. */

/** One request to a time server. */
export class SNTP {
  /** What the callback is told: the time in seconds, a further try, a failure that ended it. */
  static readonly time: number;
  static readonly retry: number;
  static readonly error: number;
  constructor(options: { readonly host: string }, callback: (message: number, value?: number | string) => void);
  close(): void;
}

/** The manifest's `config`. */
export const config: { readonly sntp?: string | undefined };
