/** Checks the options of a TLS engine and hands them to the native one. */
import { SealwireError } from "../../src/errors.js";
import type { TLSEngineOptions } from "../../src/platform.js";
import { NativeTLS } from "./tls-native.js";

const defaultInputBuffer = 16_384;
const versions = { "TLSv1.2": 2, "TLSv1.3": 3 } as const;
const modes = { off: 0, leaf: 1, chain: 2 } as const;
const maximumAnchors = 16;
const maximumLists = 16;
const maximumChain = 8;
const maximumProtocols = 8;

/** @throws SealwireError `INVALID_ARGUMENT` */
export function createNative(options: TLSEngineOptions): NativeTLS {
  const { serverName, trustAnchors, revocationLists = [], certificateChain = [], privateKey, time, session } = options;
  const { revocation = "off", inputBuffer = defaultInputBuffer, applicationProtocols = [] } = options;
  const {
    sessionTickets = true,
    minimumVersion = "TLSv1.2",
    maximumVersion = "TLSv1.3",
    maximumFragmentLength = 0,
  } = options;
  checkCount("trustAnchors", trustAnchors, maximumAnchors);
  checkCount("revocationLists", revocationLists, maximumLists);
  checkCount("certificateChain", certificateChain, maximumChain);
  if (trustAnchors.length === 0) throw invalid("trustAnchors must hold at least one certificate.");
  if (!Object.hasOwn(modes, revocation)) throw invalid("revocation must be off, leaf or chain.");
  if (!isServerName(serverName)) throw invalid("serverName must be a host name or an IP address.");
  if (!Number.isInteger(inputBuffer) || inputBuffer < 512 || inputBuffer > defaultInputBuffer)
    throw invalid("inputBuffer must be 512 to 16384 bytes.");
  if (![0, 512, 1024, 2048, 4096].includes(maximumFragmentLength))
    throw invalid("maximumFragmentLength must be 512, 1024, 2048 or 4096.");
  if (
    !Object.hasOwn(versions, minimumVersion) ||
    !Object.hasOwn(versions, maximumVersion) ||
    versions[minimumVersion] > versions[maximumVersion]
  )
    throw invalid("minimumVersion and maximumVersion must be TLSv1.2 or TLSv1.3, the minimum not above the maximum.");
  if (
    applicationProtocols.length > maximumProtocols ||
    applicationProtocols.some((name) => !/^[\x21-\x7e]{1,255}$/.test(name))
  )
    throw invalid(`applicationProtocols must be at most ${maximumProtocols} ASCII names of 1 to 255 bytes.`);
  if (Number.isNaN(time.earliest) || (time.latest !== undefined && !(time.latest >= time.earliest)))
    throw invalid("time.latest must not be before time.earliest.");
  if ((certificateChain.length === 0) !== (privateKey === undefined))
    throw invalid("certificateChain and privateKey belong together: one of them is missing.");
  try {
    return new NativeTLS(
      serverName,
      applicationProtocols.join("\n"),
      modes[revocation],
      versions[minimumVersion],
      versions[maximumVersion],
      inputBuffer,
      maximumFragmentLength,
      time.earliest,
      time.latest ?? NaN,
      privateKey,
      session?.bytes,
      session?.extendedMasterSecret ?? false,
      sessionTickets,
      trustAnchors,
      revocationLists,
      certificateChain,
    );
  } catch (cause) {
    throw new SealwireError("INVALID_STATE", "The private key was closed, or an option is not of its type.", { cause });
  }
}

function checkCount(name: string, items: readonly Uint8Array[], most: number): void {
  if (!Array.isArray(items) || items.length > most || items.some((item) => !(item instanceof Uint8Array)))
    throw invalid(`${name} must be at most ${most} Uint8Arrays.`);
}

/** Decimal with dots, or with colons: the native engine decides whether it is an address. */
function isServerName(name: string): boolean {
  if (/^[0-9a-fA-F:.]*:[0-9a-fA-F:.]*$/.test(name)) return name.length <= 45;
  return name.length <= 253 && /^[\w-]{1,63}(\.[\w-]{1,63})*$/.test(name);
}

function invalid(message: string): SealwireError {
  return new SealwireError("INVALID_ARGUMENT", message);
}
