/** Transports that wrap a transport. */
export type { Transport, TransportConstructor, TransportDescriptor, TransportOptions } from "../platform.js";
export { TLSSocket, type SecureOptions, type TLSSocketOptions } from "./tls-socket.js";
export { observeTransport, type TransportObserver } from "./observed-transport.js";
