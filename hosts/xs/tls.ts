/** TLS of the XS host: the engine of hosts/mbedtls, and what its build is called. */
import type { TLSEngine, TLSEngineOptions } from "../../src/platform.js";
import { version } from "../mbedtls/library.js";
import { MbedTLSEngine } from "../mbedtls/tls-engine.js";
import { configuration } from "../mbedtls/tls-native.js";
import { unsupported } from "./crypto.js";
import { clearTimer, setTimer } from "./native/system.js";

const timer = { set: setTimer, clear: clearTimer } as const;

/**
 * Library, version, and a hash of its configuration and of this engine's: sessions of another build are not resumed. `none` when the
 * host is built without Mbed TLS.
 */
export function tlsEngineBuild(): string {
  const library = version();
  return library === undefined ? "none" : `mbedtls ${library} ${configuration()}`;
}

/** @throws SealwireError `UNSUPPORTED`, and those of {@link MbedTLSEngine} */
export function createTLSEngine(options: TLSEngineOptions): TLSEngine {
  if (version() === undefined) throw unsupported("TLS");
  return new MbedTLSEngine(options, timer);
}
